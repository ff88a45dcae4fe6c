//! What was counted.

mod counter;
mod tally;

pub(crate) use self::counter::Counter;
pub(crate) use self::tally::Tally;

/// Counts since the manager was built. They only grow.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let redis = redis_manager::RedisManager::disabled("an example");
/// redis.get("user:1").await;
/// assert_eq!(redis.metrics().answered, 0);
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// Calls that the server answered in time, whatever the answer.
    pub answered: u64,
    /// Calls whose deadline passed.
    pub timeouts: u64,
    /// Calls whose connection broke under them.
    pub broken: u64,
    /// Calls refused at once, because Redis was known to be unavailable.
    pub refused: u64,
    /// Outages that began.
    pub outages: u64,
    /// Connections that were established.
    pub connects: u64,
    /// Keys that the near cache answered for. They count in none of the fields above.
    pub near_hits: u64,
    /// Keys that the near cache was asked for and did not know.
    pub near_misses: u64,
    /// Answers that the near cache kept.
    pub near_stored: u64,
    /// Keys that the server said were changed, kept here or not.
    pub near_invalidations: u64,
    /// How often the near cache was emptied as a whole.
    pub near_flushes: u64,
    /// What could not be removed when that was asked for, and was later.
    pub replayed: u64,
    /// Deletes that were to be sent later, and of which there were too many.
    pub replays_dropped: u64,
}

impl Metrics {
    /// Adds the counts of another server.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            answered: self.answered + other.answered,
            timeouts: self.timeouts + other.timeouts,
            broken: self.broken + other.broken,
            refused: self.refused + other.refused,
            outages: self.outages + other.outages,
            connects: self.connects + other.connects,
            near_hits: self.near_hits + other.near_hits,
            near_misses: self.near_misses + other.near_misses,
            near_stored: self.near_stored + other.near_stored,
            near_invalidations: self.near_invalidations + other.near_invalidations,
            near_flushes: self.near_flushes + other.near_flushes,
            replayed: self.replayed + other.replayed,
            replays_dropped: self.replays_dropped + other.replays_dropped,
        }
    }
}

/// The counters behind [`Metrics`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Every call counts here.
    pub(crate) answered: Tally,
    pub(crate) timeouts: Counter,
    pub(crate) broken: Counter,
    pub(crate) refused: Counter,
    pub(crate) outages: Counter,
    pub(crate) connects: Counter,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Metrics {
        Metrics {
            answered: self.answered.sum(),
            timeouts: self.timeouts.get(),
            broken: self.broken.get(),
            refused: self.refused.get(),
            outages: self.outages.get(),
            connects: self.connects.get(),
            ..Metrics::default()
        }
    }
}
