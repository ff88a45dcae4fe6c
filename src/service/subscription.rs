//! What is listened to.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{
    key::{Key, Prefix},
    messages::{Event, Item, Listener, Message},
};

/// Messages as they are published: a [`Stream`] of [`Event`]s. Made by [`PubSubOperations::subscribe`](crate::PubSubOperations::subscribe) and the like;
/// it ends when it is dropped.
///
/// Up to 1024 messages, or 16 MiB and one more, wait to be taken. What comes while so many wait is dropped, for this subscription alone, and a
/// [`Gap`](crate::Gap) stands in its place: nobody else waits for a slow one.
///
/// After an outage it goes on by itself as soon as the server is back, with one gap. A server that hangs is noticed within a second, by a heartbeat.
/// The stream ends only with the manager, by [`disconnect`](crate::RedisManager::disconnect), or if the server does not permit a channel any more.
///
/// # Cancel safety
///
/// A [`next`](Self::next) that is dropped loses nothing.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Event, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let mut changes = redis.service().pubsub().subscribe(["users", "groups"]).await?;
/// redis.publish("users", "7").await;
/// # drop(redis);
/// while let Some(event) = changes.next().await {
///     match event {
///         Event::Message(message) => assert_eq!(message.channel().as_str(), Some("users")),
///         Event::Gap(why) => println!("reading all anew, because {why}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a subscription ends when it is dropped"]
pub struct Subscription {
    listener: Listener,
    prefix: Prefix,
}

impl Subscription {
    pub(super) fn new(listener: Listener, prefix: Prefix) -> Self {
        Self { listener, prefix }
    }

    /// Returns what came next, waiting for it; `None` after the end.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let item = self.listener.inbox().poll_next(context);
        item.map(|item| {
            Some(match item? {
                Item::Gap(gap) => Event::Gap(gap),
                Item::Message(arrival) => {
                    let channel: Key = self.prefix.taken_off(&arrival.channel);
                    let pattern = arrival.pattern.map(|pattern| self.prefix.pattern_taken_off(&pattern));
                    Event::Message(Message::new(channel, pattern, arrival.payload))
                }
            })
        })
    }
}

impl Stream for Subscription {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("channels", &self.listener.topics().len())
            .finish_non_exhaustive()
    }
}
