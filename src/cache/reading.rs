//! What is in the cache: an entry and the versions that it depends on, in one round trip.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use foldhash::fast::RandomState;

use super::{
    Cache,
    freshness::{self, Freshness},
    tasks::aside,
    version::Version,
};
use crate::{
    command::{Seen, VersionedKeys, VersionedValue, version_id},
    envelope::{Header, Kind, SEALED, Unreadable, header::Id},
    error::{ErrorKind, Result},
    key::Key,
    reply::Reply,
};

/// Where something is kept.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The entry's key.
    pub(super) entry: Key,
    /// The key of its namespace's version, where that is not the same for all entries.
    epoch: Option<Key>,
}

/// What a read has seen.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// When it was begun.
    pub(super) began: Instant,
    /// What is at the key; `None` if that is not known: then nothing may be stored.
    pub(super) seen: Option<Seen>,
    /// It stands for nothing but a lease.
    is_awaited: bool,
    pub(super) epoch: Version,
    /// Versions of tags, as far as they were asked for.
    pub(super) tags: Vec<(Bytes, Version)>,
    /// What is of use.
    pub(super) entry: Option<Entry>,
}

/// An entry that all versions agree with, and that may be served somehow.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) header: Header,
    /// Unpacked.
    pub(super) body: Bytes,
    pub(super) freshness: Freshness,
    /// When it was read.
    pub(super) age: Duration,
}

/// What a load began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Basis {
    schema: u32,
    content: Option<Seen>,
    epoch: Version,
    tags: Vec<(Bytes, Version)>,
}

/// What was at the key of an entry.
#[derive(Debug)]
enum Found {
    Nothing,
    Envelope(Header, Bytes),
    Unreadable(Unreadable, Bytes),
}

/// The keys of one read: entries, and then what they depend on, each once.
#[derive(Debug, Default)]
struct Question {
    keys: Vec<Key>,
    places: HashMap<Key, usize, RandomState>,
}

/// What is read for one place.
#[derive(Debug)]
struct Glance {
    tags: Vec<Bytes>,
    /// Where the keys stand: the entry's, that of its namespace's version, those of the tags.
    keys: Vec<usize>,
    is_invalidated: bool,
}

impl Sight {
    /// What is known if nobody answers.
    pub(super) fn nothing(began: Instant) -> Self {
        Self {
            began,
            seen: None,
            is_awaited: false,
            epoch: Version::Absent,
            tags: Vec::new(),
            entry: None,
        }
    }

    /// Returns what a load depends on that begins now.
    pub(super) fn basis(&self, schema: u32) -> Basis {
        Basis {
            schema,
            content: match self.seen {
                // Somebody loads, which is nothing yet.
                Some(Seen::Content(_)) if self.is_awaited => Some(Seen::Nothing),
                seen => seen,
            },
            epoch: self.epoch,
            tags: self.tags.clone(),
        }
    }

    /// Returns the version of a tag, if it was asked for.
    pub(super) fn version_of(&self, tag: &[u8]) -> Option<Version> {
        let (_, version) = self.tags.iter().find(|(name, _)| name == tag)?;
        Some(*version)
    }

    /// Returns the identity of what is at the key.
    pub(super) fn id(&self) -> Option<Id> {
        match self.seen {
            Some(Seen::Content(id)) => Some(id),
            Some(Seen::Nothing | Seen::Lease(_)) | None => None,
        }
    }
}

impl Basis {
    /// Says whether a load that began with this is one of what is seen now: nothing was stored, removed or invalidated in between.
    pub(super) fn is_that_of(&self, other: &Self) -> bool {
        let tags = self.tags.iter();
        let pairs = tags.filter_map(|(tag, before)| {
            let (_, now) = other.tags.iter().find(|(name, _)| name == tag)?;
            Some((*before, *now))
        });
        self.schema == other.schema
            && self.content == other.content
            && self.epoch.has_held(other.epoch)
            && pairs.into_iter().all(|(before, now)| before.has_held(now))
    }
}

impl Question {
    /// Returns where a key stands, which is put to the others if it does not yet.
    fn place(&mut self, key: Key) -> usize {
        *self.places.entry(key).or_insert_with_key(|key| {
            self.keys.push(key.clone());
            self.keys.len() - 1
        })
    }
}

