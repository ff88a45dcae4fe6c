//! When a server was lost or hung, so that it is known which writes the deployment may have lost.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Replicas may be behind so much.
const BEFORE: Duration = Duration::from_secs(2);

/// A server that goes on may answer for so long before it hears that another has its place.
const AFTER: Duration = Duration::from_secs(1);

/// The times in which the deployment may lose what it has confirmed, since replication does not wait.
#[derive(Debug, Default)]
pub(super) struct Sky(Mutex<Vec<Gust>>);

/// From a fault until all is well.
#[derive(Debug)]
struct Gust {
    /// When it began.
    began: Instant,
    /// When it had passed, if it has.
    passed: Option<Instant>,
}

impl Sky {
    /// Notes that a server is lost or hangs from now on.
    pub(super) fn darken(&self, now: Instant) {
        self.gusts().push(Gust {
            began: now,
            passed: None,
        });
    }

    /// Notes that all is well again.
    pub(super) fn clear(&self, now: Instant) {
        if let Some(gust) = self.gusts().last_mut() {
            gust.passed.get_or_insert(now);
        }
    }

    /// Says whether a write that was confirmed at that moment may have been lost.
    pub(super) fn excuses(&self, confirmed: Instant) -> bool {
        self.gusts().iter().any(|gust| {
            confirmed + BEFORE >= gust.began && gust.passed.is_none_or(|passed| confirmed <= passed + AFTER)
        })
    }

    /// Never held while something is awaited.
    fn gusts(&self) -> MutexGuard<'_, Vec<Gust>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_confirmed_in_fair_weather_is_not_lost() {
        let (sky, start) = (Sky::default(), Instant::now() + Duration::from_secs(10));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!sky.excuses(at(5)));
        sky.darken(at(10));
        assert!(!sky.excuses(at(7)) && sky.excuses(at(9)) && sky.excuses(at(100)));
        sky.clear(at(14));
        assert!(sky.excuses(at(14)) && !sky.excuses(at(16)));
    }
}
