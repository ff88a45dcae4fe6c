//! What this process knows of a namespace: who loads what, what has failed lately, and how its keys are named.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use bytes::Bytes;
use lru::LruCache;
use tokio::sync::Semaphore;

use super::{flight::Flights, metrics::CacheCounters};
use crate::{envelope::header::Id, key::Key, typed_key::template};

/// The namespaces of one manager.
#[derive(Debug, Default)]
pub(super) struct Spaces(RwLock<HashMap<Box<str>, Arc<Space>>>);

/// One namespace.
#[derive(Debug)]
pub(super) struct Space {
    /// As it stands in keys.
    name: Box<str>,
    /// As the journal knows it, and as it stands before entries: never empty.
    pub(super) journal: Arc<str>,
    /// The key of its version where there is one for all entries.
    pub(super) epoch: Key,
    pub(super) flights: Arc<Flights>,
    pub(super) counters: CacheCounters,
    memory: Mutex<Memory>,
    /// Loaders have given tags.
    has_tags: AtomicBool,
    /// As many permits as loads may run in an outage.
    outage_loads: OnceLock<Arc<Semaphore>>,
    /// It was told that nothing can be stored.
    pub(super) told: Once,
    /// Somebody does what the journal cannot.
    pub(super) is_settling: AtomicBool,
}

/// What is remembered of single keys, each within a bound.
#[derive(Debug)]
struct Memory {
    /// Tags that loaders gave.
    tags: LruCache<Key, Arc<[Bytes]>>,
    /// Until when keys are not loaded anew.
    failed: LruCache<Key, Instant>,
    /// Versions that will live long enough, and until when that is certain.
    versions: LruCache<Key, (Id, Instant)>,
}

/// So many keys are remembered, of each kind.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16 * 1024).unwrap();

impl Spaces {
    /// Returns the namespace of this name, made on first use.
    pub(super) fn of(&self, name: &str) -> Arc<Space> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(space) = known.get(name) {
            return Arc::clone(space);
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let space = known.entry(name.into()).or_insert_with(|| Arc::new(Space::new(name)));
        Arc::clone(space)
    }
}

impl Space {
    fn new(name: &str) -> Self {
        let mut escaped = String::new();
        template::escape(name, &mut escaped);
        Self {
            journal: format!("{escaped}:").into(),
            epoch: Key::from(format!("{escaped}%epoch")),
            name: escaped.into(),
            flights: Arc::default(),
            counters: CacheCounters::default(),
            memory: Mutex::new(Memory {
                tags: LruCache::new(REMEMBERED),
                failed: LruCache::new(REMEMBERED),
                versions: LruCache::new(REMEMBERED),
            }),
            has_tags: AtomicBool::new(false),
            outage_loads: OnceLock::new(),
            told: Once::new(),
            is_settling: AtomicBool::new(false),
        }
    }

    /// Returns the key of an entry. No two namespaces share one: a name has no `:`.
    pub(super) fn entry(&self, key: &Key) -> Key {
        Key::of_parts([self.journal.as_bytes(), key.as_bytes()])
    }

    /// Returns the key of the namespace's version in a slot of a cluster: there is one in each, so that it is where the entry is. No entry has such a key, nor
    /// has a tag: a name has no `%` but before two digits.
    pub(super) fn epoch_in(&self, slot_tag: u32) -> Key {
        Key::from(format!("{}%epoch{{{slot_tag}}}", self.name))
    }

    /// Returns the key of a tag's version.
    pub(super) fn tag(&self, tag: &[u8]) -> Key {
        Key::of_parts([self.name.as_bytes(), b"%tag:", tag])
    }

    /// Returns the pattern of the entries whose keys match a pattern.
    pub(super) fn pattern(&self, pattern: &str) -> String {
        let mut whole = String::new();
        template::glob(&self.name, &mut whole);
        whole + ":" + pattern
    }

    /// Returns the tags that a loader has given to this key.
    pub(super) fn tags_of(&self, key: &Key) -> Option<Arc<[Bytes]>> {
        if !self.has_tags.load(Relaxed) {
            return None;
        }
        self.memory().tags.get(key).cloned()
    }

    pub(super) fn remember_tags(&self, key: &Key, tags: Vec<Bytes>) {
        self.memory().tags.put(key.clone(), tags.into());
        self.has_tags.store(true, Relaxed);
    }

    /// Says whether a key is not to be loaded anew yet.
    pub(super) fn has_failed(&self, key: &Key, now: Instant) -> bool {
        let memory = self.memory();
        memory.failed.peek(key).is_some_and(|until| now < *until)
    }

    pub(super) fn note_failure(&self, key: &Key, until: Option<Instant>) {
        let mut memory = self.memory();
        match until {
            Some(until) => drop(memory.failed.put(key.clone(), until)),
            None if memory.failed.is_empty() => {}
            None => drop(memory.failed.pop(key)),
        }
    }

    /// Returns the version at this key as it was lately, if it is certain to live on.
    pub(super) fn version(&self, key: &Key, now: Instant) -> Option<Id> {
        let mut memory = self.memory();
        let (id, until) = memory.versions.get(key)?;
        (now < *until).then_some(*id)
    }

    pub(super) fn remember_version(&self, key: Key, id: Id, until: Instant) {
        self.memory().versions.put(key, (id, until));
    }

    /// Returns the permits for loads in an outage.
    pub(super) fn outage_loads(&self, count: usize) -> Arc<Semaphore> {
        let loads = || Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Arc::clone(self.outage_loads.get_or_init(loads))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn keys_of_namespaces_entries_and_versions_never_meet() {
        let spaces = Spaces::default();
        let (users, odd) = (spaces.of("users"), spaces.of("users%epoch:a{b}"));
        assert_eq!(users.entry(&"7".into()), "users:7".into());
        assert_eq!(odd.entry(&"7".into()), "users%25epoch%3Aa%7Bb%7D:7".into());
        assert_eq!(users.epoch, "users%epoch".into());
        assert_eq!(users.epoch_in(5), "users%epoch{5}".into());
        assert_eq!(users.tag(b"a:b"), "users%tag:a:b".into());
        assert_eq!(users.pattern("7*"), "users:7*");
        assert!(Arc::ptr_eq(&users, &spaces.of("users")));
    }

    #[test]
    fn a_failure_is_remembered_for_its_time() {
        let (space, key, now) = (Space::new("s"), Key::from("k"), Instant::now());
        space.note_failure(&key, Some(now + Duration::from_secs(1)));
        assert!(space.has_failed(&key, now));
        assert!(!space.has_failed(&key, now + Duration::from_secs(1)));
        space.note_failure(&key, None);
        assert!(!space.has_failed(&key, now));
    }
}
