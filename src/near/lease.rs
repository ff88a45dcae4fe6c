//! Until when the near cache may be served.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Condition, Moment};

/// The one word that every read looks at, and what it is made of.
///
/// It says until when. A heartbeat that was answered proves that no message is missing up to the moment when it was sent, so each moves that
/// moment on by a fixed time. If this process stalls, it passes by itself.
#[derive(Debug)]
pub(super) struct Lease {
    /// Nanoseconds; 0 while the cache may not be served.
    until: AtomicU64,
    /// In an outage: until when entries may be served all the same; otherwise 0.
    stale_until: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The number of the present feed. Another's word counts for nothing.
    feed: u64,
    proven_until: Moment,
    is_outage: bool,
    /// Why the cache is not served; nothing before the first feed.
    reason: Option<Arc<str>>,
}

impl Lease {
    pub(super) fn new() -> Self {
        Self {
            until: AtomicU64::new(0),
            stale_until: AtomicU64::new(0),
            state: Mutex::new(State {
                feed: 0,
                proven_until: Moment(0),
                is_outage: false,
                reason: None,
            }),
        }
    }

    /// Says whether the cache may be served.
    pub(super) fn is_live(&self, now: Moment) -> bool {
        now.0 < self.until.load(Ordering::Acquire)
    }

    /// Says whether, in an outage, entries may be served without being proven.
    pub(super) fn is_stale_permitted(&self, now: Moment) -> bool {
        now.0 < self.stale_until.load(Ordering::Acquire)
    }

    /// Ends the present feed, and begins another: returns its number.
    pub(super) fn next_feed(&self) -> u64 {
        let mut state = self.state();
        state.feed += 1;
        state.proven_until = Moment(0);
        self.publish(&state);
        state.feed
    }

    /// Notes that a feed has missed nothing.
    pub(super) fn prove(&self, feed: u64, until: Moment) {
        let mut state = self.state();
        if state.feed == feed {
            state.proven_until = until;
            state.reason = None;
            self.publish(&state);
        }
    }

    /// Notes that a feed is of no use any more.
    pub(super) fn revoke(&self, feed: u64, reason: &str) {
        let mut state = self.state();
        if state.feed == feed {
            state.proven_until = Moment(0);
            if state.reason.as_deref() != Some(reason) {
                state.reason = Some(reason.into());
            }
            self.publish(&state);
        }
    }

    /// Says why the cache cannot be served, until a feed is proven.
    pub(super) fn explain(&self, reason: &str) {
        self.state().reason = Some(reason.into());
    }

    /// As if there had never been a feed.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.feed += 1;
        (state.proven_until, state.is_outage, state.reason) = (Moment(0), false, None);
        self.stale_until.store(0, Ordering::Release);
        self.publish(&state);
    }

    /// Notes that calls are refused from now on. Entries may be served for that grace.
    pub(super) fn begin_outage(&self, now: Moment, grace: Duration) {
        let mut state = self.state();
        if !state.is_outage {
            state.is_outage = true;
            self.publish(&state);
            if !grace.is_zero() {
                self.stale_until.store(now.after(grace).0, Ordering::Release);
            }
        }
    }

    /// Notes that no entry may be served any more because of the outage; says whether there was one.
    pub(super) fn end_grace(&self) -> bool {
        let state = self.state();
        self.stale_until.store(0, Ordering::Release);
        state.is_outage
    }

    /// Notes that calls are let through again.
    pub(super) fn end_outage(&self) {
        let mut state = self.state();
        state.is_outage = false;
        self.publish(&state);
    }

    pub(super) fn condition(&self, now: Moment) -> Condition {
        let state = self.state();
        match &state.reason {
            Some(reason) => Condition::Unavailable(Arc::clone(reason)),
            None if state.feed == 0 || state.proven_until == Moment(0) => Condition::Idle,
            None if state.is_outage => Condition::Unavailable("Redis is unavailable".into()),
            None if now < state.proven_until => Condition::Serving,
            None => Condition::Unavailable("the heartbeat is late".into()),
        }
    }

    fn publish(&self, state: &State) {
        let until = if state.is_outage { 0 } else { state.proven_until.0 };
        self.until.store(until, Ordering::Release);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moment {
    pub(super) fn after(self, time: Duration) -> Self {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_nanos(100);

    #[test]
    fn a_lease_passes_by_itself() {
        let lease = Lease::new();
        assert!(!lease.is_live(Moment(0)));
        assert_eq!(lease.condition(Moment(0)), Condition::Idle);
        let feed = lease.next_feed();
        lease.prove(feed, Moment(10));
        assert!(lease.is_live(Moment(9)) && !lease.is_live(Moment(10)));
        assert_eq!(lease.condition(Moment(9)), Condition::Serving);
        assert!(matches!(lease.condition(Moment(10)), Condition::Unavailable(_)));
    }

    #[test]
    fn only_the_present_feed_counts() {
        let lease = Lease::new();
        let old = lease.next_feed();
        let new = lease.next_feed();
        lease.prove(old, Moment(10));
        assert!(!lease.is_live(Moment(0)));
        lease.prove(new, Moment(10));
        lease.revoke(old, "late");
        assert!(lease.is_live(Moment(0)));
        lease.forget();
        lease.prove(new, Moment(10));
        assert!(!lease.is_live(Moment(0)));
    }

    #[test]
    fn nothing_is_live_in_an_outage_and_stale_only_within_its_grace() {
        let lease = Lease::new();
        let feed = lease.next_feed();
        lease.prove(feed, Moment(1_000));
        lease.begin_outage(Moment(10), GRACE);
        lease.begin_outage(Moment(50), GRACE);
        lease.prove(feed, Moment(2_000));
        assert!(!lease.is_live(Moment(11)));
        assert!(lease.is_stale_permitted(Moment(109)) && !lease.is_stale_permitted(Moment(110)));
        assert!(lease.end_grace());
        assert!(!lease.is_live(Moment(11)) && !lease.is_stale_permitted(Moment(11)));
        lease.end_outage();
        assert!(lease.is_live(Moment(11)));
    }

    #[test]
    fn without_a_grace_nothing_is_ever_stale() {
        let lease = Lease::new();
        lease.begin_outage(Moment(10), Duration::ZERO);
        assert!(!lease.is_stale_permitted(Moment(0)));
    }
}
