//! Invalidation: of one entry, of all that have a tag, of those that match a pattern, of all. What cannot be sent is kept in the journal, and holds here until it is.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;

use super::{
    Cache,
    storing::{bounded, token},
    version::raised,
};
use crate::{
    command::{Command, Expiry, Set},
    envelope::{Draft, Header, Kind},
    error::{Error, ErrorKind, Result},
    journal::Subject,
    key::Key,
    ttl::Ttl,
};

impl Cache {
    /// Writes a mark over entries that nothing that was loaded before may replace. Says whether Redis has confirmed it.
    pub(super) async fn remove_all(&self, entries: Vec<Key>) -> bool {
        if entries.is_empty() {
            return true;
        }
        entries.iter().for_each(|entry| self.space.flights.overtake(entry));
        let ttl = bounded(self.policy.memory_of_removal());
        let marks: Vec<(Key, Bytes)> = entries.iter().map(|entry| (entry.clone(), removed())).collect();
        let sent = self.service.string().set_many(marks).ttl(ttl.as_duration()).await;
        // What was sent overtakes what could not be sent before; what was not is noted anew.
        entries.iter().for_each(|entry| self.forget_removal(entry));
        self.settled(sent.map(drop), || {
            entries.iter().filter_map(|entry| self.removal(entry, ttl)).collect()
        })
    }

    /// Raises the versions of tags. Says whether Redis has confirmed it.
    pub(super) async fn raise_tags(&self, tags: Vec<Key>) -> bool {
        if tags.is_empty() {
            return true;
        }
        self.space.flights.overtake_all();
        let ttl = self.life_of_versions();
        let raises: Vec<(Key, Bytes)> = tags.iter().map(|tag| (tag.clone(), raised(token(), ttl))).collect();
        let sent = self.service.string().set_many(raises).ttl(ttl.as_duration()).await;
        self.settled(sent.map(drop), || {
            let pair = |tag: &Key| {
                let key = self.service.road().prefix().key(tag.clone()).ok()?;
                Some((Subject::Tag(key), Some(self.set(tag, raised(token(), ttl), ttl)?)))
            };
            tags.iter().filter_map(pair).collect()
        })
    }

    /// Removes the entries whose keys match. Says how many, or that it could not.
    pub(super) async fn remove_pattern(&self, pattern: &str) -> Option<u64> {
        self.space.flights.overtake_all();
        let whole = self.space.pattern(pattern);
        let removed = self.service.keys().delete_pattern(whole.as_str()).await;
        let count = removed.as_ref().ok().copied();
        self.settled(removed.map(drop), || {
            let pattern = self.service.road().prefix().pattern(whole.as_bytes());
            vec![(Subject::Pattern(pattern), None)]
        });
        count
    }

    /// Raises the version of the namespace. Says whether Redis has confirmed it.
    pub(super) async fn raise_epoch(&self) -> bool {
        self.space.flights.overtake_all();
        let sent = self.raise().await;
        self.settled(sent, || vec![(Subject::All, self.raising())])
    }

    /// Declares an entry stale. What cannot be sent becomes a removal, which is more, and never less.
    pub(super) async fn declare_stale(&self, entry: Key) -> bool {
        self.space.flights.overtake(&entry);
        let ttl = bounded(self.policy.memory_of_removal());
        match self.service.entries().expire(entry.clone(), token()).await {
            Ok(was_there) => was_there,
            Err(error) => self.settled(Err(error), || self.removal(&entry, ttl).into_iter().collect()),
        }
    }

    /// Removes an entry as soon as possible, and for this process at once.
    pub(super) fn remove_later(&self, entry: &Key) {
        let ttl = bounded(self.policy.memory_of_removal());
        let unsent = Error::new(ErrorKind::Unavailable, "its caller has gone").unsent();
        self.settled(Err(unsent), || self.removal(entry, ttl).into_iter().collect());
    }

    /// Notes that what is at this key is newer than what was to be removed.
    pub(super) fn forget_removal(&self, entry: &Key) {
        let journal = self.service.road().journal();
        if !journal.is_empty()
            && let Some(subject) = self.subject(entry)
        {
            journal.forget(&self.space.name, &subject);
        }
    }

    /// Says whether it was sent; otherwise it is noted.
    fn settled(&self, sent: Result<()>, subjects: impl FnOnce() -> Vec<(Subject, Option<Command>)>) -> bool {
        let Err(error) = sent else { return true };
        if matches!(error.kind(), ErrorKind::Disabled | ErrorKind::InvalidArgument) {
            return false;
        }
        let road = self.service.road();
        let subjects = subjects();
        self.space.counters.journaled.add(subjects.len() as u64);
        tracing::debug!(%error, count = subjects.len(), "invalidations wait until Redis is back");
        for (subject, command) in subjects {
            road.journal()
                .note(&self.space.name, subject, command, || self.raising());
        }
        road.replay_soon();
        false
    }

