//! Invalidation: of one entry, of all that have a tag, of those that match a pattern, of all. What cannot be sent is kept in the journal, and holds here until it is.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Cache,
    policy::bounded,
    version::{raised, token},
};
use crate::{
    command::{Command, Expiry, Set},
    envelope::{Draft, Header, Kind},
    error::{Error, ErrorKind, Result},
    journal::Subject,
    key::{IntoKeys, Key},
    ttl::Ttl,
};

/// Invalidation. What cannot be sent is kept, and holds for this process at once; see [`Cache`].
impl Cache {
    /// Removes one entry or any list of entries, and says whether Redis has confirmed it. One round trip. `false` in an outage; it is made up for when Redis is back.
    ///
    /// A mark stays in its place for as long as a load may take, so that nothing that was loaded before is stored.
    pub async fn remove(&self, keys: impl IntoKeys) -> bool {
        let entries = keys.into_keys().iter().map(|key| self.space.entry(key)).collect();
        self.remove_all(entries).await
    }

    /// Declares an entry stale, and says whether there was one: it is loaded anew when it is asked for, and until then served where a stale one may be. One round trip. In an outage it is
    /// removed, as [`remove`](Self::remove) does.
    pub async fn expire(&self, key: impl Into<Key>) -> bool {
        let entry = self.space.entry(&key.into());
        self.space.flights.overtake(&entry);
        let ttl = bounded(self.policy.memory_of_removal());
        let owed = Owed::by(self, || self.removal(&entry, ttl).into_iter().collect());
        let expired = self
            .service
            .entries()
            .expire(entry.clone(), token(), removed(), ttl)
            .await;
        if matches!(&expired, Err(error) if error.kind() == ErrorKind::Auth) {
            // It takes a script, which not every account may run.
            return owed.settle(self.write_over(vec![(entry.clone(), removed())], ttl).await);
        }
        let was_there = matches!(expired, Ok(true));
        owed.settle(expired.map(drop)) && was_there
    }

    /// Invalidates all entries of this cache's name that have a tag, however many there are, by writing one key. Says whether Redis has confirmed it. One round trip.
    pub async fn invalidate_tag(&self, tag: impl AsRef<str>) -> bool {
        self.invalidate_tags([tag]).await
    }

    /// Invalidates all entries that have any of these tags. One round trip (to each node of a cluster).
    pub async fn invalidate_tags<S: AsRef<str>>(&self, tags: impl IntoIterator<Item = S>) -> bool {
        let tag = |tag: S| self.space.tag(tag.as_ref().as_bytes());
        let tags: Vec<Key> = tags.into_iter().map(tag).collect();
        if tags.is_empty() {
            return true;
        }
        self.space.flights.overtake_all();
        let ttl = self.life_of_versions(Duration::ZERO);
        let raises: Vec<(Key, Bytes)> = tags.iter().map(|tag| (tag.clone(), raised(token(), ttl))).collect();
        let pair = |tag: &Key| {
            let key = self.service.road().prefix().key(tag.clone()).ok()?;
            Some((Subject::Tag(key), Some(self.set(tag, raised(token(), ttl), ttl)?)))
        };
        let owed = Owed::by(self, || tags.iter().filter_map(pair).collect());
        let sent = self.write_over(raises, ttl).await;
        owed.settle(sent)
    }

    /// Removes the entries whose keys match a pattern as Redis matches it, page by page (`SCAN` and `UNLINK`), and returns how many there were; `None` if Redis did not
    /// answer to the end. It takes time with the number of all keys: tags are better, where they can be known.
    ///
    /// What another process is loading meanwhile may still be stored.
    pub async fn remove_matching(&self, pattern: impl AsRef<str>) -> Option<u64> {
        self.space.flights.overtake_all();
        let whole = self.space.pattern(pattern.as_ref());
        let owed = Owed::by(self, || {
            let pattern = self.service.road().prefix().pattern(whole.as_bytes());
            vec![(Subject::Pattern(pattern), None)]
        });
        let removed = self.service.keys().delete_pattern(whole.as_str()).await;
        let count = removed.as_ref().ok().copied();
        owed.settle(removed.map(drop));
        count
    }

    /// Invalidates all entries of this cache's name, however many there are, by writing one key (in a cluster one for each slot). Says whether Redis has confirmed it.
    pub async fn clear(&self) -> bool {
        self.space.flights.overtake_all();
        let owed = Owed::by(self, || vec![(Subject::All, self.raising())]);
        let sent = self.raise().await;
        owed.settle(sent)
    }
}

impl Cache {
    /// Writes a mark over entries that nothing that was loaded before may replace. Says whether Redis has confirmed it.
    pub(super) async fn remove_all(&self, entries: Vec<Key>) -> bool {
        if entries.is_empty() {
            return true;
        }
        entries.iter().for_each(|entry| self.space.flights.overtake(entry));
        let ttl = bounded(self.policy.memory_of_removal());
        let marks: Vec<(Key, Bytes)> = entries.iter().map(|entry| (entry.clone(), removed())).collect();
        let owed = Owed::by(self, || {
            entries.iter().filter_map(|entry| self.removal(entry, ttl)).collect()
        });
        let sent = self.write_over(marks, ttl).await;
        if sent.is_ok() {
            // It overtakes what could not be sent before. What could not be sent now either is noted anew, and waits without a gap.
            entries.iter().for_each(|entry| self.forget_removal(entry));
        }
        owed.settle(sent)
    }

