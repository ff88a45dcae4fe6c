//! The honest face: every call says what happened.

mod blocking;
mod deletion;
mod entries;
mod hashes;
mod json_module;
mod keys;
mod lists;
mod pipeline;
mod pubsub;
mod request;
mod scan;
mod scripts;
mod sets;
mod sorted_sets;
mod strings;
mod subscription;
mod transaction;
mod typed;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

pub use self::{
    deletion::{Deletion, StopHandle},
    hashes::{FieldExpiry, FieldPersist, FieldTtl, HashOperations},
    json_module::{JsonModuleOperations, JsonSetCommand, JsonType},
    keys::{KeyOperations, KeyTtl, KeyType},
    lists::{LPosCommand, ListOperations, Side},
    pipeline::{Asked, Batch, Pipeline, Reader},
    pubsub::PubSubOperations,
    request::{Operation, Request},
    scan::Scan,
    scripts::{Script, ScriptOperations},
    sets::SetOperations,
    sorted_sets::{
        Aggregate, LexBound, ScoreBound, SortedSetOperations, ZAddCommand, ZAddIncrCommand, ZRangeCommand,
        ZStoreCommand,
    },
    strings::{GetExCommand, SetCommand, SetManyCommand, StringOperations},
    subscription::Subscription,
    transaction::{Transaction, Watch},
    typed::{TypedGetExCommand, TypedOperations},
};
pub(crate) use self::{
    entries::{EntryOperations, Leased},
    strings::SetOptions,
};
use crate::{
    capabilities::Capabilities,
    codec::{self, Format},
    command::{Command, VersionedKeys, VersionedValue, version_id},
    config::Settings,
    error::Result,
    key::{Key, Prefix},
    reply::{FromReply, Reply},
    transport::{call::Road, guest::Guest},
};

/// Redis for code that must know: every operation returns a [`Result`].
///
/// Reach it by [`redis_manager().service()`](crate::RedisManager::service). The operations come in groups, named as Redis groups its
/// commands. A clone shares everything with its original.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let service = redis.service();
/// assert!(service.string().set("token", "abc").ex(60).nx().await?);
/// let token: Option<String> = service.string().get("token").await?;
/// assert_eq!(token.as_deref(), Some("abc"));
///
/// let off = RedisManager::disabled("an example");
/// let error = off.service().string().get::<String>("token").await.unwrap_err();
/// assert!(error.is_unavailable());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RedisService {
    road: Arc<Road>,
}

impl RedisService {
    pub(crate) fn with_settings(settings: Settings) -> Self {
        Self {
            road: Arc::new(Road::new(settings)),
        }
    }

    pub(crate) fn of_road(road: Arc<Road>) -> Self {
        Self { road }
    }

    /// Makes a service of a fred client that is already connected. Its life stays the caller's: this crate neither reconnects nor closes it, and has
    /// no breaker before it. Every call has the client's own `default_command_timeout` as its deadline, or half a second.
    ///
    /// Transactions, watched keys and blocking commands open further connections with the client's configuration.
    ///
    /// # Errors
    ///
    /// - Kind `Unsupported`: the client does not speak RESP3, or is one for a cluster or for Sentinel. With such a client a value that looks
    ///   like a message, or like a redirection, gives callers each other's replies.
    ///
    /// # Examples
    ///
    /// ```
    /// use fred::types::{Builder, RespVersion};
    /// use redis_manager::RedisService;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let client = Builder::default_centralized().build().unwrap(); // RESP2
    /// let error = RedisService::from_client(&client).unwrap_err();
    /// assert!(error.to_string().contains("RESP3"));
    /// # }
    /// ```
    pub fn from_client(client: &fred::clients::Client) -> Result<Self> {
        Ok(Self {
            road: Arc::new(Road::of_guest(Guest::new(client)?)),
        })
    }

    pub(crate) fn road(&self) -> &Arc<Road> {
        &self.road
    }

    /// Returns what the server can, as [`RedisManager::capabilities`](crate::RedisManager::capabilities) does. Of a client of the caller's hardly
    /// anything is known.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, RedisManager, Support};
    ///
    /// let redis = RedisManager::new(Config::from_url("memory://"))?;
    /// assert_eq!(redis.service().capabilities().json, Support::No);
    /// # Ok::<(), redis_manager::Error>(())
    /// ```
    pub fn capabilities(&self) -> Capabilities {
        self.road.capabilities()
    }