impl Cache {
    pub(super) fn place(&self, key: &Key) -> Place {
        let entry = self.space.entry(key);
        Place {
            epoch: self.service.road().slot_tag(&entry).map(|tag| self.space.epoch_in(tag)),
            entry,
        }
    }

    /// Returns the key of the version of an entry's namespace.
    pub(super) fn epoch<'a>(&'a self, place: &'a Place) -> &'a Key {
        place.epoch.as_ref().unwrap_or(&self.space.epoch)
    }

    /// Reads an entry. One round trip; a second one if its loader gave it tags that this process does not know of.
    pub(super) async fn look(&self, place: &Place) -> Sight {
        let mut sight = Sight::nothing(Instant::now());
        self.look_into(place, &mut sight).await;
        sight
    }

    /// The same, where it will be looked at: what is seen is large, and most of what is done for a hit would be to move it about. What few reads need is in boxes.
    pub(super) async fn look_into(&self, place: &Place, sight: &mut Sight) {
        let tags = self.tags_of(place);
        // In a cluster tags are wherever their slots are.
        let are_together = tags.is_empty() || place.epoch.is_none();
        if !self.clock().is_set() || !are_together {
            let sights = Box::pin(self.look_many(std::slice::from_ref(place))).await;
            sights.into_iter().for_each(|seen| *sight = seen);
            return;
        }
        let began = sight.began;
        self.settle_journal();
        let is_invalidated = self.is_invalidated(&place.entry) || self.is_any_invalidated(tags.iter());
        let tag_keys: Vec<Key> = tags.iter().map(|tag| self.space.tag(tag)).collect();
        let keys = VersionedKeys {
            value: &place.entry,
            version: self.epoch(place),
            more: &tag_keys,
        };
        let read = match self.service.near_versioned(began, &keys) {
            Some(known) => Some(known),
            None if self.service.road().has_near() => Box::pin(self.read_for_near(keys, began)).await.ok(),
            None => {
                self.keep_time(began);
                let answer = self.service.entries().read(&keys).await.ok().flatten();
                answer.and_then(|answer| VersionedValue::read(answer, tags.len()))
            }
        };
        let Some(read) = read else { return };
        match self.see(place, sight, read, tags, is_invalidated) {
            Found::Envelope(header, envelope) if !header.tags.is_empty() => {
                Box::pin(self.look_on(place, sight, Found::Envelope(header, envelope))).await;
            }
            found => {
                if let Some(unreadable) = self.open(place, sight, found) {
                    Box::pin(self.discard(place, sight, unreadable)).await;
                }
            }
        }
    }

    /// Goes on with an entry that has tags.
    async fn look_on(&self, place: &Place, sight: &mut Sight, found: Found) {
        let mut seen = [(sight, found)];
        self.look_at_tags(std::slice::from_ref(place), &mut seen).await;
        let [(sight, found)] = seen;
        self.examine(place, sight, found).await;
    }

    /// Reads entries, each by itself, in their order. One round trip (to each node of a cluster), or two.
    pub(super) async fn look_many(&self, places: &[Place]) -> Vec<Sight> {
        let began = Instant::now();
        self.settle_journal();
        let mut question = Question::default();
        question.keys.reserve(places.len() + 1 + self.tags.len());
        question.keys.extend(places.iter().map(|place| place.entry.clone()));
        let glance = |(at, place)| self.glance(place, at, &mut question);
        let glances: Vec<Glance> = places.iter().enumerate().map(glance).collect();
        let Ok(answers) = self.read_many(question.keys, began).await else {
            return places.iter().map(|_| Sight::nothing(began)).collect();
        };
        let see = |(place, glance): (&Place, Glance)| {
            let found = glance.keys.iter().map(|at| answers.get(*at)?.as_ref());
            let mut sight = Sight::nothing(began);
            let found = match versioned(found) {
                Ok(read) => self.see(place, &mut sight, read, glance.tags, glance.is_invalidated),
                Err(_unknown) => Found::Nothing,
            };
            (sight, found)
        };
        let (mut sights, found): (Vec<_>, Vec<_>) = places.iter().zip(glances).map(see).unzip();
        let mut seen: Vec<_> = sights.iter_mut().zip(found).collect();
        self.look_at_tags(places, &mut seen).await;
        for (place, (sight, found)) in places.iter().zip(seen) {
            self.examine(place, sight, found).await;
        }
        sights
    }

