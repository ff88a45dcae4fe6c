//! Keys: deletion, existence, expiry.

use super::RedisManager;
use crate::{
    key::{IntoKeys, Key},
    service::KeyTtl,
    transport::replay::Undeleted,
    ttl::IntoTtl,
};

/// Keys.
impl RedisManager {
    /// Deletes one key or any list of keys and returns how many there were. One round trip.
    ///
    /// `0` in an outage. No keys, nothing sent: `0`.
    ///
    /// With `REDIS_REPLAY_DELETES`, keys that were not deleted because nobody answered, or not in time, are remembered and deleted later: after an outage
    /// before any call of this manager passes, otherwise within about a second. The same if this future is dropped before its answer. The answer is `0` all the same. That is harmless for a
    /// cache. It is not for data: what another process has written at the key meanwhile is deleted as well. If this manager itself sets the key again, and that
    /// succeeds, it is not deleted any more. The last 4096 keys are remembered, up to 4 MiB of them, and none beyond the end of the process.
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
        if self.service.road().replays_deletes() {
            // In a box: otherwise every call would carry the room for it.
            return Box::pin(self.delete_now_or_later(keys.into_keys())).await;
        }
        self.ask(0, |service| service.keys().delete(keys)).await
    }

    async fn delete_now_or_later(&self, keys: Vec<Key>) -> u64 {
        let road = self.service.road();
        let keys = match road.prefix().keys(keys) {
            Ok(keys) if keys.is_empty() => return 0,
            Ok(keys) => keys,
            Err(invalid) => return self.fallback.forgive(Err(invalid), 0),
        };
        let mut undeleted = Undeleted::new(road, keys);
        if undeleted.must_wait() {
            return 0;
        }
        let counts = undeleted.delete().await.into_iter();
        counts.map(|count| self.fallback.forgive(count, 0)).sum()
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
