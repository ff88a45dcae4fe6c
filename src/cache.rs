//! The read-through cache: put it before something slow.

mod body;
mod clock;
mod flight;
mod freshness;
mod in_place;
mod lease;
mod load;
mod loading;
mod many;
mod metrics;
mod policy;
mod reading;
mod removal;
mod serving;
mod settling;
mod space;
mod steps;
mod storing;
mod tasks;
mod version;
mod warming;
mod writing;

use std::{fmt, sync::Arc, time::Instant};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use self::{
    clock::Clock,
    in_place::Shape,
    loading::{Loader, boxed},
    reading::{Place, Sight},
    serving::Hit,
    space::{Space, Spaces},
};
pub use self::{
    load::{CacheAnswer, Load, LoadError, Loading, Served, StaleReason},
    metrics::CacheMetrics,
    policy::CachePolicy,
    warming::WarmProgress,
};
use crate::{key::Key, manager::RedisManager, service::RedisService, typed_key::KeyOf};

/// What every value of a cache has to be; every type that is all of this is.
///
/// # Examples
///
/// ```
/// fn check<T: redis_manager::Cacheable>() {}
/// check::<Vec<(String, u64)>>();
/// ```
pub trait Cacheable: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Cacheable for T {}

/// A cache before something slow: what is asked for is read from it, or loaded and kept. Made by [`RedisManager::cache`]; a clone is cheap.
///
/// The loader is the only source of errors. Whatever becomes of Redis, a call answers what the loader brings, or what was there: with Redis disabled or gone each call
/// loads, at no cost beyond well under a microsecond, and calls for one key at one time still share one load.
///
/// - **One load at a time** for each key, in this process; in all processes with [`distributed`](CachePolicy::distributed). It runs in a task of its own: a caller who goes
///   takes nobody's value away, and a loader that panics, or takes longer than the [`hard_timeout`](CachePolicy::hard_timeout), holds nobody up.
/// - **Nothing stale is stored.** What was loaded before a [`remove`](Self::remove), a [`put`](Self::put), or an invalidation of its tags, goes to its callers and is not kept.
/// - **Invalidations survive outages.** What cannot be sent is kept in a bounded journal, holds for this process at once, and is sent before anything else when Redis is back.
///   The journal is lost with the process.
///
/// Keys are plain text or bytes, and their values of any type; or they are [typed keys](crate::redis_key), and their values of exactly that key's type. Entries
/// have a layout of their own, so that other clients cannot read them.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use redis_manager::{CachePolicy, Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let policy = CachePolicy::new().ttl(Duration::from_secs(60)).stale_for(Duration::from_secs(3600));
/// let users = redis.cache("users").with(policy);
///
/// let load = || async { Ok::<_, std::io::Error>("Ada".to_owned()) }; // from the database
/// assert_eq!(users.get_or_load("7", load).await.unwrap(), "Ada");
///
/// users.remove("7").await; // after the database was changed
/// assert_eq!(users.get::<String>("7").await, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a cache does nothing by itself"]
pub struct Cache {
    service: RedisService,
    shared: Arc<Shared>,
    space: Arc<Space>,
    policy: Arc<CachePolicy>,
    tags: Arc<[Bytes]>,
}

/// What all caches of one manager share.
#[derive(Debug, Default)]
struct Shared {
    spaces: Spaces,
    clock: Clock,
    usual: Arc<CachePolicy>,
}

/// What is known of a key. Returned by [`Cache::lookup`].
///
/// # Examples
///
/// ```
/// use redis_manager::{CacheLookup, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let off = RedisManager::disabled("an example");
/// assert_eq!(off.cache("users").lookup::<String>("7").await, CacheLookup::Unavailable);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheLookup<T> {
    /// There is a value: fresh, or past its time to live and within its grace.
    Found(CacheAnswer<T>),
    /// It is known that the loader finds nothing.
    NotFound,
    /// Nothing is known.
    Absent,
    /// Redis does not answer.
    Unavailable,
}

