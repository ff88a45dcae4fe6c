//! What tells a value that is still current from one that was overtaken on its way.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Moment, Ticket};

/// A stamp for each of many groups of keys, and one for all.
///
/// Whoever stores holds the lock of the key's group, and so does whoever removes: so a value is either stored before its removal, and goes with
/// it, or not at all.
#[derive(Debug)]
pub(super) struct Stamps {
    stripes: Box<[Stripe]>,
    /// Grows before everything is emptied.
    epoch: AtomicU64,
    hasher: RandomState,
}

/// What a decision makes of other tickets for the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    Good,
    Void,
}

/// On a cache line of its own: the locks of different keys do not disturb each other.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Stripe(Mutex<Stamp>);

#[derive(Debug, Default)]
struct Stamp {
    /// Grows whenever a key of the group is removed.
    count: u64,
    /// Until when answers were seen that were not stored. One that was asked for before may be older than they were.
    seen: u64,
}

/// So many that an unrelated key seldom has the same: that costs a value that could have been stored.
const STRIPES: usize = 1024;

impl Stamps {
    pub(super) fn new() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Stripe::default()).collect(),
            epoch: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    /// Takes a ticket. It has to be taken before the value is asked for.
    pub(super) fn ticket(&self, key: &[u8], now: Moment) -> Ticket {
        let stripe = self.stripe_of(key);
        // The epoch first: one that grows meanwhile makes the ticket void, which is never wrong.
        let epoch = self.epoch.load(Ordering::SeqCst);
        Ticket {
            stripe,
            stamp: self.lock(stripe).count,
            epoch,
            taken: now,
        }
    }

    /// Decides on what was read with a ticket, while nobody else decides on that key. `decide` is told whether the ticket is still good, and says
    /// whether the others that were taken for the key still are.
    pub(super) fn decide(&self, ticket: Ticket, now: Moment, decide: impl FnOnce(bool) -> Others) {
        let mut stamp = self.lock(ticket.stripe);
        let is_current = stamp.count == ticket.stamp && self.epoch.load(Ordering::SeqCst) == ticket.epoch;
        if decide(is_current && ticket.taken.0 >= stamp.seen) == Others::Void {
            stamp.count += 1;
        }
        if !is_current {
            stamp.seen = now.0;
        }
    }

    /// Removes what is at a key, and makes the tickets void that were taken for it.
    pub(super) fn remove(&self, key: &[u8], remove: impl FnOnce()) {
        let mut stamp = self.lock(self.stripe_of(key));
        stamp.count += 1;
        remove();
    }

    /// Makes all tickets void. What is stored with one of them has been stored when this returns, and nothing will be after it.
    pub(super) fn void_all(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        // Whoever holds a lock may have looked at the epoch before it grew.
        for stripe in 0..self.stripes.len() {
            drop(self.lock(stripe));
        }
    }

    fn stripe_of(&self, key: &[u8]) -> usize {
        usize::try_from(self.hasher.hash_one(key) % STRIPES as u64).unwrap_or_default()
    }

    fn lock(&self, stripe: usize) -> MutexGuard<'_, Stamp> {
        self.stripes[stripe].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores(stamps: &Stamps, ticket: Ticket) -> bool {
        let mut is_good = false;
        stamps.decide(ticket, Moment(1), |good| {
            is_good = good;
            Others::Good
        });
        is_good
    }

    #[test]
    fn a_ticket_is_void_once_its_key_was_removed_and_only_then() {
        let stamps = Stamps::new();
        let ticket = stamps.ticket(b"k", Moment(0));
        assert!(stores(&stamps, ticket));
        let other = (0..)
            .map(|n: u32| n.to_be_bytes())
            .find(|key| stamps.stripe_of(key) != ticket.stripe)
            .unwrap();
        stamps.remove(&other, || {});
        assert!(stores(&stamps, ticket), "another key's removal does not matter");
        stamps.remove(b"k", || {});
        assert!(!stores(&stamps, ticket));
        assert!(stores(&stamps, stamps.ticket(b"k", Moment(1))));
    }

    #[test]
    fn what_was_asked_for_before_a_newer_answer_was_seen_is_not_stored_after_it() {
        let stamps = Stamps::new();
        let first = stamps.ticket(b"k", Moment(0));
        stamps.remove(b"k", || {});
        let second = stamps.ticket(b"k", Moment(0));
        assert!(!stores(&stamps, first), "but its caller has seen it, at moment 1");
        assert!(!stores(&stamps, second));
        assert!(stores(&stamps, stamps.ticket(b"k", Moment(1))));
    }

    #[test]
    fn every_ticket_is_void_once_all_was_emptied() {
        let stamps = Stamps::new();
        let ticket = stamps.ticket(b"k", Moment(0));
        stamps.void_all();
        assert!(!stores(&stamps, ticket));
        assert!(stores(&stamps, stamps.ticket(b"k", Moment(1))));
    }
}
