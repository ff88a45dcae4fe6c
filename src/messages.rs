//! Messages that are published, and who listens to them: plain data, whoever brings them.
//!
//! - [`inbox`]: what has come for one listener and is not taken yet, within bounds;
//! - [`switchboard`]: which listener gets what.

mod inbox;
mod switchboard;

use std::{fmt, sync::Arc, task::Waker};

use bytes::Bytes;
use smallvec::SmallVec;

pub(crate) use self::{
    inbox::{Inbox, Item},
    switchboard::Switchboard,
};
use crate::{
    error::Result,
    key::Key,
    reply::{FromReply, Reply},
};

/// What a [`Subscription`](crate::Subscription) tells.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Event, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let mut prices = redis.service().pubsub().subscribe("prices").await?;
/// redis.publish("prices", 42).await;
/// match prices.next().await {
///     Some(Event::Message(message)) => assert_eq!(message.payload_as::<u32>()?, 42),
///     Some(Event::Gap(_)) => { /* messages may have been missed: read the prices anew */ }
///     _ => { /* the manager is gone */ }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message was published.
    Message(Message),
    /// Here messages may have been missed: pub/sub delivers at most once. From here on none is, until the next gap.
    Gap(Gap),
}

/// Why messages may have been missed.
///
/// # Examples
///
/// ```
/// assert_eq!(redis_manager::Gap::Lagged.to_string(), "more messages came than were taken");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gap {
    /// The connection was lost, and made anew.
    ConnectionLost,
    /// More messages came than were taken, and more than may wait.
    Lagged,
    /// The slot of a sharded channel has moved to another node of the cluster.
    SlotMoved,
}

/// A message that was published.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Event, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let mut news = redis.service().pubsub().psubscribe("news:*").await?;
/// redis.publish("news:sport", "2:1").await;
/// let Some(Event::Message(message)) = news.next().await else { unreachable!() };
/// assert_eq!(message.channel().as_str(), Some("news:sport"));
/// assert_eq!(message.pattern().and_then(|pattern| pattern.as_str()), Some("news:*"));
/// assert_eq!(&message.payload()[..], b"2:1");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    channel: Key,
    pattern: Option<Key>,
    payload: Bytes,
}

impl Message {
    pub(crate) fn new(channel: Key, pattern: Option<Key>, payload: Bytes) -> Self {
        Self {
            channel,
            pattern,
            payload,
        }
    }

    /// Returns the channel that it was published on, without the configured prefix.
    pub fn channel(&self) -> &Key {
        &self.channel
    }

    /// Returns the pattern that was subscribed to; `None` if it was the channel itself.
    pub fn pattern(&self) -> Option<&Key> {
        self.pattern.as_ref()
    }

    /// Returns what was published.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Reads what was published as a type: text, a number, bytes, [`Json`](crate::Json) of anything that serde can read.
    ///
    /// # Errors
    ///
    /// - Kind `Decode`: it cannot be read so.
    pub fn payload_as<T: FromReply>(&self) -> Result<T> {
        T::from_reply(Reply::Bytes(self.payload.clone()))
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectionLost => "the connection was lost",
            Self::Lagged => "more messages came than were taken",
            Self::SlotMoved => "the slot has moved to another node",
        })
    }
}

/// What is listened to, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Topic {
    pub(crate) kind: Kind,
    pub(crate) name: Bytes,
}

/// The three ways of listening. What is published in one of them does not reach the others, but for channels and patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    /// A channel of the slot that its name hashes to.
    Shard,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) channel: Bytes,
    pub(crate) pattern: Option<Bytes>,
    pub(crate) payload: Bytes,
}

/// Whoever keeps a list of listeners.
pub(crate) trait Register: Send + Sync {
    /// Takes a listener off the list.
    fn leave(&self, inbox: &Arc<Inbox>, topics: &[Topic]);
}

/// The right to listen. Dropping it ends the listening.
pub(crate) struct Listener {
    inbox: Arc<Inbox>,
    topics: Vec<Topic>,
    register: Arc<dyn Register>,
}

/// Who has to be woken, after all locks were let go: what is woken may end at once, and leave.
#[derive(Debug, Default)]
#[must_use = "who waits has to be woken"]
pub(crate) struct Wakers(SmallVec<[Waker; 4]>);

impl Kind {
    /// Returns the command by which it begins.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Channel => "SUBSCRIBE",
            Self::Pattern => "PSUBSCRIBE",
            Self::Shard => "SSUBSCRIBE",
        }
    }
}

impl Listener {
    pub(crate) fn new(inbox: Arc<Inbox>, topics: Vec<Topic>, register: Arc<dyn Register>) -> Self {
        Self {
            inbox,
            topics,
            register,
        }
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    pub(crate) fn topics(&self) -> &[Topic] {
        &self.topics
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.register.leave(&self.inbox, &self.topics);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("topics", &self.topics.len())
            .finish_non_exhaustive()
    }
}

impl Wakers {
    fn add(&mut self, waker: Option<Waker>) {
        self.0.extend(waker);
    }

    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}
