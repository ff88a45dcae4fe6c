//! The honest face: every call says what happened.

mod deletion;
mod hashes;
mod keys;
mod request;
mod scan;
mod strings;
mod typed;

use std::sync::Arc;

use bytes::Bytes;

pub(crate) use self::strings::SetOptions;
pub use self::{
    deletion::{Deletion, StopHandle},
    hashes::HashOperations,
    keys::{KeyOperations, KeyTtl, KeyType},
    request::{Operation, Request},
    scan::Scan,
    strings::{GetExCommand, SetCommand, SetManyCommand, StringOperations},
    typed::{TypedGetExCommand, TypedOperations},
};
use crate::{
    codec::{self, Format},
    command::Get,
    config::Settings,
    error::Result,
    key::{Key, Prefix},
    transport::call::Road,
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

    pub(crate) fn road(&self) -> &Road {
        &self.road
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

    /// Reads the value at a key. The way of the forgiving face: nothing is built for a call that is refused, and no box is made.
    pub(crate) async fn read<T>(
        &self,
        key: impl Into<Key>,
        decode: impl FnOnce(Bytes) -> Result<T>,
    ) -> Result<Option<T>> {
        let build = |prefix: &Prefix| {
            Ok(Get {
                key: prefix.key(key.into())?,
            })
        };
        self.road
            .call(build, |reply| reply.into_bytes()?.map(decode).transpose())
            .await
    }

    /// Returns as many texts as there are keys, in their order, each for itself. One round trip.
    pub(crate) async fn read_many(&self, keys: Vec<Key>) -> Result<Vec<Result<Option<String>>>> {
        let values: Vec<Option<Bytes>> = self.string().get_many(keys.as_slice()).await?;
        let text = |(value, key): (Option<Bytes>, Key)| {
            let text = value.map(codec::text).transpose();
            text.map_err(|error| error.during("MGET", self.road.key_hash(key)))
        };
        Ok(values.into_iter().zip(keys).map(text).collect())
    }
}
