//! Keys: deletion, existence, expiry.

use super::RedisManager;
use crate::{
    key::{IntoKeys, Key},
    service::KeyTtl,
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
        self.ask(0, |service| service.keys().delete(keys)).await
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
        self.ask(0, |service| service.keys().exists(key.into())).await > 0
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
        self.ask(false, |service| service.keys().expire(key, ttl)).await
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
        match self.ask(KeyTtl::Missing, |service| service.keys().ttl(key)).await {
            KeyTtl::Missing => -2,
            KeyTtl::Persistent => -1,
            // As the server rounds for `TTL`.
            KeyTtl::Expires(left) => i64::try_from((left.as_millis() + 500) / 1000).unwrap_or(i64::MAX),
        }
    }
}
