//! Keys whose values turned out to be large.
//!
//! A read does not know how long its answer will be. So it is remembered which keys had a large value last time: the next read of such a key goes by the
//! connection for large values, and holds no small one up.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use lru::LruCache;

/// The last keys with large values.
#[derive(Debug)]
pub(super) struct LargeKeys {
    keys: Mutex<LruCache<Bytes, ()>>,
    /// How many there are: mostly none, and then nobody takes the lock.
    count: AtomicUsize,
}

/// So many keys are remembered.
const REMEMBERED: usize = 1024;

/// Values from this size on are large for a reader.
const LARGE: usize = 256 * 1024;

impl Default for LargeKeys {
    fn default() -> Self {
        Self {
            keys: Mutex::new(LruCache::unbounded()),
            count: AtomicUsize::new(0),
        }
    }
}

impl LargeKeys {
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.count.load(Relaxed) > 0 && self.keys().get(key).is_some()
    }

    /// Notes how long the value of a key is.
    pub(super) fn note(&self, key: &[u8], len: usize) {
        let is_large = len >= LARGE;
        if !is_large && self.count.load(Relaxed) == 0 {
            return;
        }
        let mut keys = self.keys();
        if is_large {
            // It may be part of a larger buffer.
            keys.put(Bytes::copy_from_slice(key), ());
            if keys.len() > REMEMBERED {
                keys.pop_lru();
            }
        } else {
            keys.pop(key);
        }
        self.count.store(keys.len(), Relaxed);
    }

    fn keys(&self) -> MutexGuard<'_, LruCache<Bytes, ()>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_as_long_as_its_value_is_large() {
        let large = LargeKeys::default();
        let key = Bytes::from("k");
        large.note(&key, 10);
        assert!(!large.contains(&key));
        large.note(&key, LARGE);
        assert!(large.contains(&key));
        assert!(!large.contains(b"other"));
        large.note(&key, LARGE - 1);
        assert!(!large.contains(&key));
        for number in 0..2000 {
            large.note(number.to_string().as_bytes(), LARGE);
        }
        assert_eq!(large.count.load(Relaxed), REMEMBERED);
    }
}
