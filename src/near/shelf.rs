//! The entries, within a bound of bytes.

use std::{fmt, thread};

use bytes::Bytes;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{LARGE, Moment, held::Held};

/// What is at a key, as far as it is known; what was read seldom or long ago gives way to what is new.
pub(super) struct Shelf {
    cache: Cache<Box<[u8]>, Entry, Bytewise>,
    /// The heaviest entry that is stored.
    max_weight: usize,
}

/// What was at a key when it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Held,
    pub(super) expires: Moment,
    /// When the answer was here.
    pub(super) read: Moment,
}

/// Weighs an entry by the bytes that it takes.
#[derive(Debug, Clone, Copy)]
struct Bytewise;

/// What an entry takes beside key and value: the entry itself, its place in the table, what the allocator adds, and its share of what is remembered
/// of former entries.
const OVERHEAD: usize = 192;

/// What an entry is taken to weigh where only the room is known.
const TYPICAL: usize = 512;

/// Parts with a lock of their own each are at least so large.
const MIN_PART: usize = 512 * 1024;

impl Weighter<Box<[u8]>, Entry> for Bytewise {
    fn weight(&self, key: &Box<[u8]>, entry: &Entry) -> u64 {
        weight(key, entry.value.len()) as u64
    }
}

impl Shelf {
    pub(super) fn new(bytes: usize) -> Self {
        let processors = thread::available_parallelism().map_or(4, usize::from);
        let parts = (4 * processors).min(bytes / MIN_PART).max(1);
        let items = bytes / TYPICAL;
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(bytes as u64)
            .shards(parts)
            .build();
        let cache = match options {
            Ok(options) => {
                let hasher = DefaultHashBuilder::default();
                Cache::with_options(options, Bytewise, hasher, DefaultLifecycle::default())
            }
            // There is an error only where an option is missing.
            Err(_) => Cache::with_weighter(items, bytes as u64, Bytewise),
        };
        let of_part = usize::try_from(cache.shard_capacity()).unwrap_or(usize::MAX);
        Self {
            cache,
            max_weight: (bytes / 16).min(of_part / 2),
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Entry> {
        self.cache.get(key)
    }

    /// Stores a copy. What is too large is not stored.
    pub(super) fn insert(&self, key: &[u8], value: Option<&Bytes>, expires: Moment, read: Moment) -> bool {
        let len = value.map_or(0, Bytes::len);
        if len >= LARGE || weight(key, len) > self.max_weight {
            return false;
        }
        let value = Held::of(value);
        self.cache.insert(key.into(), Entry { value, expires, read });
        true
    }

    pub(super) fn remove(&self, key: &[u8]) {
        drop(self.cache.remove(key));
    }

    pub(super) fn clear(&self) {
        self.cache.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.cache.weight()
    }
}

fn weight(key: &[u8], value: usize) -> usize {
    OVERHEAD + key.len() + value
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("len", &self.cache.len())
            .finish_non_exhaustive()
    }
}
