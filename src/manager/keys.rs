//! Keys: deletion, existence, expiry.

use super::RedisManager;
use crate::{
    key::{IntoKeys, Key},
    ttl::IntoTtl,
};

/// Keys.
impl RedisManager {
    /// Deletes one key or any list of keys and returns how many there were. One round trip.
    ///
    /// `0` in an outage. No keys, nothing sent: `0`.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set("a", 1).await;
    /// assert_eq!(redis.delete("a").await, 1);
    /// assert_eq!(redis.delete(["a", "b"]).await, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(&self, keys: impl IntoKeys) -> u64 {
        let Some(keys) = self.unless_refused(|| keys.into_keys()) else {
            return 0;
        };
        self.fallback.forgive(self.service.delete(keys).await, 0)
    }

    /// Says whether there is such a key. One round trip. `false` in an outage.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert!(!redis_manager::redis_manager().exists("nothing").await);
    /// # }
    /// ```
    pub async fn exists(&self, key: impl Into<Key>) -> bool {
        self.fallback.forgive(self.service.exists(key).await, false)
    }

    /// Lets a key expire after a time: whole seconds, or a [`Duration`](std::time::Duration) to the millisecond. One round trip.
    ///
    /// Answers whether there was such a key: `false` in an outage, and (with the reason logged, and nothing sent) if the time is zero,
    /// negative or overflows. To delete a key, [`delete`](Self::delete) it.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set("cart", "3 apples").await;
    /// assert!(redis.expire("cart", 300).await);
    /// assert!(!redis.expire("cart", 0).await);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn expire(&self, key: impl Into<Key>, ttl: impl IntoTtl) -> bool {
        self.fallback.forgive(self.service.expire(key, ttl).await, false)
    }

    /// Returns the remaining time to live in seconds, rounded as Redis rounds: -1 without expiry, -2 without key. One round trip.
    ///
    /// `-2` in an outage.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set("k", "v").ex(60).await;
    /// assert_eq!(redis.ttl("k").await, 60);
    /// assert_eq!(redis.ttl("nothing").await, -2);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ttl(&self, key: impl Into<Key>) -> i64 {
        self.fallback.forgive(self.service.ttl(key).await, -2)
    }
}
