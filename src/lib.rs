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
//! | `delete` `hset` `hset_many` `publish` | `0` |
//! | `ttl` | `-2` |
//! | `lookup` | `Lookup::Unavailable(reason)` |
//!
//! A call that is refused costs well under a microsecond. The first calls of an outage may take as long as the deadline,
//! `REDIS_SOCKET_TIMEOUT`; then the breaker is open, and a background probe finds out when Redis is back. An outage is logged
//! once when it begins and once when it ends.
//!
//! # A read-through cache
//!
//! [`redis_manager().cache("users")`](RedisManager::cache) stands before something slow: [`get_or_load`](Cache::get_or_load) answers what is there, or runs the loader, once for all
//! who ask at the same time. The loader is the only source of errors: in an outage it simply runs. What was loaded before a [`remove`](Cache::remove) is not stored, and what
//! could not be removed in an outage is removed after it.
//!
//! ```
//! use std::time::Duration;
//! use redis_manager::{CachePolicy, redis_manager};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let policy = CachePolicy::new().ttl(Duration::from_secs(60)).stale_for(Duration::from_secs(3600));
//! let users = redis_manager().cache("users").with(policy);
//! let load = || async { Ok::<_, std::io::Error>("Ada".to_owned()) }; // from the database
//! assert_eq!(users.get_or_load("7", load).await.unwrap(), "Ada");
//! users.remove("7").await; // after the database was changed
//! # }
//! ```
//!
//! | | |
//! |---|---|
//! | [`get_or_load`](Cache::get_or_load), [`find_or_load`](Cache::find_or_load), [`get_or_load_with`](Cache::get_or_load_with) | one value; one that may not exist; with all there is to say |
//! | [`get_or_load_many`](Cache::get_or_load_many), [`warm`](Cache::warm), [`refresh`](Cache::refresh) | many at once; ahead of need; anew |
//! | [`get_or_load_in_place`](Cache::get_or_load_in_place), `#[cached]` | loaders that borrow; functions (feature `macros`) |
//! | [`get`](Cache::get), [`get_many`](Cache::get_many), [`lookup`](Cache::lookup), [`put`](Cache::put), [`write`](Cache::write) | without a loader; to the source and to the cache |
//! | [`remove`](Cache::remove), [`expire`](Cache::expire), [`invalidate_tag`](Cache::invalidate_tag), [`remove_matching`](Cache::remove_matching), [`clear`](Cache::clear) | invalidation |
//!
//! [`CachePolicy`] has the options, [`CacheAnswer`] says where a value came from.
//!
//! # Code that must know
//!
//! Below that forgiving face is an honest one, [`redis_manager().service()`](RedisManager::service): every operation answers a [`Result`]. It
//! comes in groups, named as Redis names them:
//!
//! | group | what |
//! |---|---|
//! | [`string()`](RedisService::string) | strings and counters: [`StringOperations`] |
//! | [`keys()`](RedisService::keys) | keys, whatever they hold; scans and deletion by pattern: [`KeyOperations`] |
//! | [`hash()`](RedisService::hash) | hashes, and structs kept in them: [`HashOperations`] |
//! | [`list()`](RedisService::list) | lists, and waiting for an element: [`ListOperations`] |
//! | [`set()`](RedisService::set) | sets: [`SetOperations`] |
//! | [`zset()`](RedisService::zset) | sorted sets: [`SortedSetOperations`] |
//! | [`json()`](RedisService::json), `message_pack()` | typed values in plain strings: [`TypedOperations`] |
//! | [`json_module()`](RedisService::json_module) | RedisJSON by path: [`JsonModuleOperations`] |
//! | [`pubsub()`](RedisService::pubsub) | publish and subscribe: [`PubSubOperations`], [`Subscription`] |
//! | [`scripts()`](RedisService::scripts) | Lua: [`ScriptOperations`] |
//! | [`pipeline`](RedisService::pipeline) | several operations in one round trip |
//! | [`transaction`](RedisService::transaction), [`watch`](RedisService::watch) | several operations in one step, if nobody was faster |
//!
//! ```
//! use redis_manager::{Config, RedisManager};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), redis_manager::Error> {
//! let redis = RedisManager::new(Config::from_url("memory://"))?; // within this process; or redis_manager()
//! let (strings, zset) = (redis.service().string(), redis.service().zset());
//! assert!(strings.set("session", "abc").ex(60).nx().await?);
//! let (session, best): (Option<String>, f64) =
//!     redis.service().pipeline((strings.get("session"), zset.zincr_by("best", "Ada", 40))).await?;
//! assert_eq!((session.as_deref(), best), (Some("abc"), 40.0));
//!
//! let error = zset.zcard("session").await.unwrap_err();
//! assert_eq!(error.code(), "wrong_type");
//! assert!(!error.is_unavailable() && !error.is_retryable());
//! # Ok(())
//! # }
//! ```
//!
//! [`RedisService::from_client`] makes such a service of a `fred` client of your own.
//!
//! # Typed keys
//!
//! [`redis_key!`] declares a family of keys once, with the type of what it holds: a misspelt field, or another type, does not compile, and what
//! users write into a field cannot reach another key. [`Entities`] adds a time to live, namespaces, updates that are never lost and a listing: what an
//! application builds its own managers on.
//!
//! ```
//! use redis_manager::{Config, RedisManager, redis_key};
//!
//! redis_key! { Visits => "visits:{page}:{day}" { page: String, day: u32 } -> u64 }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), redis_manager::Error> {
//! # let redis = RedisManager::new(Config::from_url("memory://"))?;
//! let home = Visits { page: "home".to_owned(), day: 1 };
//! redis.service().json().set(&home, &7).await?;
//! assert_eq!(redis.service().json().get(&home).await?, Some(7)); // a u64: the key says so
//! # Ok(())
//! # }
//! ```
//!
//! # A cache, and not Redis
//!
//! An application that needs no more than a cache depends on `Arc<dyn` [`CacheStore`]`>`. A [`RedisService`] is one, and so is a [`MemoryCache`]. With the
//! feature `testing` there is a `FaultyCache`, which fails on command, and a contract that tests stores of your own.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `encryption`: caches that ask for it keep their values encrypted, by AES-256-GCM with ring. `REDIS_ENCRYPTION_KEY` holds the keys,
//!   `EncryptionKeys` explains them.
//! - `macros`: `#[cached]`, which puts a read-through cache in front of an async function.
//! - `msgpack`: typed values as MessagePack.
//! - `near-cache`: what was read lately is kept in this process, and the server tells of changes: a hot read costs a fraction of a microsecond and
//!   sends nothing. `REDIS_NEAR_CACHE_MB` switches it on; [`Health::near_cache`] says how it is.
//! - `testing`: for dev-dependencies, `FaultyCache` and the contract of every `CacheStore`.
//! - `tls`: encrypted connections, by rustls with ring. `rediss://` or `REDIS_TLS` asks for them, and whoever asks never gets one without: a
//!   certificate that proves nothing is an outage, with its reason in [`Health::reason`].
//!
//! # What a server can
//!
//! [`RedisManager::capabilities`] tells flavour, version, modules, and what is there of scripts, tracking and newer commands. Servers that hide `CLIENT`, `CONFIG` or `INFO`
//! are served.
//!
//! # Configuration
//!
//! Every variable stands in `.env.example`; [`Config`] explains them.

