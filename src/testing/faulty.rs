//! A cache that fails on command.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::watch;

use super::fault::{CacheOperation, Effect, Fault};
use crate::{
    cache_store::{CacheFuture, CacheStore},
    error::{Error, ErrorKind, Result},
    value::Value,
};

/// A store around another one that counts the calls, and lets them go wrong on command: for tests of what an application does
/// without its cache.
///
/// Without faults it does what the store within does. [`faults`](Self::faults) is the handle by which the test commands it; a fault lasts as long as the guard that
/// [`inject`](Faults::inject) returns.
///
/// # Cancel safety
///
/// A call is counted, and meets its faults, when its future is first polled. If it is dropped while it is stalled or delayed, the store within
/// was not asked and nothing was stored, unless the fault is [late](Fault::late): then it was. A call that was dropped stays counted, and a fault that was to
/// strike a number of calls has struck one of them.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use redis_manager::{CacheStore, CacheStoreExt, ErrorKind, MemoryCache, Result};
/// use redis_manager::testing::{CacheOperation, Fault, FaultyCache};
///
/// struct Prices {
///     cache: Arc<dyn CacheStore>,
/// }
///
/// impl Prices {
///     /// The price from the cache, or else from the database.
///     async fn price(&self, article: &str) -> u64 {
///         match self.cache.get_json(article).await {
///             Ok(Some(price)) => price,
///             Ok(None) | Err(_) => 100, // from the database
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let cache = FaultyCache::new(MemoryCache::new(1 << 20));
/// let faults = cache.faults();
/// cache.set("tea", 95.into(), None).await?;
/// let prices = Prices { cache: Arc::new(cache) };
/// assert_eq!(prices.price("tea").await, 95);
///
/// let outage = faults.inject(Fault::fail(ErrorKind::Unavailable));
/// assert_eq!(prices.price("tea").await, 100);
/// outage.end();
/// assert_eq!(prices.price("tea").await, 95);
/// assert_eq!(faults.calls(CacheOperation::Get), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultyCache<S> {
    store: S,
    faults: Faults,
}

/// The command over a [`FaultyCache`], even after that has gone into the application. A clone commands the same cache.
///
/// # Examples
///
/// ```
/// use redis_manager::{CacheStore, ErrorKind, MemoryCache};
/// use redis_manager::testing::{Fault, FaultyCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cache = FaultyCache::new(MemoryCache::new(1 << 20));
/// let faults = cache.faults();
/// let _first = faults.inject(Fault::fail(ErrorKind::Timeout).times(1));
/// assert!(cache.ping().await.is_err());
/// assert!(cache.ping().await.is_ok());
/// assert_eq!(faults.total_calls(), 2);
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

/// A fault that was injected. Dropping it ends it; calls that are stalled by it go on then.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use redis_manager::{CacheStore, MemoryCache};
/// use redis_manager::testing::{Fault, FaultyCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// let cache = Arc::new(FaultyCache::new(MemoryCache::new(1 << 20)));
/// let stall = cache.faults().inject(Fault::stall());
/// let call = tokio::spawn({
///     let cache = Arc::clone(&cache);
///     async move { cache.ping().await }
/// });
/// stall.until_met(1).await;
/// assert!(!call.is_finished());
/// stall.end();
/// call.await.unwrap()
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a fault ends when its guard is dropped"]
pub struct ActiveFault {
    faults: Faults,
    id: u64,
    course: watch::Receiver<Course>,
}

/// What is behind the lock.
#[derive(Debug, Default)]
struct Plan {
    calls: BTreeMap<CacheOperation, u64>,
    armed: Vec<Armed>,
    injected: u64,
}

#[derive(Debug)]
struct Armed {
    id: u64,
    fault: Fault,
    course: watch::Sender<Course>,
}

/// How far a fault has come.
#[derive(Debug, Clone, Copy, Default)]
struct Course {
    met: u64,
    has_ended: bool,
}

/// What one call meets before the store is asked, and after that.
#[derive(Debug, Default)]
struct Strikes {
    early: Round,
    late: Round,
}

#[derive(Debug, Default)]
struct Round {
    waits: Vec<(Effect, watch::Receiver<Course>)>,
    failure: Option<ErrorKind>,
    is_dropped: bool,
}

impl<S> FaultyCache<S> {
    /// Puts a store into one that can fail. It has no faults yet.
    pub fn new(store: S) -> Self {
        Self {
            store,
            faults: Faults::default(),
        }
    }