    /// Says what is to be asked beside an entry, whose key has a place already.
    fn glance(&self, place: &Place, at: usize, question: &mut Question) -> Glance {
        let tags = self.tags_of(place);
        let mut keys = vec![at, question.place(self.epoch(place).clone())];
        keys.extend(tags.iter().map(|tag| question.place(self.space.tag(tag))));
        Glance {
            keys,
            is_invalidated: self.is_invalidated(&place.entry) || self.is_any_invalidated(tags.iter()),
            tags,
        }
    }

    /// Returns the tags that an entry probably has: those of the cache, and those that loaders gave it as far as this process knows.
    fn tags_of(&self, place: &Place) -> Vec<Bytes> {
        let remembered = self.space.tags_of(&place.entry);
        if self.tags.is_empty() && remembered.is_none() {
            return Vec::new();
        }
        let mut tags = self.tags.to_vec();
        for tag in remembered.iter().flat_map(|tags| tags.iter()) {
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        tags
    }

    /// Asks Redis for an entry with its versions. The near cache learns them by their keys.
    async fn read_for_near(&self, keys: VersionedKeys<'_>, now: Instant) -> Result<VersionedValue> {
        self.keep_time(now);
        let keys: Vec<Key> = keys.iter().cloned().collect();
        let found: Vec<Option<Reply>> = self.service.string().get_many(keys).await?;
        versioned(found.iter().map(Option::as_ref))
    }

    /// Asks the near cache, or Redis, for many keys.
    async fn read_many(&self, keys: Vec<Key>, now: Instant) -> Result<Vec<Option<Reply>>> {
        if let Some(near) = self.service.near_values(&keys) {
            return Ok(near);
        }
        let read = self.service.string().get_many(keys);
        if self.clock().is_set() {
            self.keep_time(now);
            return read.await;
        }
        let set_clock = async {
            if self.clock().is_due(now) {
                self.set_clock().await;
            }
        };
        let (answers, ()) = Box::pin(async { tokio::join!(read.into_future(), set_clock) }).await;
        answers
    }

    /// Asks the server for its time in the background, now and then.
    fn keep_time(&self, now: Instant) {
        if self.clock().is_due(now) {
            let cache = self.clone();
            aside(async move { cache.set_clock().await });
        }
    }

    /// Puts together what was read for one place. What was found is not looked at yet. An invalidation that waited when it was asked for may have been sent meanwhile,
    /// and wait no more: but the answer may be older.
    fn see(
        &self,
        place: &Place,
        sight: &mut Sight,
        read: VersionedValue,
        tags: Vec<Bytes>,
        is_invalidated: bool,
    ) -> Found {
        sight.epoch = read.version.into();
        if !tags.is_empty() {
            sight.tags = tags.into_iter().zip(read.more.into_iter().map(Version::from)).collect();
        }
        if is_invalidated || self.is_invalidated(&place.entry) {
            return Found::Nothing;
        }
        sight.seen = Some(Seen::Nothing);
        let Some(envelope) = read.value else {
            return Found::Nothing;
        };
        match Header::read(&envelope) {
            Ok(header) => {
                sight.seen = Some(Seen::Content(header.id));
                sight.is_awaited = header.kind == Kind::Awaited;
                Found::Envelope(header, envelope)
            }
            Err(unreadable) => Found::Unreadable(unreadable, envelope),
        }
    }

    /// Asks for the versions of tags that entries have, and that were not asked for with them.
    async fn look_at_tags(&self, places: &[Place], seen: &mut [(&mut Sight, Found)]) {
        let mut question = Question::default();
        let mut wanted = Vec::new();
        for (at, (sight, found)) in seen.iter_mut().enumerate() {
            let Found::Envelope(header, _) = found else { continue };
            // As before the first question: what waits now may be sent while this one is answered.
            if self.is_tag_invalidated(header) {
                *found = Found::Nothing;
                continue;
            }
            let unknown = header.tags.iter().filter(|(tag, _)| sight.version_of(tag).is_none());
            for (tag, _) in unknown {
                wanted.push((at, tag.clone(), question.place(self.space.tag(tag))));
            }
            if let (Some((last, ..)), Some(place)) = (wanted.last(), places.get(at))
                && *last == at
            {
                let tags = header.tags.iter().map(|(tag, _)| tag.clone());
                self.space.remember_tags(&place.entry, tags.collect());
            }
        }
        if wanted.is_empty() {
            return;
        }
        let answers = self.service.string().get_many::<Reply>(question.keys).await;
        let answers = answers.unwrap_or_default();
        for (at, tag, place) in wanted {
            let Some((sight, _)) = seen.get_mut(at) else { continue };
            match answers.get(place) {
                Some(Some(Reply::Bytes(bytes))) => sight.tags.push((tag, Version::read(Some(bytes)))),
                Some(None) => sight.tags.push((tag, Version::Absent)),
                // Not known: without it the entry is of no use.
                _ => {}
            }
        }
    }

    /// Opens what was found, if it is of use. What cannot be read is removed.
    async fn examine(&self, place: &Place, sight: &mut Sight, found: Found) {
        if let Some(unreadable) = self.open(place, sight, found) {
            self.discard(place, sight, unreadable).await;
        }
    }

    /// Opens what was found, if it is of use. Returns what nobody can read.
    fn open(&self, place: &Place, sight: &mut Sight, found: Found) -> Option<Bytes> {
        let (unreadable, envelope) = match found {
            Found::Nothing => return None,
            Found::Unreadable(unreadable, envelope) => (unreadable, envelope),
            Found::Envelope(header, envelope) => self.enter(place, sight, header, envelope).err()?,
        };
        self.space.counters.unreadable.add(1);
        tracing::debug!(
            ?unreadable,
            "what is at the key of an entry cannot be read, and is removed"
        );
        Some(envelope)
    }

    /// Enters what was found, if all versions agree with it and it may be served somehow.
    ///
    /// # Errors
    ///
    /// - What nobody can read, and why.
    fn enter(
        &self,
        place: &Place,
        sight: &mut Sight,
        header: Header,
        mut envelope: Bytes,
    ) -> Result<(), (Unreadable, Bytes)> {
        if !matches!(header.kind, Kind::Value | Kind::NotFound) {
            return Ok(());
        }
        if header.schema != self.policy.schema {
            return Err((Unreadable::Foreign, envelope));
        }
        let is_of_version = |(tag, id): &(Bytes, Id)| sight.version_of(tag) == Some(Version::Present(*id));
        let are_valid = sight.epoch == Version::Present(header.epoch) && header.tags.iter().all(is_of_version);
        let now = self.clock().at(sight.began);
        let freshness = freshness::of(&header, &self.policy, now);
        if !are_valid || freshness == Freshness::Expired || self.is_tag_invalidated(&header) {
            return Ok(());
        }
        let body = match self.unpack(place, &header, &envelope) {
            Ok(Some(unpacked)) => unpacked,
            Ok(None) => {
                // No slice, whose owners would be counted in memory of its own.
                envelope.advance(header.body);
                envelope
            }
            // By a key that this process does not know yet, or no more: others may.
            Err(Unreadable::Foreign) if header.sealing == SEALED => {
                self.space.counters.unreadable.add(1);
                return Ok(());
            }
            Err(unreadable) => return Err((unreadable, envelope)),
        };
        sight.entry = Some(Entry {
            age: freshness::age(&header, now),
            header,
            body,
            freshness,
        });
        Ok(())
    }

    /// Removes what nobody can read, if it is still there.
    async fn discard(&self, place: &Place, sight: &mut Sight, unreadable: Bytes) {
        let strings = self.service.string();
        let removal = strings.compare_and_set(place.entry.clone(), (Some(unreadable), None), None);
        sight.seen = removal.await.is_ok_and(|is_gone| is_gone).then_some(Seen::Nothing);
    }
}

/// Puts a value and its versions together of what was found at each of their keys.
///
/// # Errors
///
/// - Something of it is not known: its node does not answer.
fn versioned<'a>(found: impl Iterator<Item = Option<&'a Reply>>) -> Result<VersionedValue> {
    let bytes = |found: Option<&'a Reply>| match found {
        Some(Reply::Bytes(bytes)) => Ok(Some(bytes)),
        // What is of another type is nothing of ours.
        Some(Reply::Error(error)) if error.kind() != ErrorKind::WrongType => Err(error.clone()),
        _ => Ok(None),
    };
    let mut found = found.map(bytes);
    let value = found.next().transpose()?.flatten().cloned();
    let mut versions = found.map(|bytes| Ok(bytes?.and_then(|bytes| version_id(bytes))));
    Ok(VersionedValue {
        value,
        version: versions.next().transpose()?.flatten(),
        more: versions.collect::<Result<_>>()?,
    })
}
