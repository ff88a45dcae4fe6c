//! The near cache as the road sees it.

mod life;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Condition, Moment, Ticket,
    flushes::Flushes,
    held::Held,
    lease::Lease,
    shelf::{Entry, Shelf},
    stamps::{Others, Stamps},
};
use crate::{
    config::NearSettings,
    metrics::{Counter, Metrics, Tally},
};

/// What was read lately from one server.
#[derive(Debug)]
pub(crate) struct Near {
    shelf: Shelf,
    stamps: Stamps,
    lease: Lease,
    settings: NearSettings,
    /// When it was made: what moments count from.
    began: Instant,
    hits: Tally,
    misses: Tally,
    stored: Counter,
    told: Counter,
    flushes: Flushes,
}

/// For reads.
impl Near {
    /// Makes an empty one. `None` only in a build without it.
    #[expect(clippy::unnecessary_wraps, reason = "a build without it has none")]
    pub(crate) fn new(settings: NearSettings) -> Option<Self> {
        Some(Self {
            shelf: Shelf::new(settings.bytes),
            stamps: Stamps::new(),
            lease: Lease::new(),
            settings,
            began: Instant::now(),
            hits: Tally::default(),
            misses: Tally::default(),
            stored: Counter::default(),
            told: Counter::default(),
            flushes: Flushes::default(),
        })
    }

    /// Returns the present moment if entries may be served now.
    pub(crate) fn live(&self) -> Option<Moment> {
        self.live_at(Instant::now())
    }

    /// The same for whoever has just read the clock.
    pub(crate) fn live_at(&self, now: Instant) -> Option<Moment> {
        let now = self.moment(now);
        self.lease.is_live(now).then_some(now)
    }

    /// Returns what is at a key, if that is known. The moment comes from [`live`](Self::live).
    pub(crate) fn get(&self, now: Moment, key: &[u8]) -> Option<Held> {
        let value = self.peek(now, key);
        if value.is_some() {
            self.hits.add(1);
        } else {
            self.misses.add(1);
        }
        value
    }

    /// Returns what is at all those keys, if all are known.
    pub(crate) fn get_all(&self, now: Moment, keys: &[Bytes]) -> Option<Vec<Held>> {
        let values: Vec<_> = keys.iter().map(|key| self.peek(now, key)).collect::<Option<_>>()?;
        self.hits.add(values.len() as u64);
        Some(values)
    }

    fn peek(&self, now: Moment, key: &[u8]) -> Option<Held> {
        let entry = self.shelf.get(key).filter(|entry| now < entry.expires)?;
        Some(entry.value)
    }

    /// Takes the right to store what will be read. To be taken before the command is sent.
    pub(crate) fn ticket(&self, key: &[u8]) -> Option<Ticket> {
        let now = self.live()?;
        Some(self.stamps.ticket(key, now))
    }

    /// Stores what was read, unless it was overtaken. `pttl` is what the server's `PTTL` says, if that is known; nothing is stored of what that leaves open.
    pub(crate) fn store(&self, ticket: Ticket, key: &[u8], value: Option<Bytes>, pttl: Option<i64>) {
        let left = match (&value, pttl) {
            (None, Some(-2)) | (Some(_), Some(-1)) => Some(self.settings.ttl),
            // There is a key, but no string; or the key ended, or began, while it was asked for; or that is not known.
            (None, _) | (Some(_), None | Some(..=0)) => None,
            (Some(_), Some(left)) => Some(Duration::from_millis(left.unsigned_abs()).min(self.settings.ttl)),
        };
        // From before it was asked for: so it never outlives the server's own.
        let expires = left.map(|left| ticket.taken.after(left));
        self.stamps.decide(ticket, self.now(), |is_good| {
            let asked = ticket.taken;
            self.replace(key, value.as_ref(), asked, is_good, expires)
        });
    }

    /// Puts a value in the place of what is there, if it may be stored at all and is certainly no older.
    ///
    /// Two that ask at the same time may be answered differently, with a change in between that was not told of yet. Whoever has seen the newer value
    /// must not find the older one here: so neither stays.
    fn replace(
        &self,
        key: &[u8],
        value: Option<&Bytes>,
        asked: Moment,
        is_good: bool,
        expires: Option<Moment>,
    ) -> Others {
        let present = self.shelf.get(key);
        let is_that = |present: &Entry| present.value.as_slice() == value.map(|value| &value[..]);
        let is_same = present.as_ref().is_some_and(is_that);
        let is_doubtful = present.is_some_and(|present| !is_same && present.read >= asked);
        let store = |expires| self.shelf.insert(key, value, expires, self.now());
        let is_stored = is_good && !is_doubtful && expires.is_some_and(store);
        if is_stored {
            self.stored.add(1);
        } else if !is_same {
            self.shelf.remove(key);
        }
        // A caller that has seen what is not here must not find an older value later.
        if is_doubtful || (is_good && !is_stored) {
            Others::Void
        } else {
            Others::Good
        }
    }

