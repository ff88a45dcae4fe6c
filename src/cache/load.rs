//! What a loader brings, what can go wrong with it, and where a value came from.

use std::{any::Any, error::Error as StdError, fmt, sync::Arc, time::Duration};

/// What a loader has brought: a value, or that there is none; and how it is to be kept, where that differs from the policy.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use redis_manager::Load;
///
/// let token = Load::new("abc").ttl(Duration::from_secs(30)).tag("tenant:7");
/// let nobody = Load::<String>::not_found();
/// let secret = Load::new("xyz").uncached();
/// # let _ = (token, nobody, secret);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a load is what a loader returns"]
pub struct Load<T> {
    pub(super) value: Option<T>,
    pub(super) ttl: Option<Duration>,
    pub(super) tags: Vec<String>,
    pub(super) is_uncached: bool,
}

/// What a loader may want to know.
///
/// # Examples
///
/// ```
/// use redis_manager::{Load, Loading, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let off = RedisManager::disabled("an example");
/// let pages = off.cache("pages");
/// let page = pages.get_or_load_with("home", |loading: Loading<String>| async move {
///     // Nothing changed? Then what is there is good for another while.
///     let text = loading.stale.unwrap_or_else(|| "Welcome".to_owned());
///     Ok::<_, std::io::Error>(Load::new(text))
/// });
/// assert_eq!(page.await.unwrap().value.as_deref(), Some("Welcome"));
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loading<T> {
    /// The old value that is to be replaced, where there is one.
    pub stale: Option<T>,
    /// How long the loader may take.
    pub hard_timeout: Duration,
}

/// What a cache has answered.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, Load, RedisManager, Served};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let users = redis.cache("users");
/// let load = || users.get_or_load_with("7", |_| async { Ok::<_, std::io::Error>(Load::new(7)) });
/// assert_eq!(load().await.unwrap().served, Served::Loaded);
/// # while users.get::<u64>("7").await.is_none() { tokio::task::yield_now().await }
/// # tokio::time::sleep(std::time::Duration::from_millis(5)).await;
/// assert!(matches!(load().await.unwrap().served, Served::Cached { .. } | Served::Fresh));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheAnswer<T> {
    /// The value; `None` if there is none, as the loader said now or before.
    pub value: Option<T>,
    /// Where that came from.
    pub served: Served,
}

/// Where an answer came from.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use redis_manager::{Served, StaleReason};
///
/// let served = Served::Stale { age: Duration::from_secs(90), reason: StaleReason::LoaderFailed };
/// assert!(served.is_stale());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Served {
    /// This call's own loader has brought it.
    Loaded,
    /// A loader that was under way for another caller has brought it, here or in another process.
    Fresh,
    /// It was in the cache, within its time to live.
    Cached {
        /// Since it was loaded.
        age: Duration,
    },
    /// It was in the cache, past its time to live.
    Stale {
        /// Since it was loaded.
        age: Duration,
        /// Why it was served all the same.
        reason: StaleReason,
    },
}

/// Why an old value was served.
///
/// # Examples
///
/// ```
/// assert_eq!(redis_manager::StaleReason::SoftTimeout.code(), "soft_timeout");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StaleReason {
    /// It is being loaded anew in the background (`stale_while_revalidate`).
    Revalidating,
    /// The loader failed, or panicked.
    LoaderFailed,
    /// The loader failed lately, and is not tried again yet (`retry_after`).
    RetryLater,
    /// The loader takes longer than the soft timeout, and goes on in the background.
    SoftTimeout,
    /// The loader took longer than the hard timeout, and was aborted.
    HardTimeout,
    /// Nobody was to load it: it was only looked up.
    LookedUp,
}

/// Why there is no value. The source of every one of these errors is the loader: a cache in trouble is none.
///
/// Those who waited for one load share its error.
///
/// # Examples
///
/// ```
/// use redis_manager::{LoadError, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let users = RedisManager::disabled("an example").cache("users");
/// let failed = users.get_or_load("7", || async { Err::<u64, _>(std::io::Error::other("no database")) }).await;
/// let error = failed.unwrap_err();
/// assert_eq!(error.to_string(), "no database");
/// assert!(matches!(error, LoadError::Failed(_)));
/// # }
/// ```
#[non_exhaustive]
pub enum LoadError<E> {
    /// The loader's own error.
    Failed(Arc<E>),
    /// The loader took longer than this, the policy's hard timeout, and was aborted.
    TimedOut(Duration),
    /// The loader panicked, with this message.
    Panicked(Arc<str>),
    /// In an outage as many loads as permitted were under way for all that time (`max_loads_in_outage`).
    Overloaded,
    /// The tokio runtime that the loader ran in was shut down.
    Aborted,
}

impl<T> Load<T> {
    /// A value, to be kept as the policy says.
    pub fn new(value: T) -> Self {
        Self::of(Some(value))
    }

    /// That there is no value. It is remembered as long as the policy's `negative_ttl` says.
    pub fn not_found() -> Self {
        Self::of(None)
    }

    pub(super) fn of(value: Option<T>) -> Self {
        Self {
            value,
            ttl: None,
            tags: Vec::new(),
            is_uncached: false,
        }
    }

    /// Lets it be fresh for so long, instead of what the policy says.
    pub fn ttl(self, ttl: Duration) -> Self {
        let ttl = Some(ttl);
        Self { ttl, ..self }
    }

    /// Adds a tag to those of the cache.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Does not store it.
    pub fn uncached(self) -> Self {
        Self {
            is_uncached: true,
            ..self
        }
    }
}

impl Served {
    /// Says whether it was past its time to live.
    pub fn is_stale(self) -> bool {
        matches!(self, Self::Stale { .. })
    }
}

impl StaleReason {
    /// Returns a name for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Revalidating => "revalidating",
            Self::LoaderFailed => "loader_failed",
            Self::RetryLater => "retry_later",
            Self::SoftTimeout => "soft_timeout",
            Self::HardTimeout => "hard_timeout",
            Self::LookedUp => "looked_up",
        }
    }
}

impl<E> LoadError<E> {
    /// Returns the loader's own error, if it is one.
    pub fn loader(&self) -> Option<&E> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Takes the loader's own error out, if it is one and nobody else waits for it.
    ///
    /// # Errors
    ///
    /// - It is another error, or others still hold it.
    pub fn into_loader(self) -> Result<E, Self> {
        match self {
            Self::Failed(error) => Arc::try_unwrap(error).map_err(Self::Failed),
            other => Err(other),
        }
    }

    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::Panicked(text.unwrap_or("a panic without text").into())
    }
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::TimedOut(timeout) => Self::TimedOut(*timeout),
            Self::Panicked(message) => Self::Panicked(Arc::clone(message)),
            Self::Overloaded => Self::Overloaded,
            Self::Aborted => Self::Aborted,
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            Self::TimedOut(timeout) => f.debug_tuple("TimedOut").field(timeout).finish(),
            Self::Panicked(message) => f.debug_tuple("Panicked").field(message).finish(),
            Self::Overloaded => f.write_str("Overloaded"),
            Self::Aborted => f.write_str("Aborted"),
        }
    }
}

/// A loader's error is shown as it is.
impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::TimedOut(timeout) => write!(f, "the loader took longer than {timeout:?}"),
            Self::Panicked(message) => write!(f, "the loader panicked: {message}"),
            Self::Overloaded => f.write_str("too many loads are under way while Redis is unavailable"),
            Self::Aborted => f.write_str("the runtime of the loader was shut down"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> StdError for LoadError<E> {}