impl RedisManager {
    /// Returns the cache of this name, with the usual policy. The name stands before its keys, and is what different caches differ in: those of one name share their
    /// entries, their loads under way and their counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::redis_manager;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let users = redis_manager().cache("users");
    /// let name = users.get_or_load("7", || async { Ok::<_, std::io::Error>("Ada".to_owned()) }).await;
    /// assert_eq!(name.unwrap(), "Ada");
    /// # }
    /// ```
    pub fn cache(&self, name: impl AsRef<str>) -> Cache {
        let shared: Arc<Shared> = self.service().road().attached().of();
        Cache {
            service: self.service().clone(),
            space: shared.spaces.of(name.as_ref()),
            policy: Arc::clone(&shared.usual),
            tags: Arc::default(),
            shared,
        }
    }
}

/// How it behaves.
impl Cache {
    /// Gives it this policy.
    pub fn with(self, policy: impl Into<Arc<CachePolicy>>) -> Self {
        let policy = policy.into();
        Self { policy, ..self }
    }

    /// Gives what it stores these tags as well, so that [`invalidate_tag`](Self::invalidate_tag) invalidates it. Tags belong to the cache's name.
    pub fn tagged<S: AsRef<str>>(self, tags: impl IntoIterator<Item = S>) -> Self {
        let new = tags
            .into_iter()
            .map(|tag| Bytes::copy_from_slice(tag.as_ref().as_bytes()));
        let mut tags = self.tags.to_vec();
        for tag in new {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Self {
            tags: tags.into(),
            ..self
        }
    }

    /// Returns what was counted, of all caches of this name.
    pub fn metrics(&self) -> CacheMetrics {
        self.space.counters.snapshot()
    }

    /// Returns the key of an entry in Redis, without the configured prefix.
    pub fn key(&self, key: impl Into<Key>) -> Key {
        self.space.entry(&key.into())
    }
}

/// Loading.
impl Cache {
    /// Returns the value at a key; loads it if there is none. One round trip for what is there, a second one in the background for what was loaded.
    ///
    /// # Errors
    ///
    /// - [`LoadError::Failed`] with the loader's own error, which those who waited for it share.
    /// - [`LoadError::TimedOut`], [`LoadError::Panicked`], [`LoadError::Overloaded`], [`LoadError::Aborted`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the load alone, for those who wait with it, and for the cache.
    pub async fn get_or_load<T, E, F, Fut>(&self, key: impl KeyOf<T>, loader: F) -> Result<T, LoadError<E>>
    where
        T: Cacheable,
        E: Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let boxed = || boxed(loader, Load::new);
        let answer = self.serve(&key.into(), false, boxed).await?;
        answer.value.ok_or(LoadError::Aborted)
    }

    /// As [`get_or_load`](Self::get_or_load), for what may not exist: that the loader has found nothing is remembered as long as the policy's
    /// [`negative_ttl`](CachePolicy::negative_ttl) says.
    ///
    /// # Errors
    ///
    /// - As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn find_or_load<T, E, F, Fut>(&self, key: impl KeyOf<T>, loader: F) -> Result<Option<T>, LoadError<E>>
    where
        T: Cacheable,
        E: Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<T>, E>> + Send + 'static,
    {
        let boxed = || boxed(loader, Load::of);
        Ok(self.serve(&key.into(), true, boxed).await?.value)
    }