    /// Says whether entries may be served without being proven, because of an outage.
    pub(crate) fn may_be_stale(&self) -> bool {
        self.lease.is_stale_permitted(self.now())
    }

    /// Returns what was at a key when the outage began, within the grace for that.
    pub(crate) fn stale(&self, key: &[u8]) -> Option<Held> {
        let now = self.now();
        if !self.lease.is_stale_permitted(now) {
            return None;
        }
        let entry = self.shelf.get(key)?;
        let is_within = now < entry.expires.after(self.settings.grace);
        is_within.then(|| {
            self.hits.add(1);
            entry.value
        })
    }
}

/// For writes.
impl Near {
    /// Forgets a key that this process may have changed.
    pub(crate) fn forget(&self, key: &[u8]) {
        self.stamps.remove(key, || self.shelf.remove(key));
    }
}

/// For people.
impl Near {
    pub(crate) fn condition(&self) -> Condition {
        self.lease.condition(self.now())
    }

    pub(crate) fn count(&self, metrics: &mut Metrics) {
        metrics.near_hits = self.hits.sum();
        metrics.near_misses = self.misses.sum();
        metrics.near_stored = self.stored.get();
        metrics.near_invalidations = self.told.get();
        metrics.near_flushes = self.flushes.total();
    }

    fn now(&self) -> Moment {
        self.moment(Instant::now())
    }

