//! Hashes.

use super::RedisManager;
use crate::{key::Key, value::Value};

/// Hashes.
impl RedisManager {
    /// Sets a field of a hash and returns how many fields are new: 1 or 0. One round trip.
    ///
    /// `0` in an outage, and (with the reason logged) if the key holds another type.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert_eq!(redis.hset("user:7", "name", "Ada").await, 1);
    /// assert_eq!(redis.hget("user:7", "name").await.as_deref(), Some("Ada"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn hset(&self, key: impl Into<Key>, field: impl Into<Value>, value: impl Into<Value>) -> u64 {
        self.hset_many(key, [(field, value)]).await
    }

    /// Sets fields of a hash and returns how many are new. One round trip. Otherwise as [`hset`](Self::hset).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert_eq!(redis.hset_many("h", [("a", "1"), ("b", "2")]).await, 2);
    /// assert_eq!(redis.hset_many("h", [("b", "3"), ("c", "4")]).await, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn hset_many<F: Into<Value>, V: Into<Value>>(
        &self,
        key: impl Into<Key>,
        fields: impl IntoIterator<Item = (F, V)>,
    ) -> u64 {
        self.ask(0, |service| service.hash().hset(key, fields)).await
    }

    /// Returns the text of a field. One round trip.
    ///
    /// `None` if there is none, in an outage, and (with the reason logged) if it is not UTF-8 or the key is not a hash.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert_eq!(redis_manager::redis_manager().hget("user:7", "name").await, None);
    /// # }
    /// ```
    pub async fn hget(&self, key: impl Into<Key>, field: impl Into<Value>) -> Option<String> {
        self.ask(None, |service| service.hash().hget(key, field)).await
    }
}