    /// As [`get_or_load`](Self::get_or_load), with all there is to say: the loader is told of the old value, and says how what it brings is to be kept; the answer
    /// tells where it came from.
    ///
    /// # Errors
    ///
    /// - As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn get_or_load_with<T, E, F, Fut>(
        &self,
        key: impl KeyOf<T>,
        loader: F,
    ) -> Result<CacheAnswer<T>, LoadError<E>>
    where
        T: Cacheable,
        E: Send + Sync + 'static,
        F: FnOnce(Loading<T>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Load<T>, E>> + Send + 'static,
    {
        let boxed = || -> Loader<T, E> { Box::new(|loading| Box::pin(loader(loading))) };
        self.serve(&key.into(), true, boxed).await
    }

    /// As [`get_or_load`](Self::get_or_load), for loaders that borrow: it runs where it is called. So it cannot go on in the background: soft timeouts and refreshes ahead have no effect, and
    /// if the caller goes, or its loader fails, each of those who waited runs its own loader. Its error goes to its caller alone. The hard timeout lets others
    /// load, and the loader goes on for its caller.
    ///
    /// # Errors
    ///
    /// - The loader's own error, unless there is an old value.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the loader; what waits for it goes on.
    pub async fn get_or_load_in_place<T, E, F, Fut>(&self, key: impl KeyOf<T>, loader: F) -> Result<T, E>
    where
        T: Cacheable,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let shape = Shape {
            usable: |value| value,
            kept: |value: &T| Some(value.clone()),
        };
        self.serve_in_place(&key.into(), shape, loader).await
    }

    /// As [`find_or_load`](Self::find_or_load), for loaders that borrow. Otherwise as [`get_or_load_in_place`](Self::get_or_load_in_place).
    ///
    /// # Errors
    ///
    /// - The loader's own error, unless there is an old value.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load_in_place`](Self::get_or_load_in_place).
    pub async fn find_or_load_in_place<T, E, F, Fut>(&self, key: impl KeyOf<T>, loader: F) -> Result<Option<T>, E>
    where
        T: Cacheable,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<T>, E>>,
    {
        let shape = Shape {
            usable: Some,
            kept: Option::clone,
        };
        self.serve_in_place(&key.into(), shape, loader).await
    }

    /// Loads a value anew, whatever is there, and returns it. It is loaded after this was called: a load that is under way is not waited for.
    ///
    /// # Errors
    ///
    /// - As [`get_or_load`](Self::get_or_load), whatever is there.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn refresh<T, E, F, Fut>(&self, key: impl KeyOf<T>, loader: F) -> Result<T, LoadError<E>>
    where
        T: Cacheable,
        E: Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let boxed = || boxed(loader, Load::new);
        let answer = Box::pin(self.reload(&key.into(), boxed)).await?;
        answer.value.ok_or(LoadError::Aborted)
    }
}

/// Without a loader.
impl Cache {
    /// Returns the value at a key, if it is there and within its time to live. One round trip. `None` in an outage.
    pub async fn get<T: Cacheable>(&self, key: impl KeyOf<T>) -> Option<T> {
        let place = self.place(&key.into());
        let sight = self.look(&place).await;
        self.fresh(&place, &sight)
    }

    /// Returns as many values as keys, in their order, as [`get`](Self::get) does each. One round trip (to each node of a cluster).
    pub async fn get_many<T: Cacheable, K: KeyOf<T>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Option<T>> {
        let places: Vec<Place> = keys.into_iter().map(|key| self.place(&key.into())).collect();
        let sights = self.look_many(&places).await;
        let pairs = places.iter().zip(&sights);
        pairs.map(|(place, sight)| self.fresh(place, sight)).collect()
    }

    fn fresh<T: Cacheable>(&self, place: &Place, sight: &Sight) -> Option<T> {
        match self.hit(sight, true) {
            Hit::Fresh(answer) => {
                self.slide(place, sight);
                answer.value
            }
            Hit::Old(_) | Hit::Miss => None,
        }
    }

    /// Says all that is known of a key. One round trip.
    pub async fn lookup<T: Cacheable>(&self, key: impl KeyOf<T>) -> CacheLookup<T> {
        let sight = self.look(&self.place(&key.into())).await;
        let answer = match self.hit(&sight, true) {
            Hit::Fresh(answer) => answer,
            Hit::Old(old) => old.served(StaleReason::LookedUp),
            Hit::Miss if sight.seen.is_none() => return CacheLookup::Unavailable,
            Hit::Miss => return CacheLookup::Absent,
        };
        if answer.value.is_some() {
            CacheLookup::Found(answer)
        } else {
            CacheLookup::NotFound
        }
    }
}

impl Cache {
    fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Asks the server for its time.
    async fn set_clock(&self) {
        let asked = Instant::now();
        match self.service.entries().time().await {
            Ok(server) => self.clock().set(server, asked),
            Err(error) if error.is_unavailable() || error.is_timeout() => {}
            Err(_) => self.clock().is_own(),
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.space.journal)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