    /// Says whether an invalidation of this entry waits to be sent.
    pub(super) fn is_invalidated(&self, entry: &Key) -> bool {
        let road = self.service.road();
        if road.journal().is_empty() {
            return false;
        }
        let key = road.prefix().key(entry.clone());
        key.is_ok_and(|key| road.journal().covers_key(&self.space.name, &key))
    }

    /// Says whether an invalidation of one of an entry's tags waits to be sent.
    pub(super) fn is_tag_invalidated(&self, header: &Header) -> bool {
        let road = self.service.road();
        if road.journal().is_empty() {
            return false;
        }
        let is_invalidated = |tag: &Bytes| {
            let key = road.prefix().key(self.space.tag(tag));
            key.is_ok_and(|key| road.journal().covers_tag(&self.space.name, &key))
        };
        header.tags.iter().any(|(tag, _)| is_invalidated(tag))
    }

    /// Sees to it that what waits is sent, as far as that is this cache's: the road sends what is a single command.
    pub(super) fn settle_journal(&self) {
        let road = self.service.road();
        if road.journal().is_empty() {
            return;
        }
        road.replay_soon();
        let is_ours = |name: &Arc<str>| *name == self.space.name;
        let waits = road
            .journal()
            .unsendable()
            .iter()
            .any(|pending| is_ours(&pending.space));
        if waits && !self.space.is_settling.swap(true, Ordering::AcqRel) {
            let settling = Settling(self.clone());
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                drop(runtime.spawn(settling.work()));
            }
        }
    }

    async fn raise(&self) -> Result<()> {
        let ttl = self.life_of_versions();
        let raises: Vec<(Key, Bytes)> = self.epochs().map(|key| (key, raised(token(), ttl))).collect();
        let set = self.service.string().set_many(raises).ttl(ttl.as_duration());
        set.await.map(drop)
    }

    /// Returns the command that raises the version of the namespace, where it is one.
    fn raising(&self) -> Option<Command> {
        let mut epochs = self.epochs();
        let (only, more) = (epochs.next()?, epochs.next());
        let ttl = self.life_of_versions();
        more.is_none()
            .then(|| self.set(&only, raised(token(), ttl), ttl))
            .flatten()
    }

    /// Returns all keys of the namespace's version: in a cluster one in each slot.
    fn epochs(&self) -> impl Iterator<Item = Key> {
        let tags = self.service.road().slot_tags();
        let only = tags.is_empty().then_some(None);
        only.into_iter()
            .chain(tags.iter().copied().map(Some))
            .map(|tag| self.space.epoch(tag))
    }

    fn removal(&self, entry: &Key, ttl: Ttl) -> Option<(Subject, Option<Command>)> {
        Some((self.subject(entry)?, Some(self.set(entry, removed(), ttl)?)))
    }

    fn subject(&self, entry: &Key) -> Option<Subject> {
        let key = self.service.road().prefix().key(entry.clone()).ok()?;
        Some(Subject::Key(key))
    }

    fn set(&self, key: &Key, value: Bytes, ttl: Ttl) -> Option<Command> {
        Some(Command::Set(Set {
            key: self.service.road().prefix().key(key.clone()).ok()?,
            value,
            expiry: Expiry::In(ttl),
            condition: None,
            returns_old: false,
        }))
    }
}

/// Sends what the road cannot, until nothing of it is left.
struct Settling(Cache);

impl Settling {
    async fn work(self) {
        let Self(cache) = &self;
        let road = cache.service.road();
        let mut pause = FIRST_PAUSE;
        loop {
            let pending = road.journal().unsendable();
            let ours: Vec<_> = pending
                .into_iter()
                .filter(|pending| pending.space == cache.space.name)
                .collect();
            if ours.is_empty() {
                return;
            }
            for pending in ours {
                let sent = match &pending.subject {
                    Subject::Pattern(pattern) => {
                        let pattern = road.prefix().pattern_taken_off(pattern);
                        let pattern = pattern.as_str().unwrap_or("*").to_owned();
                        cache.service.keys().delete_pattern(pattern).await.map(drop)
                    }
                    _ => cache.raise().await,
                };
                if sent.is_ok() {
                    road.journal().done(&pending);
                    pause = FIRST_PAUSE;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
const LAST_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

impl Drop for Settling {
    fn drop(&mut self) {
        self.0.space.is_settling.store(false, Ordering::Release);
    }
}

/// What stands for something that was removed.
fn removed() -> Bytes {
    Draft::bare(Kind::Removed, token()).write(0).into()
}