#![cfg_attr(docsrs, feature(doc_cfg))]

// the public face
mod cache;
#[cfg(feature = "macros")]
mod cached;
mod entities;
mod global;
mod manager;

// a cache, whoever answers
mod cache_store;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

// the honest face
mod service;

// who answers
mod embedded;
mod near;
mod transport;

// plain data
mod attached;
mod breaker;
mod capabilities;
mod chance;
mod codec;
mod command;
mod config;
mod envelope;
mod error;
mod glob;
mod journal;
mod key;
mod messages;
mod metrics;
mod reply;
mod ttl;
mod typed_key;
mod value;

pub use cache::{
    Cache, CacheAnswer, CacheLookup, CacheMetrics, CachePolicy, Cacheable, Load, LoadError, Loading, Served,
    StaleReason, WarmProgress,
};
pub use cache_store::{CacheFuture, CacheStore, CacheStoreExt, MemoryCache};
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
#[doc(inline)]
pub use cached::cached;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use cached::expansion as __cached;
pub use capabilities::{Capabilities, Flavour, ServerMode, ServerVersion, Support};
pub use codec::Format;
pub use config::{Batching, Config, Secret};
pub use entities::{Entities, Listing};
#[cfg(feature = "encryption")]
#[cfg_attr(docsrs, doc(cfg(feature = "encryption")))]
pub use envelope::EncryptionKeys;
pub use error::{Error, ErrorKind, Result};
pub use global::redis_manager;
pub use key::{IntoKeys, Key};
pub use manager::{
    Answer, Health, HealthState, IncrRequest, Lookup, NearCacheHealth, NearCacheState, RedisManager, SetManyRequest,
    SetRequest,
};
pub use messages::{Event, Gap, Message};
pub use metrics::Metrics;
#[cfg(feature = "msgpack")]
#[cfg_attr(docsrs, doc(cfg(feature = "msgpack")))]
pub use reply::MessagePack;
pub use reply::{FromReply, Json, Reply};
pub use service::{
    Aggregate, Asked, Batch, Deletion, FieldExpiry, FieldPersist, FieldTtl, GetExCommand, HashOperations,
    JsonModuleOperations, JsonSetCommand, JsonType, KeyOperations, KeyTtl, KeyType, LPosCommand, LexBound,
    ListOperations, Operation, Pipeline, PubSubOperations, Reader, RedisService, Request, Scan, ScoreBound, Script,
    ScriptOperations, SetCommand, SetManyCommand, SetOperations, Side, SortedSetOperations, StopHandle,
    StringOperations, Subscription, Transaction, TypedGetExCommand, TypedOperations, Watch, ZAddCommand,
    ZAddIncrCommand, ZRangeCommand, ZStoreCommand,
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
