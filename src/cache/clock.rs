//! The server's clock, by which all processes agree on how old an entry is.

use std::{
    sync::atomic::{
        AtomicBool, AtomicI64, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The server's clock, as far as this process knows it. It goes on as the machine's own does that nobody sets.
#[derive(Debug)]
pub(super) struct Clock {
    /// When it was made, here and there: milliseconds after 1970.
    began: Instant,
    origin: AtomicI64,
    is_set: AtomicBool,
    /// When it is to be set again, in milliseconds since it was made.
    due: AtomicU64,
}

/// So often it is set anew, when it is used.
const PERIOD: Duration = Duration::from_secs(60);

/// So long nobody else asks, while one does or has failed.
const PATIENCE: Duration = Duration::from_secs(1);

impl Default for Clock {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            origin: AtomicI64::new(wall()),
            is_set: AtomicBool::new(false),
            due: AtomicU64::new(0),
        }
    }
}

impl Clock {
    /// Returns the server's time, in milliseconds after 1970.
    pub(super) fn now(&self) -> i64 {
        self.at(Instant::now())
    }

    /// Returns what it was at an instant.
    pub(super) fn at(&self, instant: Instant) -> i64 {
        self.origin.load(Relaxed).saturating_add(self.since(instant))
    }

    fn since(&self, instant: Instant) -> i64 {
        let since = instant.saturating_duration_since(self.began);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// Says whether the server was ever asked for its time.
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Acquire)
    }

    /// Says whether the caller is to ask the server for its time now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let (now, due) = (
            millis(now.saturating_duration_since(self.began)),
            self.due.load(Relaxed),
        );
        let next = now + millis(PATIENCE);
        now >= due && self.due.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    /// Notes what the server said to a question that was asked at this instant, and answered now.
    pub(super) fn set(&self, server: i64, asked: Instant) {
        let between = asked + asked.elapsed() / 2;
        self.origin.store(server.saturating_sub(self.since(between)), Relaxed);
        self.due.store(millis(self.began.elapsed() + PERIOD), Relaxed);
        self.is_set.store(true, Release);
    }

    /// Notes that there is no such clock: this machine's is the only one.
    pub(super) fn is_own(&self) {
        self.due.store(u64::MAX, Relaxed);
        self.is_set.store(true, Release);
    }
}

/// Returns this machine's time, in milliseconds after 1970.
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_as_the_servers() {
        let clock = Clock::default();
        assert!(!clock.is_set());
        assert!((-100..100).contains(&(clock.now() - wall())));
        clock.set(wall() + 5_000, Instant::now());
        assert!(clock.is_set() && (4_900..5_100).contains(&(clock.now() - wall())));
    }

    #[test]
    fn one_asks_at_a_time() {
        let clock = Clock::default();
        let now = Instant::now();
        assert!(clock.is_due(now) && !clock.is_due(now));
        clock.set(wall(), now);
        assert!(!clock.is_due(Instant::now()));
    }
}
