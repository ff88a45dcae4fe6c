//! Many callers who want one key at one moment.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    Outcome,
    outage::PATIENCE,
    readers::{Reader, Source},
    report::per_call,
};

/// How long the source takes.
pub(super) const TAKES: Duration = Duration::from_millis(50);

/// Long enough for all callers to be there.
pub(super) const GATHERING: Duration = Duration::from_millis(300);

/// What came of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rush {
    /// How often the source was asked.
    pub(super) loads: u64,
    /// From the moment to the last answer.
    pub(super) slowest: Duration,
    /// Callers that got no value, or none in time.
    pub(super) unanswered: u64,
}

impl Rush {
    /// Lets so many callers want the key at that moment.
    ///
    /// # Errors
    ///
    /// - A caller panicked.
    pub(super) async fn begin<R: Reader>(reader: &R, key: &str, callers: usize, moment: Instant) -> Outcome<Self> {
        let source = Source::taking(TAKES);
        let callers: Vec<_> = (0..callers)
            .map(|_| tokio::spawn(call(reader.clone(), key.to_owned(), source.clone(), moment)))
            .collect();
        let mut rush = Self::default();
        for caller in callers {
            let (took, is_right) = caller.await?;
            rush.slowest = rush.slowest.max(took);
            rush.unanswered += u64::from(!is_right);
        }
        rush.loads = source.runs();
        Ok(rush)
    }

    /// Adds what came of others who wanted the same.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            loads: self.loads + other.loads,
            slowest: self.slowest.max(other.slowest),
            unanswered: self.unanswered + other.unanswered,
        }
    }

    /// Returns how often the source was asked.
    pub(super) fn loads(&self) -> f64 {
        per_call(self.loads, 1)
    }

    /// Returns how many times as long as the source the last answer took.
    pub(super) fn slowness(&self) -> f64 {
        self.slowest.as_secs_f64() / TAKES.as_secs_f64()
    }

    /// Returns how many got no value.
    pub(super) fn unanswered(&self) -> f64 {
        per_call(self.unanswered, 1)
    }
}

/// Returns how long after the moment a caller was answered, and whether rightly.
async fn call<R: Reader>(reader: R, key: String, source: Source, moment: Instant) -> (Duration, bool) {
    sleep_until(moment).await;
    let answer = timeout(PATIENCE, reader.is_answered(&key, &source)).await;
    (moment.elapsed(), matches!(answer, Ok(true)))
}