    /// Returns the handle that commands it.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Returns the store within, which is asked past all faults and is not counted.
    pub fn store(&self) -> &S {
        &self.store
    }
}

impl Faults {
    /// Lets something go wrong from now on, until the guard that this returns is dropped.
    ///
    /// A call meets every fault that is meant for it, in the order in which they were injected, until one answers it: first a delay, then a
    /// failure.
    pub fn inject(&self, fault: Fault) -> ActiveFault {
        let mut plan = self.plan();
        let id = plan.injected;
        plan.injected += 1;
        let (course, receiver) = watch::channel(Course::default());
        plan.armed.push(Armed { id, fault, course });
        drop(plan);
        ActiveFault {
            faults: self.clone(),
            id,
            course: receiver,
        }
    }

    /// Returns how often an operation was called since the beginning, or since [`reset`](Self::reset), whatever came of it.
    pub fn calls(&self, operation: CacheOperation) -> u64 {
        self.plan().calls.get(&operation).copied().unwrap_or_default()
    }

    /// Returns how often any operation was called.
    pub fn total_calls(&self) -> u64 {
        self.plan().calls.values().sum()
    }

    /// Ends all faults, lets go on what is stalled, and counts from 0 again.
    pub fn reset(&self) {
        let ended = {
            let mut plan = self.plan();
            plan.calls.clear();
            std::mem::take(&mut plan.armed)
        };
        ended.iter().for_each(Armed::end);
    }

    fn end(&self, id: u64) {
        let ended = {
            let mut plan = self.plan();
            let place = plan.armed.iter().position(|armed| armed.id == id);
            place.map(|place| plan.armed.remove(place))
        };
        ended.iter().for_each(Armed::end);
    }

    /// What is behind the lock is right between any two of its statements.
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    fn end(&self) {
        self.course.send_modify(|course| course.has_ended = true);
    }
}

impl ActiveFault {
    /// Ends the fault, as dropping it does.
    pub fn end(self) {}

    /// Returns how many calls have met it.
    pub fn met(&self) -> u64 {
        self.course.borrow().met
    }

    /// Waits until so many calls have met it: for a stall, until they are stalled. Returns too when the fault was ended by
    /// [`reset`](Faults::reset).
    pub async fn until_met(&self, calls: u64) {
        let is_reached = |course: &Course| course.met >= calls || course.has_ended;
        // It cannot fail before the fault has ended.
        drop(self.course.clone().wait_for(is_reached).await);
    }
}

impl Drop for ActiveFault {
    fn drop(&mut self) {
        self.faults.end(self.id);
    }
}

impl Plan {
    fn call(&mut self, operation: CacheOperation) -> Strikes {
        *self.calls.entry(operation).or_default() += 1;
        let early = self.round(operation, false);
        let late = if early.failure.is_some() {
            Round::default()
        } else {
            self.round(operation, true)
        };
        Strikes { early, late }
    }

    /// Goes over the faults until one answers the call.
    fn round(&mut self, operation: CacheOperation, is_late: bool) -> Round {
        let mut round = Round::default();
        let in_turn = |armed: &&mut Armed| armed.fault.is_late == is_late && armed.fault.is_meant_for(operation);
        for armed in self.armed.iter_mut().filter(in_turn) {
            if !armed.strikes() {
                continue;
            }
            armed.course.send_modify(|course| course.met += 1);
            match armed.fault.effect {
                Effect::Fail(kind) => {
                    round.failure = Some(kind);
                    break;
                }
                Effect::DropWrite => {
                    round.is_dropped = true;
                    break;
                }
                wait @ (Effect::Stall | Effect::Delay(_)) => round.waits.push((wait, armed.course.subscribe())),
            }
        }
        round
    }
}

impl Round {
    async fn wait(&mut self) {
        for (effect, mut course) in self.waits.drain(..) {
            match effect {
                Effect::Delay(time) => tokio::time::sleep(time).await,
                // It cannot fail before the fault has ended.
                _ => drop(course.wait_for(|course| course.has_ended).await),
            }
        }
    }
}

