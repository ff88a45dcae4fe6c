//! The data behind the lock: synchronous, and time is an argument.

use std::time::Instant;

use bytes::Bytes;
use lru::LruCache;

use super::data::{Collection, Data, OVERHEAD, owned};
use crate::{
    error::{Error, ErrorKind, Result},
    reply::Reply,
    ttl::Ttl,
};

pub(super) struct Store {
    /// Ordered by use; its own capacity is without bound, `max_bytes` bounds it.
    entries: LruCache<Bytes, Entry>,
    bytes: usize,
    max_bytes: usize,
    revisions: u64,
}

pub(super) struct Entry {
    pub(super) data: Data,
    pub(super) expires: Option<Instant>,
    /// What the entry counts against the bound.
    cost: usize,
    /// Differs from what it was whenever the entry may have changed.
    revision: u64,
}

impl Store {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
            max_bytes,
            revisions: 0,
        }
    }

    /// Finds an entry that has not expired, and makes it the most recently used.
    pub(super) fn live(&mut self, key: &Bytes, now: Instant) -> Option<&mut Entry> {
        if self.entries.peek(key)?.is_over(now) {
            self.take(key);
            return None;
        }
        self.entries.get_mut(key)
    }

    /// Looks at a collection; `None` if there is no such key.
    ///
    /// # Errors
    ///
    /// - The key holds another type.
    pub(super) fn look<C: Collection, T>(
        &mut self,
        key: &Bytes,
        now: Instant,
        look: impl FnOnce(&mut C) -> T,
    ) -> Result<Option<T>> {
        let Some(entry) = self.live(key, now) else {
            return Ok(None);
        };
        C::of(&mut entry.data).map(look).map(Some).ok_or_else(wrong_type)
    }

    /// Changes a collection, which comes into being if it is absent, and is gone if it is empty afterwards.
    ///
    /// # Errors
    ///
    /// - The key holds another type.
    /// - The change itself fails: then it must not have changed anything.
    pub(super) fn change<C: Collection, T>(
        &mut self,
        key: &Bytes,
        now: Instant,
        change: impl FnOnce(&mut C) -> Result<T>,
    ) -> Result<T> {
        if self.live(key, now).is_none() {
            let mut fresh = C::default();
            let outcome = change(&mut fresh)?;
            if !fresh.is_empty() {
                self.put(key.clone(), fresh.into_data(), None);
            }
            return Ok(outcome);
        }
        let Some(entry) = self.entries.get_mut(key) else {
            return change(&mut C::default());
        };
        let collection = C::of(&mut entry.data).ok_or_else(wrong_type)?;
        let before = collection.cost();
        let outcome = change(collection);
        let (after, is_empty) = (collection.cost(), collection.is_empty());
        entry.cost = entry.cost + after - before;
        self.revisions += 1;
        entry.revision = self.revisions;
        self.bytes = self.bytes + after - before;
        if is_empty {
            self.take(key);
        }
        self.evict();
        outcome
    }

    pub(super) fn take(&mut self, key: &Bytes) -> Option<Entry> {
        let entry = self.entries.pop(key)?;
        self.bytes -= entry.cost;
        Some(entry)
    }

    pub(super) fn put(&mut self, key: Bytes, data: Data, expires: Option<Instant>) {
        self.take(&key);
        let cost = key.len() + data.cost() + OVERHEAD;
        self.bytes += cost;
        self.revisions += 1;
        let entry = Entry {
            data,
            expires,
            cost,
            revision: self.revisions,
        };
        self.entries.put(owned(&key), entry);
        self.evict();
    }

    /// Changes when a key expires, and says whether there is such a key.
    pub(super) fn set_expiry(&mut self, key: &Bytes, expires: Option<Instant>, now: Instant) -> bool {
        let revision = self.revisions + 1;
        let Some(entry) = self.live(key, now) else {
            return false;
        };
        entry.expires = expires;
        entry.revision = revision;
        self.revisions = revision;
        true
    }

    /// Returns what differs whenever the data of a key may have changed.
    pub(super) fn revision(&mut self, key: &Bytes, now: Instant) -> Option<u64> {
        self.live(key, now).map(|entry| entry.revision)
    }

    /// Returns the keys that have not expired, in no particular order.
    pub(super) fn keys(&self, now: Instant) -> impl Iterator<Item = &Bytes> {
        self.entries
            .iter()
            .filter(move |(_, entry)| !entry.is_over(now))
            .map(|(key, _)| key)
    }

    fn evict(&mut self) {
        while self.bytes > self.max_bytes
            && let Some((_, entry)) = self.entries.pop_lru()
        {
            self.bytes -= entry.cost;
        }
    }

    /// # Errors
    ///
    /// - So many bytes are more than the whole store holds.
    pub(super) fn check_fit(&self, bytes: usize) -> Result<()> {
        if bytes + OVERHEAD <= self.max_bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::OutOfMemory,
            "the value is larger than the embedded store",
        ))
    }
}

impl Entry {
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// A time that the clock cannot express is further away than the process will live: never.
pub(super) fn deadline(now: Instant, ttl: Ttl) -> Option<Instant> {
    now.checked_add(ttl.as_duration())
}

pub(super) fn count(number: usize) -> Reply {
    Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn wrong_type() -> Error {
    Error::new(
        ErrorKind::WrongType,
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    )
}

#[cfg(test)]
impl Store {
    /// Every byte is accounted for, and within the bound.
    pub(super) fn assert_accounted(&self) {
        let counted: usize = self.entries.iter().map(|(_, entry)| entry.cost).sum();
        assert_eq!(counted, self.bytes);
        assert!(self.bytes <= self.max_bytes);
    }
}
