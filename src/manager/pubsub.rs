//! Publishing. To subscribe, code has to know whether it worked: that is for the honest face.

use super::RedisManager;
use crate::{key::Key, value::Value};

/// Publish and subscribe.
impl RedisManager {
    /// Publishes a message on a channel and returns how many clients it went to. One round trip.
    ///
    /// `0` in an outage: the message is lost then, as pub/sub keeps nothing.
    ///
    /// To listen, see [`PubSubOperations`](crate::PubSubOperations).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert_eq!(redis.publish("news", "nobody listens").await, 0);
    /// let _news = redis.service().pubsub().subscribe("news").await?;
    /// assert_eq!(redis.publish("news", "one does").await, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn publish(&self, channel: impl Into<Key>, message: impl Into<Value>) -> u64 {
        self.ask(0, |service| service.pubsub().publish(channel, message)).await
    }
}
