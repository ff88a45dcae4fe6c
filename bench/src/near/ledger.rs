//! What was written when, so that a stale answer can be told.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So long a value may be answered after it was replaced.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// What was written to each key, and when the server had confirmed it.
#[derive(Debug)]
pub(super) struct Ledger {
    /// For each key the versions in ascending order; the oldest that could still matter comes first.
    writes: Vec<Mutex<Vec<(u64, Instant)>>>,
}

impl Ledger {
    /// Opens it for so many keys.
    pub(super) fn new(keys: usize) -> Self {
        Self {
            writes: (0..keys).map(|_| Mutex::default()).collect(),
        }
    }

    /// Notes that a key has that version, as the server confirmed at that moment.
    pub(super) fn note(&self, key: usize, version: u64, confirmed: Instant) {
        if let Some(mut writes) = self.of(key) {
            writes.push((version, confirmed));
        }
    }

    /// Says whether a version that was read was stale when that was begun.
    pub(super) fn is_stale(&self, key: usize, version: u64, asked: Instant) -> bool {
        let Some(writes) = self.of(key) else {
            return false;
        };
        let successor = writes.partition_point(|(written, _)| *written <= version);
        let replaced = writes.get(successor).map(|(_, confirmed)| *confirmed);
        replaced.is_some_and(|replaced| asked.saturating_duration_since(replaced) > GRACE)
    }

    /// Returns the writes of a key.
    fn of(&self, key: usize) -> Option<MutexGuard<'_, Vec<(u64, Instant)>>> {
        let writes = self.writes.get(key)?;
        Some(writes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_stale_when_its_successor_was_written_more_than_a_second_before() {
        let (ledger, now) = (Ledger::new(1), Instant::now());
        ledger.note(0, 1, now);
        ledger.note(0, 4, now + Duration::from_secs(5));
        let asked = |seconds| now + Duration::from_secs(seconds);
        assert!(!ledger.is_stale(0, 1, asked(6)));
        assert!(ledger.is_stale(0, 1, asked(7)));
        assert!(!ledger.is_stale(0, 4, asked(7)));
    }
}