    /// Removes an entry as soon as possible, and for this process at once.
    pub(super) fn remove_later(&self, entry: &Key) {
        let ttl = bounded(self.policy.memory_of_removal());
        drop(Owed::by(self, || self.removal(entry, ttl).into_iter().collect()));
    }

    /// Notes that what is at this key is newer than what was to be removed.
    pub(super) fn forget_removal(&self, entry: &Key) {
        let journal = self.service.road().journal();
        if !journal.is_empty()
            && let Some(subject) = self.subject(entry)
        {
            journal.forget(&self.space.journal, &subject);
        }
    }

    /// Says whether it was sent; otherwise it is noted.
    fn settled(&self, sent: Result<()>, subjects: impl FnOnce() -> Vec<(Subject, Option<Command>)>) -> bool {
        let Err(error) = sent else { return true };
        if self.service.road().is_disabled() || error.kind() == ErrorKind::InvalidArgument {
            return false;
        }
        let road = self.service.road();
        let subjects = subjects();
        self.space.counters.journaled.add(subjects.len() as u64);
        tracing::debug!(%error, count = subjects.len(), "invalidations wait until Redis is back");
        for (subject, command) in subjects {
            road.journal()
                .note(&self.space.journal, subject, command, || self.raising());
        }
        self.settle_journal();
        false
    }

    /// Says whether an invalidation of this entry waits to be sent.
    pub(super) fn is_invalidated(&self, entry: &Key) -> bool {
        let road = self.service.road();
        if road.journal().is_empty() {
            return false;
        }
        let key = road.prefix().key(entry.clone());
        key.is_ok_and(|key| road.journal().covers_key(&self.space.journal, &key))
    }

    /// Says whether an invalidation of one of an entry's tags waits to be sent.
    pub(super) fn is_tag_invalidated(&self, header: &Header) -> bool {
        self.is_any_invalidated(header.tags.iter().map(|(tag, _)| tag))
    }

    /// Says whether an invalidation of one of these tags waits to be sent.
    pub(super) fn is_any_invalidated<'t>(&self, mut tags: impl Iterator<Item = &'t Bytes>) -> bool {
        let road = self.service.road();
        if road.journal().is_empty() {
            return false;
        }
        let is_invalidated = |tag: &Bytes| {
            let key = road.prefix().key(self.space.tag(tag));
            key.is_ok_and(|key| road.journal().covers_tag(&self.space.journal, &key))
        };
        tags.any(is_invalidated)
    }

    pub(super) async fn raise(&self) -> Result<()> {
        let ttl = self.life_of_versions(Duration::ZERO);
        let raises: Vec<(Key, Bytes)> = self.epochs().map(|key| (key, raised(token(), ttl))).collect();
        self.write_over(raises, ttl).await
    }

    /// Writes whatever is there. What is one key needs no script, which an account may not be permitted to run.
    async fn write_over(&self, mut pairs: Vec<(Key, Bytes)>, ttl: Ttl) -> Result<()> {
        let (strings, ttl) = (self.service.string(), ttl.as_duration());
        match (pairs.pop(), pairs.is_empty()) {
            (Some((key, value)), true) => strings.set(key, value).ttl(ttl).await.map(drop),
            (last, _) => {
                pairs.extend(last);
                strings.set_many(pairs).ttl(ttl).await.map(drop)
            }
        }
    }

    /// Returns the command that raises the version of the namespace, where it is one.
    fn raising(&self) -> Option<Command> {
        let mut epochs = self.epochs();
        let (only, more) = (epochs.next()?, epochs.next());
        let ttl = self.life_of_versions(Duration::ZERO);
        more.is_none()
            .then(|| self.set(&only, raised(token(), ttl), ttl))
            .flatten()
    }

    /// Returns all keys of the namespace's version: in a cluster one in each slot.
    fn epochs(&self) -> impl Iterator<Item = Key> {
        let tags = self.service.road().slot_tags();
        let only = tags.is_empty().then(|| self.space.epoch.clone());
        only.into_iter().chain(tags.iter().map(|tag| self.space.epoch_in(*tag)))
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

/// An invalidation that is being sent. Dropped before it was it is noted: nobody knows whether it was.
struct Owed<'a, F: FnOnce() -> Vec<(Subject, Option<Command>)>> {
    cache: &'a Cache,
    subjects: Option<F>,
}

impl<'a, F: FnOnce() -> Vec<(Subject, Option<Command>)>> Owed<'a, F> {
    fn by(cache: &'a Cache, subjects: F) -> Self {
        let subjects = Some(subjects);
        Self { cache, subjects }
    }

    /// Says whether it was sent; otherwise it is noted.
    fn settle(mut self, sent: Result<()>) -> bool {
        let subjects = self.subjects.take();
        subjects.is_some_and(|subjects| self.cache.settled(sent, subjects))
    }
}

impl<F: FnOnce() -> Vec<(Subject, Option<Command>)>> Drop for Owed<'_, F> {
    fn drop(&mut self) {
        if let Some(subjects) = self.subjects.take() {
            let unsent = Error::new(ErrorKind::Unavailable, "its caller has gone").unsent();
            self.cache.settled(Err(unsent), subjects);
        }
    }
}

/// What stands for something that was removed.
fn removed() -> Bytes {
    Draft::bare(Kind::Removed, token()).write(0).into()
}
