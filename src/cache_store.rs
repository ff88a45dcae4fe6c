//! "A cache", for code that shall not depend on Redis.

mod forward;
mod memory;
mod redis;

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub use self::memory::MemoryCache;
use crate::{
    codec,
    error::{Error, Result},
    value::Value,
};

/// What every method of a [`CacheStore`] returns: a boxed future that can be sent between threads. Nothing happens until it is polled.
///
/// # Examples
///
/// ```
/// use redis_manager::{CacheFuture, CacheStore};
///
/// fn forget<'a>(cache: &'a dyn CacheStore, key: &'a str) -> CacheFuture<'a, bool> {
///     Box::pin(async move { cache.delete(key).await })
/// }
/// ```
pub type CacheFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A cache, whoever answers: depend on `Arc<dyn CacheStore>`, and give it a [`RedisService`](crate::RedisService), a [`MemoryCache`], a store of
/// your own, or in tests a `FaultyCache` (feature `testing`).
///
/// Every method says in a [`Result`] what happened. What an application answers without its cache is its own decision; if it is always the
/// neutral value, use [`RedisManager`](crate::RedisManager) instead.
///
/// # Why boxed futures
///
/// A trait with `async fn` cannot be `dyn`, and an application that is generic over its cache carries the type parameter through each of
/// its own types. So the methods return [boxed futures](CacheFuture), and what is generic stands in [`CacheStoreExt`], which every store
/// has. It costs one allocation for each call. A [`RedisService`](crate::RedisService) makes that box anyway: through the trait, a call to
/// Redis costs no allocation more than without it.
///
/// `&S`, `Box<S>` and `Arc<S>` are stores as well.
///
/// # Errors
///
/// Every method fails
///
/// - with an error of which [`is_unavailable`](Error::is_unavailable) is true if the store gave no answer;
/// - with kind `InvalidArgument` if the call itself is wrong: an empty key, a time to live of zero; nothing was changed then.
///
/// # Cancel safety
///
/// Until its future is polled nothing happens. Dropping it after that gives up the answer; the call may have been executed.
///
/// # Examples
///
/// The state of a web service, as axum and others clone it for each request:
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use redis_manager::{CacheStore, CacheStoreExt, MemoryCache, Result, redis_manager};
///
/// #[derive(Clone)]
/// struct AppState {
///     cache: Arc<dyn CacheStore>,
/// }
///
/// // with axum: async fn profile(State(state): State<AppState>, Path(id): Path<u64>) -> …
/// async fn profile(state: AppState, id: u64) -> Vec<String> {
///     let key = format!("user:{id}:profile");
///     if let Ok(Some(profile)) = state.cache.get_json(&key).await {
///         return profile;
///     }
///     let profile = vec![format!("user {id}")]; // from the database
///     let _best_effort = state.cache.set_json(&key, &profile, Some(Duration::from_secs(300))).await;
///     profile
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let production = AppState { cache: Arc::new(redis_manager().service().clone()) };
/// let test = AppState { cache: Arc::new(MemoryCache::new(1 << 20)) };
/// for state in [production, test.clone()] {
///     let answer = tokio::spawn(profile(state, 7)).await.unwrap();
///     assert_eq!(answer, ["user 7"]);
/// }
/// assert!(test.cache.exists("user:7:profile").await?);
/// # Ok(())
/// # }
/// ```
///
/// A store of your own: see `testing::cache_store_contract!` for the tests that it has to pass.
pub trait CacheStore: Send + Sync {
    /// Returns the bytes at a key, `None` without such a key.
    fn get<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Bytes>>;

    /// Stores a value, whatever was there; without `ttl` it stays until it is deleted, even if what it replaces would have expired.
    fn set<'a>(&'a self, key: &'a str, value: Value, ttl: Option<Duration>) -> CacheFuture<'a, ()>;

    /// Deletes a key and says whether there was one.
    fn delete<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool>;

    /// Says whether there is such a key.
    fn exists<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool>;

    /// Lets a key expire after a time, and says whether there is such a key.
    fn expire<'a>(&'a self, key: &'a str, ttl: Duration) -> CacheFuture<'a, bool>;

    /// Returns how long a key will live. `None` if it does not expire, and if there is no such key.
    fn ttl<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Duration>>;

