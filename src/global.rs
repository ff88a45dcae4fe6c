//! The one manager of a process.

use once_cell::sync::Lazy;

use crate::manager::RedisManager;

static GLOBAL: Lazy<RedisManager> = Lazy::new(|| {
    RedisManager::from_env().unwrap_or_else(|error| {
        tracing::error!("{error}; Redis stays disabled");
        RedisManager::disabled(error.to_string())
    })
});

/// Returns the process' manager, built from `ENABLE_REDIS` and the `REDIS_*` variables on first use.
///
/// It always answers. A mistake in the configuration is logged once and leaves it disabled, with the reason in
/// [`health()`](RedisManager::health). This does no I/O: the manager connects when it is first asked something.
///
/// # Examples
///
/// ```
/// use redis_manager::redis_manager;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // Without ENABLE_REDIS=true every call answers its neutral value.
/// assert_eq!(redis_manager().get("user:7:name").await, None);
/// assert!(!redis_manager().set("user:7:name", "Ada").ex(60).await);
/// # }
/// ```
pub fn redis_manager() -> &'static RedisManager {
    &GLOBAL
}
