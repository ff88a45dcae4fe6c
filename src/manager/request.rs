//! Requests that take options before they are awaited.

use std::{
    fmt,
    future::IntoFuture,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::RedisManager;
use crate::{
    command::{Condition, Expiry},
    error::{Error, Result},
    key::Key,
    service::{Operation, Request, SetOptions},
    transport::asking::Asking,
    ttl::Ttl,
    value::Value,
};

/// The future of a request: it answers the neutral value if Redis cannot.
///
/// # Cancel safety
///
/// Dropping it gives up the answer; the command may have been executed.
///
/// # Examples
///
/// ```
/// use std::future::IntoFuture;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// // `join!` and the like want a future, not a request.
/// let (a, b) = tokio::join!(redis.set("a", 1).into_future(), redis.set("b", 2).into_future());
/// assert!(a && b);
/// # Ok(())
/// # }
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Answer<'a, T> {
    manager: &'a RedisManager,
    neutral: Option<T>,
    asked: Asked<'a, T>,
    afterwards: Option<Afterwards<'a, T>>,
}

/// What is to be done with the answer before it is handed over.
type Afterwards<'a, T> = Box<dyn FnOnce(&T) + Send + 'a>;

enum Asked<'a, T> {
    /// Nothing is to be asked, because this is known; or nothing, because the call was refused before anything was built.
    Not(Option<Result<T>>),
    Asking(Asking<'a, T>),
}

/// A `SET` under construction: add options, then await it. Returned by [`RedisManager::set`] and
/// [`set_json`](RedisManager::set_json).
///
/// Of `ex`, `px`, `ttl` and `keep_ttl` one may be given, of `nx` and `xx` one, and an expiry must not be zero; otherwise nothing is
/// sent, the reason is logged, and the answer is `false`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// let request = redis.set("k", "v").ex(60);
/// assert!(request.nx().await);
/// assert!(!redis.set("k", "v").nx().xx().await); // contradicts itself
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing unless awaited"]
pub struct SetRequest<'a> {
    manager: &'a RedisManager,
    /// `None` if the call is refused anyway.
    entry: Option<Result<(Key, Value)>>,
    options: Result<SetOptions>,
}

/// An `MSET` under construction. Returned by [`RedisManager::set_many`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// assert!(redis.set_many([("a", "1"), ("b", "2")]).await);
/// assert!(!redis.set_many([("a", "1")]).ex(0).await); // refused
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing unless awaited"]
pub struct SetManyRequest<'a> {
    manager: &'a RedisManager,
    pairs: Option<Vec<(Key, Value)>>,
    ttl: Result<Option<Ttl>>,
}

/// An `INCRBY` under construction. Returned by [`RedisManager::incr`] and [`decr`](RedisManager::decr).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
/// let request = redis.incr("visits");
/// assert_eq!(request.by(10).await, Some(10));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing unless awaited"]
pub struct IncrRequest<'a> {
    manager: &'a RedisManager,
    key: Option<Key>,
    by: i64,
    is_decrement: bool,
}

impl<'a> SetRequest<'a> {
    pub(super) fn new(manager: &'a RedisManager, entry: Option<Result<(Key, Value)>>) -> Self {
        Self {
            manager,
            entry,
            options: Ok(SetOptions::default()),
        }
    }

    /// Lets the value expire after so many seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set("k", "v").ex(60).await;
    /// assert_eq!(redis.ttl("k").await, 60);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ex(self, seconds: u64) -> Self {
        self.expire_in(Ttl::from_secs(seconds))
    }

    /// Lets the value expire after so many milliseconds.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set("k", "v").px(60_000).await;
    /// assert_eq!(redis.ttl("k").await, 60);
    /// # Ok(())
    /// # }
    /// ```
    pub fn px(self, millis: u64) -> Self {
        self.expire_in(Ttl::from_millis(millis))
    }

    /// Lets the value expire after a time, to the millisecond; what is shorter is rounded up to one.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set("k", "v").ttl(std::time::Duration::from_millis(500)).await;
    /// assert!(redis.exists("k").await);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ttl(self, ttl: Duration) -> Self {
        self.expire_in(ttl.try_into())
    }

    /// Keeps the time to live that the key has.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set("k", "v").ex(60).await;
    /// redis.set("k", "w").keep_ttl().await;
    /// assert_eq!(redis.ttl("k").await, 60);
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep_ttl(self) -> Self {
        self.with(|options| options.with_expiry(Expiry::Keep))
    }

    /// Sets only if there is no such key.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert!(redis.set("k", "v").nx().await);
    /// assert!(!redis.set("k", "w").nx().await);
    /// # Ok(())
    /// # }
    /// ```
    pub fn nx(self) -> Self {
        self.with(|options| options.with_condition(Condition::IfAbsent))
    }

    /// Sets only if there is such a key.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert!(!redis.set("k", "v").xx().await);
    /// # Ok(())
    /// # }
    /// ```
    pub fn xx(self) -> Self {
        self.with(|options| options.with_condition(Condition::IfPresent))
    }

    fn expire_in(self, ttl: Result<Ttl>) -> Self {
        self.with(|options| options.with_expiry(Expiry::In(ttl?)))
    }

    fn with(mut self, change: impl FnOnce(SetOptions) -> Result<SetOptions>) -> Self {
        self.options = self.options.and_then(change);
        self
    }
}

