//! Publish and subscribe.

use super::{
    request::{Request, group},
    subscription::Subscription,
};
use crate::{
    command::Call,
    error::{Error, Result},
    key::{IntoKeys, Key, Prefix},
    messages::{Kind, Topic},
    reply::Reply,
    value::Value,
};

group! {
    /// Publish and subscribe. Made by [`RedisService::pubsub`](crate::RedisService::pubsub).
    ///
    /// A message reaches whoever listens at that moment, once at most: nothing is kept for others, and what is missed in an outage is missed. A
    /// subscription says where that may have been, by [`Event::Gap`](crate::Event::Gap).
    ///
    /// Channels are any bytes but none. The configured prefix stands before each, as before keys. (So a manager with a prefix does not hear of
    /// keyspace notifications, whose channels are the server's.)
    ///
    /// **In a cluster** every node passes on what is published to all others, so that subscriptions may be at any of them. *Sharded* channels
    /// (`spublish`, `ssubscribe`; Redis 7) belong to a slot, as keys do, and stay among the nodes of that slot: they grow with the cluster.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, Event, RedisManager};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// let pubsub = redis.service().pubsub();
    /// let mut orders = pubsub.subscribe("orders").await?;
    /// assert_eq!(pubsub.publish("orders", "tea").await?, 1);
    /// let Some(Event::Message(order)) = orders.next().await else { unreachable!() };
    /// assert_eq!(order.payload_as::<String>()?, "tea");
    /// # Ok(())
    /// # }
    /// ```
    PubSubOperations
}

impl<'a> PubSubOperations<'a> {
    /// Publishes a message on a channel (`PUBLISH`) and returns how many clients it went to: all subscriptions of one manager to one server are one
    /// client, and count once for the channel and once for each of their patterns that matches. In a cluster only those of the node that was asked
    /// are counted. One round trip.
    pub fn publish(&self, channel: impl Into<Key>, message: impl Into<Value>) -> Request<'a, u64> {
        let (channel, message) = (channel.into(), message.into().into_bytes());
        let build = |prefix: &Prefix| Ok(Call::new("PUBLISH").arg(named(prefix, channel)?).arg(message));
        Request::new(self.road, build, Reply::into_count)
    }

    /// Publishes a message on a sharded channel (`SPUBLISH`, Redis 7) and returns how many clients it went to. In a cluster it goes to the node of the
    /// channel's slot. One round trip.
    pub fn spublish(&self, channel: impl Into<Key>, message: impl Into<Value>) -> Request<'a, u64> {
        let (channel, message) = (channel.into(), message.into().into_bytes());
        // A key: so it finds its slot.
        let build = |prefix: &Prefix| Ok(Call::new("SPUBLISH").key(named(prefix, channel)?).arg(message));
        Request::new(self.road, build, Reply::into_count)
    }

    /// Subscribes to channels (`SUBSCRIBE`): one or any list of them. Returns as soon as the server has confirmed all; what is published from then on
    /// arrives.
    ///
    /// The subscription outlives the tokio runtime that it was made in. After an outage it goes on by itself, with a gap where it was. It ends when it is
    /// dropped, when its manager is, and by [`disconnect`](crate::RedisManager::disconnect).
    ///
    /// All subscriptions of a manager to one server share a connection for nothing else, of the `REDIS_MAX_CONNECTIONS`. What several of them listen
    /// to is subscribed to once.
    ///
    /// # Errors
    ///
    /// - Kind `Disabled`; kind `Unavailable` in an outage, or if no further connection is permitted. Then nothing is left behind: try again later.
    /// - Kind `Timeout` if the server has not confirmed before the deadline.
    /// - Kind `InvalidArgument` if there are no channels, or one is empty.
    /// - Kind `Auth` if the user may not listen to one of them.
    /// - Kind `Unsupported` on a client of your own.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the subscription back, at the server as well.
    pub async fn subscribe(&self, channels: impl IntoKeys) -> Result<Subscription> {
        self.listen(Kind::Channel, channels.into_keys(), named).await
    }

    /// Subscribes to all channels that match a pattern as Redis matches it (`PSUBSCRIBE`): `*`, `?`, `[a-z]`, `\` before what is meant as it stands. One
    /// pattern or any list of them; of several that match a channel each brings its messages. Otherwise as [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    ///
    /// - As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn psubscribe(&self, patterns: impl IntoKeys) -> Result<Subscription> {
        let name = |prefix: &Prefix, pattern: Key| {
            checked(&pattern)?;
            Ok(prefix.pattern(pattern.as_bytes()))
        };
        self.listen(Kind::Pattern, patterns.into_keys(), name).await
    }

    /// Subscribes to sharded channels (`SSUBSCRIBE`, Redis 7): one or any list of them, in any slots. In a cluster each is listened to at the node of its
    /// slot, and followed when the slot moves, with a gap. Otherwise as [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    ///
    /// - Kind `Unsupported` on a server before Redis 7.
    /// - As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn ssubscribe(&self, channels: impl IntoKeys) -> Result<Subscription> {
        self.listen(Kind::Shard, channels.into_keys(), named).await
    }

    async fn listen(
        &self,
        kind: Kind,
        names: Vec<Key>,
        name: impl Fn(&Prefix, Key) -> Result<bytes::Bytes>,
    ) -> Result<Subscription> {
        let prefix = self.road.prefix();
        let mut topics = Vec::with_capacity(names.len());
        for key in names {
            let name = name(prefix, key)?;
            topics.push(Topic { kind, name });
        }
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        topics.dedup();
        if topics.is_empty() {
            return Err(Error::invalid("no channels to subscribe to"));
        }
        Ok(Subscription::new(self.road.listen(topics).await?, prefix.clone()))
    }
}

/// Returns a channel as the server knows it.
fn named(prefix: &Prefix, channel: Key) -> Result<bytes::Bytes> {
    checked(&channel)?;
    prefix.key(channel)
}

fn checked(channel: &Key) -> Result<()> {
    if channel.as_bytes().is_empty() {
        return Err(Error::invalid("an empty channel"));
    }
    Ok(())
}