    fn moment(&self, instant: Instant) -> Moment {
        Moment(0).after(instant.saturating_duration_since(self.began))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::{super::Reason, *};

    const LONG: Duration = Duration::from_secs(3600);

    fn near(bytes: usize, grace: Duration) -> Near {
        let near = Near::new(NearSettings {
            bytes,
            ttl: LONG,
            grace,
        });
        let near = near.unwrap();
        let feed = near.begin_feed();
        near.prove(feed, Instant::now(), LONG);
        near
    }

    fn put(near: &Near, key: &[u8], value: &'static str) {
        near.store(near.ticket(key).unwrap(), key, Some(value.into()), Some(-1));
    }

    /// What is answered: a value, `(absent)`, or `(unknown)`.
    fn text(held: Option<Held>) -> String {
        let Some(held) = held else {
            return "(unknown)".to_owned();
        };
        let bytes = held.into_bytes();
        bytes.map_or_else(
            || "(absent)".to_owned(),
            |bytes| String::from_utf8(bytes.into()).unwrap(),
        )
    }

    fn get(near: &Near, key: &[u8]) -> String {
        text(near.live().and_then(|now| near.get(now, key)))
    }

    fn stale(near: &Near, key: &[u8]) -> String {
        text(near.stale(key))
    }

    #[test]
    fn values_and_absent_keys_are_remembered_until_they_are_forgotten() {
        let near = near(1 << 20, Duration::ZERO);
        assert_eq!(get(&near, b"k"), "(unknown)");
        put(&near, b"k", "v");
        near.store(near.ticket(b"none").unwrap(), b"none", None, Some(-2));
        assert_eq!(get(&near, b"k"), "v");
        assert_eq!(get(&near, b"none"), "(absent)");
        near.forget(b"k");
        near.invalidate(b"none");
        assert_eq!(get(&near, b"k") + &get(&near, b"none"), "(unknown)(unknown)");
        let mut metrics = Metrics::default();
        near.count(&mut metrics);
        assert_eq!((metrics.near_hits, metrics.near_misses), (2, 3));
        assert_eq!((metrics.near_stored, metrics.near_invalidations), (2, 1));
    }

    #[test]
    fn an_entry_lives_no_longer_than_at_the_server_and_what_has_ended_there_is_not_stored() {
        let near = near(1 << 20, Duration::ZERO);
        near.store(near.ticket(b"k").unwrap(), b"k", Some("v".into()), Some(20));
        assert_ne!(get(&near, b"k"), "(unknown)");
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(get(&near, b"k"), "(unknown)");
        for gone in [0, -2] {
            near.store(near.ticket(b"l").unwrap(), b"l", Some("v".into()), Some(gone));
            assert_eq!(get(&near, b"l"), "(unknown)");
        }
    }

    #[test]
    fn what_was_overtaken_is_not_stored() {
        let near = near(1 << 20, Duration::ZERO);
        for overtake in [Near::forget as fn(&Near, &[u8]), |near, _| {
            near.empty(Reason::ServerFlushed);
        }] {
            let ticket = near.ticket(b"k").unwrap();
            overtake(&near, b"k");
            near.store(ticket, b"k", Some("old".into()), Some(-1));
            assert_eq!(get(&near, b"k"), "(unknown)");
        }
    }

    #[test]
    fn what_was_seen_without_being_stored_keeps_older_answers_out() {
        let near = near(1 << 20, Duration::ZERO);
        put(&near, b"k", "1");
        let late = near.ticket(b"k").unwrap();
        near.store(near.ticket(b"k").unwrap(), b"k", Some("2".into()), None);
        assert_eq!(get(&near, b"k"), "(unknown)");
        near.store(late, b"k", Some("1".into()), Some(-1));
        assert_eq!(get(&near, b"k"), "(unknown)");
        let late = near.ticket(b"k").unwrap();
        let large = Some(vec![0; 1 << 19].into());
        near.store(near.ticket(b"k").unwrap(), b"k", large, Some(-1));
        near.store(late, b"k", Some("1".into()), Some(-1));
        assert_eq!(get(&near, b"k"), "(unknown)");
    }

    #[test]
    fn memory_stays_bounded_and_large_values_are_not_stored() {
        let near = near(4 << 20, Duration::ZERO);
        for n in 0..40_000_u32 {
            let key = n.to_be_bytes();
            near.store(near.ticket(&key).unwrap(), &key, Some(vec![0; 512].into()), Some(-1));
            assert!(near.shelf.weight() <= 4 << 20);
        }
        assert!(near.shelf.weight() > 2 << 20);
        near.store(
            near.ticket(b"k").unwrap(),
            b"k",
            Some(vec![0; 1 << 19].into()),
            Some(-1),
        );
        assert_eq!(get(&near, b"k"), "(unknown)");
    }

    #[test]
    fn an_outage_empties_it_before_and_after() {
        let near = near(1 << 20, Duration::ZERO);
        put(&near, b"k", "v");
        near.begin_outage();
        assert!(near.live().is_none() && near.ticket(b"k").is_none());
        assert_eq!(stale(&near, b"k"), "(unknown)");
        near.end_outage();
        assert_eq!(get(&near, b"k"), "(unknown)");
    }

    #[test]
    fn with_a_grace_entries_outlive_feed_and_server_until_it_ends() {
        let near = near(1 << 20, Duration::from_millis(50));
        put(&near, b"k", "v");
        near.end_feed(1, "lost");
        assert!(near.live().is_none());
        assert_eq!(stale(&near, b"k"), "(unknown)", "no outage");
        near.begin_outage();
        assert_eq!(stale(&near, b"k"), "v");
        std::thread::sleep(Duration::from_millis(55));
        assert_eq!(stale(&near, b"k"), "(unknown)");
        near.end_outage();
        assert!(near.shelf.is_empty());
    }

    #[test]
    fn of_two_different_answers_to_questions_at_one_time_neither_is_kept() {
        let near = near(1 << 20, Duration::ZERO);
        for (first, second) in [("4", "5"), ("5", "4")] {
            let (one, other, late) = (near.ticket(b"k"), near.ticket(b"k"), near.ticket(b"k"));
            near.store(one.unwrap(), b"k", Some(first.into()), Some(-1));
            near.store(other.unwrap(), b"k", Some(second.into()), Some(-1));
            assert_eq!(get(&near, b"k"), "(unknown)");
            near.store(late.unwrap(), b"k", Some("4".into()), Some(-1));
            assert_eq!(get(&near, b"k"), "(unknown)", "nor is a third");
        }
        let (one, other) = (near.ticket(b"k"), near.ticket(b"k"));
        near.store(one.unwrap(), b"k", Some("6".into()), Some(-1));
        near.store(other.unwrap(), b"k", Some("6".into()), Some(-1));
        assert_ne!(get(&near, b"k"), "(unknown)");
        put(&near, b"k", "7");
        assert_eq!(get(&near, b"k"), "7", "asked for later");
    }

    /// One thread counts up as a server would: first the value, then the message. Others read as callers would.
    #[test]
    fn however_threads_race_a_reader_never_sees_an_older_value_than_was_told_of() {
        let near = near(1 << 20, Duration::ZERO);
        let (server, told, ends) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for reader in 0..3 {
                let (near, server, told, ends) = (&near, &server, &told, &ends);
                scope.spawn(move || {
                    while !ends.load(Ordering::SeqCst) {
                        let least = told.load(Ordering::SeqCst);
                        let seen = match near.live().and_then(|now| near.get(now, b"k")) {
                            Some(held) => u64::from_be_bytes(held.as_slice().unwrap().try_into().unwrap()),
                            None => {
                                let ticket = near.ticket(b"k").unwrap();
                                let value = server.load(Ordering::SeqCst);
                                if reader == 0 {
                                    std::thread::yield_now();
                                }
                                let bytes = Bytes::copy_from_slice(&value.to_be_bytes());
                                near.store(ticket, b"k", Some(bytes), Some(-1));
                                value
                            }
                        };
                        assert!(seen >= least, "{seen} after {least} was told of");
                    }
                });
            }
            for n in 1..=30_000 {
                server.store(n, Ordering::SeqCst);
                if n % 100 == 0 {
                    near.empty(Reason::Lagged);
                } else {
                    near.invalidate(b"k");
                }
                told.store(n, Ordering::SeqCst);
            }
            ends.store(true, Ordering::SeqCst);
        });
    }
}
