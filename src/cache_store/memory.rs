//! A cache in this process.

use std::time::Duration;

use bytes::Bytes;

use super::{CacheFuture, CacheStore};
use crate::{
    config::{Settings, Target},
    service::RedisService,
    value::Value,
};

/// A cache in the memory of this process: what answers behind `memory://`, as a store of its own.
///
/// It is bounded: what does not fit evicts what was used least recently. It is never unavailable. Each one that is made is empty and shares
/// nothing with others; a clone shares everything with its original.
///
/// # Examples
///
/// ```
/// use redis_manager::{CacheStore, MemoryCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// let cache = MemoryCache::new(8 << 20);
/// cache.set("k", "v".into(), None).await?;
/// assert!(cache.clone().exists("k").await?);
/// assert!(!MemoryCache::new(8 << 20).exists("k").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MemoryCache {
    /// Over a store that nobody else can reach.
    service: RedisService,
}

impl MemoryCache {
    /// Makes an empty cache that holds so many bytes: keys, values, and 128 for each entry. A value that is larger than the whole
    /// cache is refused with kind `OutOfMemory`.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            service: RedisService::with_settings(Settings::answered_by(Target::Memory { max_bytes })),
        }
    }
}

impl CacheStore for MemoryCache {
    fn get<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Bytes>> {
        CacheStore::get(&self.service, key)
    }

    fn set<'a>(&'a self, key: &'a str, value: Value, ttl: Option<Duration>) -> CacheFuture<'a, ()> {
        CacheStore::set(&self.service, key, value, ttl)
    }

    fn delete<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool> {
        CacheStore::delete(&self.service, key)
    }

    fn exists<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool> {
        CacheStore::exists(&self.service, key)
    }

    fn expire<'a>(&'a self, key: &'a str, ttl: Duration) -> CacheFuture<'a, bool> {
        CacheStore::expire(&self.service, key, ttl)
    }

    fn ttl<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Duration>> {
        CacheStore::ttl(&self.service, key)
    }

    fn increment<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64> {
        CacheStore::increment(&self.service, key, by)
    }

    fn decrement<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64> {
        CacheStore::decrement(&self.service, key, by)
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> CacheFuture<'a, Vec<Option<Bytes>>> {
        CacheStore::get_many(&self.service, keys)
    }

    fn set_many<'a>(&'a self, pairs: &'a [(&'a str, Value)], ttl: Option<Duration>) -> CacheFuture<'a, ()> {
        CacheStore::set_many(&self.service, pairs, ttl)
    }

    fn delete_pattern<'a>(&'a self, pattern: &'a str) -> CacheFuture<'a, u64> {
        CacheStore::delete_pattern(&self.service, pattern)
    }

    /// Everything in it is its own.
    fn flush(&self) -> CacheFuture<'_, u64> {
        CacheStore::delete_pattern(&self.service, "*")
    }

    fn ping(&self) -> CacheFuture<'_, ()> {
        CacheStore::ping(&self.service)
    }
}