impl Armed {
    /// Counts down, and says whether this call is struck.
    fn strikes(&mut self) -> bool {
        if self.fault.skips > 0 {
            self.fault.skips -= 1;
            return false;
        }
        match &mut self.fault.times {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

impl<S: CacheStore> FaultyCache<S> {
    fn read<'a, T: Send + 'a>(&'a self, operation: CacheOperation, call: CacheFuture<'a, T>) -> CacheFuture<'a, T> {
        Box::pin(self.meet(operation, call, None))
    }

    /// `pretended` is what a dropped write answers.
    fn write<'a, T: Send + 'a>(
        &'a self,
        operation: CacheOperation,
        call: CacheFuture<'a, T>,
        pretended: CacheFuture<'a, T>,
    ) -> CacheFuture<'a, T> {
        Box::pin(self.meet(operation, call, Some(pretended)))
    }

    async fn meet<T>(
        &self,
        operation: CacheOperation,
        call: CacheFuture<'_, T>,
        pretended: Option<CacheFuture<'_, T>>,
    ) -> Result<T> {
        let Strikes { mut early, mut late } = self.faults.plan().call(operation);
        early.wait().await;
        if let Some(kind) = early.failure {
            // The store was not asked, so that it may be tried again.
            return Err(failure(kind, operation).unsent());
        }
        let answer = match pretended.filter(|_| early.is_dropped) {
            Some(pretended) => pretended.await,
            None => call.await,
        };
        late.wait().await;
        match late.failure {
            Some(kind) => Err(failure(kind, operation)),
            None => answer,
        }
    }

    /// What an addition would answer.
    async fn sum(&self, key: &str, by: i64) -> Result<i64> {
        let found = self.store.get(key).await?;
        let number = found.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
        Ok(i64::saturating_add(number.unwrap_or(0), by))
    }
}

fn failure(kind: ErrorKind, operation: CacheOperation) -> Error {
    Error::new(kind, "an injected fault").during(operation.name(), None)
}

impl<S: CacheStore> CacheStore for FaultyCache<S> {
    fn get<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Bytes>> {
        self.read(CacheOperation::Get, self.store.get(key))
    }

    fn set<'a>(&'a self, key: &'a str, value: Value, ttl: Option<Duration>) -> CacheFuture<'a, ()> {
        let call = self.store.set(key, value, ttl);
        self.write(CacheOperation::Set, call, done(()))
    }

    fn delete<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool> {
        let call = self.store.delete(key);
        self.write(CacheOperation::Delete, call, self.store.exists(key))
    }

    fn exists<'a>(&'a self, key: &'a str) -> CacheFuture<'a, bool> {
        self.read(CacheOperation::Exists, self.store.exists(key))
    }

    fn expire<'a>(&'a self, key: &'a str, ttl: Duration) -> CacheFuture<'a, bool> {
        let call = self.store.expire(key, ttl);
        self.write(CacheOperation::Expire, call, self.store.exists(key))
    }

    fn ttl<'a>(&'a self, key: &'a str) -> CacheFuture<'a, Option<Duration>> {
        self.read(CacheOperation::Ttl, self.store.ttl(key))
    }

    fn increment<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64> {
        let call = self.store.increment(key, by);
        let pretended = Box::pin(self.sum(key, by));
        self.write(CacheOperation::Increment, call, pretended)
    }

    fn decrement<'a>(&'a self, key: &'a str, by: i64) -> CacheFuture<'a, i64> {
        let call = self.store.decrement(key, by);
        let pretended = Box::pin(self.sum(key, by.saturating_neg()));
        self.write(CacheOperation::Decrement, call, pretended)
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> CacheFuture<'a, Vec<Option<Bytes>>> {
        self.read(CacheOperation::GetMany, self.store.get_many(keys))
    }

    fn set_many<'a>(&'a self, pairs: &'a [(&'a str, Value)], ttl: Option<Duration>) -> CacheFuture<'a, ()> {
        let call = self.store.set_many(pairs, ttl);
        self.write(CacheOperation::SetMany, call, done(()))
    }

    fn delete_pattern<'a>(&'a self, pattern: &'a str) -> CacheFuture<'a, u64> {
        let call = self.store.delete_pattern(pattern);
        self.write(CacheOperation::DeletePattern, call, done(0))
    }

    fn flush(&self) -> CacheFuture<'_, u64> {
        self.write(CacheOperation::Flush, self.store.flush(), done(0))
    }

    fn ping(&self) -> CacheFuture<'_, ()> {
        self.read(CacheOperation::Ping, self.store.ping())
    }
}

fn done<T: Send + 'static>(answer: T) -> CacheFuture<'static, T> {
    Box::pin(async { Ok(answer) })
}