    /// Adds to a number in one step and returns the sum; a missing key counts as 0. It leaves the time to live alone.
    ///
    /// Fails if the value is no whole number, and if the sum would overflow.
    fn increment<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64>;

    /// Subtracts from a number. Otherwise as [`increment`](Self::increment).
    fn decrement<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64> {
        match by.checked_neg() {
            Some(by) => self.increment(key, by),
            None => Box::pin(async { Err(Error::invalid("a step that overflows")) }),
        }
    }

    /// Returns the values at several keys, as many as keys, in their order.
    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> CacheFuture<'a, Vec<Option<Bytes>>>;

    /// Stores several values, all or none, as [`set`](Self::set) does; all with the same `ttl`.
    fn set_many<'a>(&'a self, pairs: &'a [(&'a str, Value)], ttl: Option<Duration>) -> CacheFuture<'a, ()>;

    /// Deletes the keys that match a pattern as Redis matches it, and returns how many there were: `*` is any text, `?` any character, `[a-z]`
    /// one of several, `\` stands before what is meant as it stands. Not in one step: what is written meanwhile may survive.
    ///
    /// Fails with kind `InvalidArgument` if the pattern is empty.
    fn delete_pattern<'a>(&'a self, pattern: &'a str) -> CacheFuture<'a, u64>;

    /// Deletes every key of this store, and nobody else's, and returns how many there were. Not in one step.
    ///
    /// A [`RedisService`](crate::RedisService) deletes what is under its key prefix; without one it fails with kind `InvalidArgument`, since its keys could be
    /// anybody's.
    fn flush(&self) -> CacheFuture<'_, u64>;

    /// Succeeds if the store answers.
    fn ping(&self) -> CacheFuture<'_, ()>;
}

/// What every [`CacheStore`] can do besides: values as text and as JSON.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use redis_manager::{CacheStore, CacheStoreExt, MemoryCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// let cache = MemoryCache::new(1 << 20);
/// cache.set_json("primes", &[2, 3, 5], Some(Duration::from_secs(60))).await?;
/// let primes: Option<Vec<u32>> = cache.get_json("primes").await?;
/// assert_eq!(primes, Some(vec![2, 3, 5]));
/// assert_eq!(cache.get_text("primes").await?.as_deref(), Some("[2,3,5]"));
/// # Ok(())
/// # }
/// ```
pub trait CacheStoreExt: CacheStore {
    /// Returns the text at a key, `None` without such a key.
    ///
    /// # Errors
    ///
    /// - With kind `Decode` if it is not UTF-8: nothing is ever replaced.
    /// - As [`get`](CacheStore::get).
    fn get_text<'a>(&'a self, key: &'a str) -> impl Future<Output = Result<Option<String>>> + Send + 'a {
        let found = self.get(key);
        async move {
            let text = found.await?.map(codec::text).transpose();
            text.map_err(|error| error.during("get_text", None))
        }
    }

    /// Reads the JSON at a key, `None` without such a key.
    ///
    /// # Errors
    ///
    /// - With kind `Decode` if it is no JSON or has another shape; the error says type and position, not content.
    /// - As [`get`](CacheStore::get).
    fn get_json<'a, T: DeserializeOwned + 'a>(
        &'a self,
        key: &'a str,
    ) -> impl Future<Output = Result<Option<T>>> + Send + 'a {
        let found = self.get(key);
        async move {
            let value = found.await?.map(|json| codec::from_json(&json)).transpose();
            value.map_err(|error| error.during("get_json", None))
        }
    }

    /// Stores a value as JSON, as [`set`](CacheStore::set) does. It is written at once, when this is called.
    ///
    /// # Errors
    ///
    /// - With kind `Encode` if JSON has no form for the value; nothing is stored then.
    /// - As [`set`](CacheStore::set).
    fn set_json<'a, T: Serialize + ?Sized>(
        &'a self,
        key: &'a str,
        value: &T,
        ttl: Option<Duration>,
    ) -> impl Future<Output = Result<()>> + Send + use<'a, Self, T> {
        let stored = codec::to_json(value).map(|json| self.set(key, json.into(), ttl));
        async move {
            match stored {
                Ok(stored) => stored.await,
                Err(error) => Err(error.during("set_json", None)),
            }
        }
    }
}

impl<S: CacheStore + ?Sized> CacheStoreExt for S {}
