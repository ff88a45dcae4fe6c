//! What a cache has counted.

use crate::metrics::{Counter, Tally};

/// Counts of one namespace in this process, since its manager was built. They only grow. Keys stand in none of them.
///
/// # Examples
///
/// ```
/// use redis_manager::RedisManager;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let off = RedisManager::disabled("an example");
/// let users = off.cache("users");
/// users.get_or_load("7", || async { Ok::<_, std::io::Error>("Ada".to_owned()) }).await.unwrap();
/// assert_eq!((users.metrics().loads, users.metrics().hits), (1, 0));
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct CacheMetrics {
    /// Fresh values, and fresh knowledge that there is none.
    pub hits: u64,
    /// Old values that were served.
    pub stale: u64,
    /// Reads that found nothing of use.
    pub misses: u64,
    /// Of these, reads that Redis did not answer.
    pub unavailable: u64,
    /// Loaders that ran.
    pub loads: u64,
    /// Of these, those that failed, panicked, or took too long.
    pub load_failures: u64,
    /// Callers who got what another one's loader brought.
    pub shared: u64,
    /// What was stored.
    pub stored: u64,
    /// What was not stored, because it was overtaken, or Redis did not take it.
    pub not_stored: u64,
    /// What was at keys of entries and could not be read: of something else, of another schema, broken, or with a seal that does not fit.
    pub unreadable: u64,
    /// Invalidations that could not be sent at once.
    pub journaled: u64,
}

/// The counters behind [`CacheMetrics`].
#[derive(Debug, Default)]
pub(super) struct CacheCounters {
    /// The only one that counts what is hot.
    pub(super) hits: Tally,
    pub(super) stale: Counter,
    pub(super) misses: Counter,
    pub(super) unavailable: Counter,
    pub(super) loads: Counter,
    pub(super) load_failures: Counter,
    pub(super) shared: Counter,
    pub(super) stored: Counter,
    pub(super) not_stored: Counter,
    pub(super) unreadable: Counter,
    pub(super) journaled: Counter,
}

impl CacheCounters {
    pub(super) fn snapshot(&self) -> CacheMetrics {
        CacheMetrics {
            hits: self.hits.sum(),
            stale: self.stale.get(),
            misses: self.misses.get(),
            unavailable: self.unavailable.get(),
            loads: self.loads.get(),
            load_failures: self.load_failures.get(),
            shared: self.shared.get(),
            stored: self.stored.get(),
            not_stored: self.not_stored.get(),
            unreadable: self.unreadable.get(),
            journaled: self.journaled.get(),
        }
    }
}