    /// Strings and counters.
    pub fn string(&self) -> StringOperations<'_> {
        StringOperations::new(self)
    }

    /// Keys, whatever they hold.
    pub fn keys(&self) -> KeyOperations<'_> {
        KeyOperations::new(self)
    }

    /// Hashes.
    pub fn hash(&self) -> HashOperations<'_> {
        HashOperations::new(self)
    }

    /// Publish and subscribe.
    pub fn pubsub(&self) -> PubSubOperations<'_> {
        PubSubOperations::new(self)
    }

    /// Lua scripts.
    pub fn scripts(&self) -> ScriptOperations<'_> {
        ScriptOperations::new(self)
    }

    /// JSON documents by path, on a server with the RedisJSON module.
    pub fn json_module(&self) -> JsonModuleOperations<'_> {
        JsonModuleOperations::new(self)
    }

    /// Lists.
    pub fn list(&self) -> ListOperations<'_> {
        ListOperations::new(self)
    }

    /// Sets.
    pub fn set(&self) -> SetOperations<'_> {
        SetOperations::new(self)
    }

    /// Sorted sets.
    pub fn zset(&self) -> SortedSetOperations<'_> {
        SortedSetOperations::new(self)
    }

    /// Typed values as JSON, in plain strings.
    pub fn json(&self) -> TypedOperations<'_> {
        TypedOperations::new(self, Format::Json)
    }

    /// Typed values as MessagePack, in plain strings.
    #[cfg(feature = "msgpack")]
    #[cfg_attr(docsrs, doc(cfg(feature = "msgpack")))]
    pub fn message_pack(&self) -> TypedOperations<'_> {
        TypedOperations::new(self, Format::MessagePack)
    }

    /// The steps of the read-through cache.
    pub(crate) fn entries(&self) -> EntryOperations<'_> {
        EntryOperations::new(&self.road)
    }

    /// Returns what the near cache knows of all these keys; nothing if it does not know one of them.
    pub(crate) fn near_values(&self, keys: &[Key]) -> Option<Vec<Option<Reply>>> {
        let live = self.road.near_is_live(Instant::now())?;
        let value = |key| Some(self.road.near(live, key)?.into_bytes().map(Reply::Bytes));
        keys.iter().map(value).collect()
    }

    /// Returns what the near cache knows now of a value and its versions; nothing if it does not know one of them.
    pub(crate) fn near_versioned(&self, now: Instant, keys: &VersionedKeys<'_>) -> Option<VersionedValue> {
        let live = self.road.near_is_live(now)?;
        let id = |key| Some(self.road.near(live, key)?.as_slice().and_then(version_id));
        Some(VersionedValue {
            version: id(keys.version)?,
            more: keys.more.iter().map(id).collect::<Option<_>>()?,
            value: self.road.near(live, keys.value)?.into_bytes(),
        })
    }

    /// Reads the value at a key. The way of the forgiving face: what is near is answered at once, nothing is built for a call that is refused, and no
    /// box is made.
    pub(crate) async fn read<T>(
        &self,
        key: impl Into<Key>,
        decode: impl FnOnce(Bytes) -> Result<T>,
    ) -> Result<Option<T>> {
        let key = match self.road.near_is_live(Instant::now()) {
            None => Ok(key),
            Some(live) => {
                let key = key.into();
                if let Some(value) = self.road.near(live, &key) {
                    let read = value.into_bytes().map(decode).transpose();
                    return read.map_err(|error| error.during("GET", self.road.key_hash(key)));
                }
                Err(key)
            }
        };
        let build = |prefix: &Prefix| {
            let key = prefix.key(key.map_or_else(|key| key, Into::into))?;
            Ok(Command::Get { key })
        };
        let read = |reply: Reply| reply.into_bytes()?.map(decode).transpose();
        self.road.call_far(build, read).await
    }

    /// Returns as many texts as there are keys, in their order, each for itself. One round trip (to each node of a cluster).
    pub(crate) async fn read_many(&self, keys: Vec<Key>) -> Result<Vec<Result<Option<String>>>> {
        let values: Vec<Option<Reply>> = self.string().get_many(keys.as_slice()).await?;
        let text = |(value, key): (Option<Reply>, Key)| {
            let text = value.map(|value| match value {
                // In a cluster: its node does not answer.
                Reply::Error(error) => Err(error),
                value => codec::text(Bytes::from_reply(value)?),
            });
            let text = text.transpose();
            text.map_err(|error| error.during("MGET", self.road.key_hash(key)))
        };
        Ok(values.into_iter().zip(keys).map(text).collect())
    }
}