impl<'a> IntoFuture for SetRequest<'a> {
    type Output = bool;
    type IntoFuture = Answer<'a, bool>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            manager,
            entry,
            options,
        } = self;
        let key = entry.as_ref().and_then(|entry| Some(&entry.as_ref().ok()?.0));
        let afterwards = manager.overtaking(key);
        let answer = Answer::to(manager, false, entry, |entry| {
            let (key, value) = entry?;
            let set = manager.service.string().set(key, value);
            Ok(set.with_options(options).into_request())
        });
        Answer { afterwards, ..answer }
    }
}

impl<'a> SetManyRequest<'a> {
    pub(super) fn new(manager: &'a RedisManager, pairs: Option<Vec<(Key, Value)>>) -> Self {
        Self {
            manager,
            pairs,
            ttl: Ok(None),
        }
    }

    /// Lets all values expire after so many seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set_many([("a", 1), ("b", 2)]).ex(60).await;
    /// assert_eq!(redis.ttl("a").await, 60);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ex(self, seconds: u64) -> Self {
        self.expire_in(Ttl::from_secs(seconds))
    }

    /// Lets all values expire after so many milliseconds.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set_many([("a", 1), ("b", 2)]).px(60_000).await;
    /// assert_eq!(redis.ttl("b").await, 60);
    /// # Ok(())
    /// # }
    /// ```
    pub fn px(self, millis: u64) -> Self {
        self.expire_in(Ttl::from_millis(millis))
    }

    /// Lets all values expire after a time, to the millisecond.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// redis.set_many([("a", 1)]).ttl(std::time::Duration::from_millis(500)).await;
    /// assert!(redis.exists("a").await);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ttl(self, ttl: Duration) -> Self {
        self.expire_in(ttl.try_into())
    }

    fn expire_in(mut self, ttl: Result<Ttl>) -> Self {
        self.ttl = match self.ttl {
            Ok(None) => ttl.map(Some),
            Ok(Some(_)) => Err(Error::invalid("more than one of ex, px and ttl")),
            Err(error) => Err(error),
        };
        self
    }
}

impl<'a> IntoFuture for SetManyRequest<'a> {
    type Output = bool;
    type IntoFuture = Answer<'a, bool>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { manager, pairs, ttl } = self;
        let afterwards = manager.overtaking(pairs.iter().flatten().map(|(key, _)| key));
        let answer = Answer::to(manager, false, pairs, |pairs| {
            let set = manager.service.string().set_many(pairs);
            Ok(set.with_ttl(ttl?).into_request())
        });
        Answer { afterwards, ..answer }
    }
}

impl<'a> IncrRequest<'a> {
    pub(super) fn new(manager: &'a RedisManager, key: Option<Key>, is_decrement: bool) -> Self {
        Self {
            manager,
            key,
            by: 1,
            is_decrement,
        }
    }

    /// Counts by another step than 1.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_manager::Error> {
    /// # let redis = redis_manager::RedisManager::new(redis_manager::Config::from_url("memory://"))?;
    /// assert_eq!(redis.decr("stock").by(2).await, Some(-2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn by(mut self, step: i64) -> Self {
        self.by = step;
        self
    }
}

impl<'a> IntoFuture for IncrRequest<'a> {
    type Output = Option<i64>;
    type IntoFuture = Answer<'a, Option<i64>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            manager,
            key,
            by,
            is_decrement,
        } = self;
        Answer::to(manager, None, key, |key| {
            let by = if is_decrement { by.checked_neg() } else { Some(by) };
            let by = by.ok_or_else(|| Error::invalid("a step that overflows"))?;
            let count = manager.service.string().incr_by(key, by);
            Ok(count.reading(|reply| reply.into_integer().map(Some)))
        })
    }
}

impl<'a, T: Send + 'a> Answer<'a, T> {
    /// Asks, unless what to ask is absent because the call is refused anyway.
    fn to<Q>(
        manager: &'a RedisManager,
        neutral: T,
        question: Option<Q>,
        request: impl FnOnce(Q) -> Result<Request<'a, T>>,
    ) -> Self {
        let asked = match question.map(request) {
            None => Asked::Not(None),
            Some(Err(invalid)) => Asked::Not(Some(Err(invalid))),
            Some(Ok(request)) => request
                .ask()
                .map_or_else(|known| Asked::Not(Some(known)), Asked::Asking),
        };
        Self {
            manager,
            neutral: Some(neutral),
            asked,
            afterwards: None,
        }
    }
}

impl RedisManager {
    /// Returns what takes keys that are set back out of the journal of deletes. Nearly always nothing: one look says that nothing is in it.
    fn overtaking<'a, 'k>(&'a self, keys: impl IntoIterator<Item = &'k Key>) -> Option<Afterwards<'a, bool>> {
        let road = self.service.road();
        if !road.replays_deletes() || road.journal().is_empty() {
            return None;
        }
        let keys: Vec<_> = keys
            .into_iter()
            .filter_map(|key| road.prefix().key(key.clone()).ok())
            .collect();
        Some(Box::new(move |is_set| {
            if *is_set {
                road.forget_deletes(keys);
            }
            // What a runtime that has ended left behind.
            road.replay_soon();
        }))
    }
}

impl<'a, T: Unpin + Send + 'a> Future for Answer<'a, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let answer = match &mut self.asked {
            Asked::Not(known) => known.take(),
            Asked::Asking(asking) => Some(ready!(Pin::new(asking).poll(context))),
        };
        match (answer, self.neutral.take()) {
            (Some(answer), Some(neutral)) => {
                let answer = self.manager.fallback.forgive(answer, neutral);
                if let Some(afterwards) = self.afterwards.take() {
                    afterwards(&answer);
                }
                Poll::Ready(answer)
            }
            (None, Some(neutral)) => Poll::Ready(neutral),
            (_, None) => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for Answer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
