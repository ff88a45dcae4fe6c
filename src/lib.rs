//! A lazily initialised, global, environment-configured Redis cache manager with graceful fallback.
//!
//! Put [`redis_manager()`] anywhere in a service. When Redis is disabled, absent, hung or gone, every call answers at once with its
//! neutral value (`None`, `false`, `0`); when Redis is back, so is the cache, without a restart.
//!
//! ```
//! use redis_manager::redis_manager;
//!
//! async fn user_name(id: u64) -> String {
//!     let key = format!("user:{id}:name");
//!     if let Some(name) = redis_manager().get(&key).await {
//!         return name;
//!     }
//!     let name = load_from_database(id).await;
//!     redis_manager().set(&key, &name).ex(300).await;
//!     name
//! }
//! # async fn load_from_database(id: u64) -> String { format!("user {id}") }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() { assert_eq!(user_name(7).await, "user 7"); }
//! ```
//!
//! # What happens when Redis is down
//!
//! | call | answer |
//! |---|---|
//! | `get` `get_bytes` `get_json` `hget` `incr` `decr` | `None` |
//! | `get_many` | as many `None` as keys |
//! | `set` `set_json` `set_many` `exists` `expire` | `false` |
//! | `delete` `hset` `hset_many` | `0` |
//! | `ttl` | `-2` |
//! | `lookup` | `Lookup::Unavailable(reason)` |
//!
//! A call that is refused costs well under a microsecond. The first calls of an outage may take as long as the deadline,
//! `REDIS_SOCKET_TIMEOUT`; then the breaker is open, and a background probe finds out when Redis is back. An outage is logged
//! once when it begins and once when it ends.
//!
//! # Configuration
//!
//! Every variable stands in `.env.example`; [`Config`] explains them.

#![cfg_attr(docsrs, feature(doc_cfg))]

// the public face
mod entities;
mod global;
mod manager;

// the honest face
mod service;

// who answers
mod embedded;
mod transport;

// plain data
mod breaker;
mod codec;
mod command;
mod config;
mod error;
mod key;
mod metrics;
mod reply;
mod ttl;
mod typed_key;
mod value;

pub use codec::Format;
pub use config::{Batching, Config, Secret};
pub use entities::{Entities, Listing};
pub use error::{Error, ErrorKind, Result};
pub use global::redis_manager;
pub use key::{IntoKeys, Key};
pub use manager::{Answer, Health, HealthState, IncrRequest, Lookup, RedisManager, SetManyRequest, SetRequest};
pub use metrics::Metrics;
#[cfg(feature = "msgpack")]
#[cfg_attr(docsrs, doc(cfg(feature = "msgpack")))]
pub use reply::MessagePack;
pub use reply::{FromReply, Json, Reply};
pub use service::{
    Aggregate, Asked, Batch, Deletion, FieldExpiry, FieldPersist, FieldTtl, GetExCommand, HashOperations,
    JsonModuleOperations, JsonSetCommand, JsonType, KeyOperations, KeyTtl, KeyType, LPosCommand, LexBound,
    ListOperations, Operation, Pipeline, Reader, RedisService, Request, Scan, ScoreBound, Script, ScriptOperations,
    SetCommand, SetManyCommand, SetOperations, Side, SortedSetOperations, StopHandle, StringOperations, Transaction,
    TypedGetExCommand, TypedOperations, Watch, ZAddCommand, ZAddIncrCommand, ZRangeCommand, ZStoreCommand,
};
pub use ttl::{IntoTtl, Ttl};
#[doc(hidden)]
pub use typed_key::template as __template;
pub use typed_key::{KeyFamily, KeyOf, KeyPart, ParseKey, TypedKey};
pub use value::Value;

/// Runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
