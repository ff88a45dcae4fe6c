//! What is in the cache: an entry and the versions that it depends on, in one round trip.

use std::{collections::HashMap, time::Instant};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::{
    Cache,
    freshness::{self, Freshness},
    tasks::aside,
    version::Version,
};
use crate::{
    command::Seen,
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
    /// The key of its namespace's version.
    pub(super) epoch: Key,
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
    epoch: usize,
    tags: Vec<(Bytes, usize)>,
    /// An invalidation waits. It may be sent while this is read, and then waits no more: but the answer may be older.
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
            epoch: self.space.epoch(self.service.road().slot_tag(&entry)),
            entry,
        }
    }

    /// Reads an entry. One round trip; a second one if its loader gave it tags that this process does not know of.
    pub(super) async fn look(&self, place: &Place) -> Sight {
        let is_plain = self.tags.is_empty() && self.clock().is_set() && self.service.road().journal().is_empty();
        if !is_plain || self.space.has_tags(&place.entry) {
            // In a box: few reads need it.
            let sights = Box::pin(self.look_many(std::slice::from_ref(place))).await;
            let mut sights = sights.into_iter();
            return sights.next().unwrap_or_else(|| Sight::nothing(Instant::now()));
        }
        let began = Instant::now();
        let keys = vec![place.entry.clone(), place.epoch.clone()];
        let glance = Glance {
            epoch: 1,
            tags: Vec::new(),
            is_invalidated: false,
        };
        let Ok(answers) = self.ask(keys, began).await else {
            return Sight::nothing(began);
        };
        match self.see(place, &glance, 0, &answers, began) {
            Ok((sight, Found::Envelope(header, envelope))) if !header.tags.is_empty() => {
                let seen = (sight, Found::Envelope(header, envelope));
                Box::pin(self.look_on(place, seen)).await
            }
            Ok((mut sight, found)) => match self.open(place, &mut sight, found, self.clock().now()) {
                None => sight,
                Some(unreadable) => Box::pin(self.discard(place, sight, unreadable)).await,
            },
            Err(_unknown) => Sight::nothing(began),
        }
    }

    /// Goes on with an entry that has tags.
    async fn look_on(&self, place: &Place, seen: (Sight, Found)) -> Sight {
        let mut seen = [seen];
        self.look_at_tags(std::slice::from_ref(place), &mut seen).await;
        let [(sight, found)] = seen;
        self.examine(place, sight, found, self.clock().now()).await
    }

    /// Reads entries, each by itself, in their order. One round trip (to each node of a cluster), or two.
    pub(super) async fn look_many(&self, places: &[Place]) -> Vec<Sight> {
        let began = Instant::now();
        self.settle_journal();
        let mut question = Question::default();
        question.keys.reserve(places.len() + 1 + self.tags.len());
        question.keys.extend(places.iter().map(|place| place.entry.clone()));
        let glances: Vec<Glance> = places.iter().map(|place| self.glance(place, &mut question)).collect();
        let Ok(answers) = self.ask(question.keys, began).await else {
            return places.iter().map(|_| Sight::nothing(began)).collect();
        };
        let see = |(at, (place, glance))| {
            let seen = self.see(place, glance, at, &answers, began);
            seen.unwrap_or_else(|_unknown| (Sight::nothing(began), Found::Nothing))
        };
        let mut seen: Vec<_> = places.iter().zip(&glances).enumerate().map(see).collect();
        self.look_at_tags(places, &mut seen).await;
        let now = self.clock().now();
        let mut sights = Vec::with_capacity(places.len());
        for (place, (sight, found)) in places.iter().zip(seen) {
            sights.push(self.examine(place, sight, found, now).await);
        }
        sights
    }

    /// Says what is to be asked beside an entry.
    fn glance(&self, place: &Place, question: &mut Question) -> Glance {
        let own = self.tags.iter().cloned();
        let remembered = self.space.tags_of(&place.entry);
        let remembered = remembered.iter().flat_map(|tags| tags.iter().cloned());
        let mut tags: Vec<(Bytes, usize)> = Vec::new();
        for tag in own.chain(remembered) {
            if !tags.iter().any(|(known, _)| *known == tag) {
                let at = question.place(self.space.tag(&tag));
                tags.push((tag, at));
            }
        }
        Glance {
            epoch: question.place(place.epoch.clone()),
            is_invalidated: self.is_invalidated(&place.entry)
                || self.is_any_invalidated(tags.iter().map(|(tag, _)| tag)),
            tags,
        }
    }

    /// Asks the near cache, or Redis.
    async fn ask(&self, keys: Vec<Key>, now: Instant) -> Result<Vec<Option<Reply>>> {
        if let Some(near) = self.service.near_values(&keys) {
            return Ok(near);
        }
        let read = self.service.string().get_many(keys);
        if !self.clock().is_due(now) {
            return read.await;
        }
        if self.clock().is_set() {
            let cache = self.clone();
            aside(async move { cache.set_clock().await });
            return read.await;
        }
        let (answers, ()) = Box::pin(async { tokio::join!(read.into_future(), self.set_clock()) }).await;
        answers
    }

    /// Puts together what was read for one place. What was found is not looked at yet.
    ///
    /// # Errors
    ///
    /// - Something of it is not known: its node does not answer.
    fn see(
        &self,
        place: &Place,
        glance: &Glance,
        at: usize,
        answers: &[Option<Reply>],
        began: Instant,
    ) -> Result<(Sight, Found)> {
        let bytes = |at: usize| match answers.get(at) {
            Some(Some(Reply::Bytes(bytes))) => Ok(Some(bytes)),
            // Of another type: nothing of ours.
            Some(Some(Reply::Error(error))) if error.kind() != ErrorKind::WrongType => Err(error.clone()),
            _ => Ok(None),
        };
        let version = |at: usize| bytes(at).map(|bytes| Version::read(bytes.map(|bytes| &bytes[..])));
        let tags = glance.tags.iter().map(|(tag, at)| Ok((tag.clone(), version(*at)?)));
        let mut sight = Sight {
            began,
            seen: Some(Seen::Nothing),
            is_awaited: false,
            epoch: version(glance.epoch)?,
            tags: tags.collect::<Result<_>>()?,
            entry: None,
        };
        if glance.is_invalidated || self.is_invalidated(&place.entry) {
            sight.seen = None;
            return Ok((sight, Found::Nothing));
        }
        let found = match bytes(at)? {
            None => Found::Nothing,
            Some(envelope) => match Header::read(envelope) {
                Ok(header) => {
                    sight.seen = Some(Seen::Content(header.id));
                    sight.is_awaited = header.kind == Kind::Awaited;
                    Found::Envelope(header, envelope.clone())
                }
                Err(unreadable) => Found::Unreadable(unreadable, envelope.clone()),
            },
        };
        Ok((sight, found))
    }

    /// Asks for the versions of tags that entries have, and that were not asked for with them.
    async fn look_at_tags(&self, places: &[Place], seen: &mut [(Sight, Found)]) {
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
    async fn examine(&self, place: &Place, mut sight: Sight, found: Found, now: i64) -> Sight {
        match self.open(place, &mut sight, found, now) {
            None => sight,
            Some(unreadable) => self.discard(place, sight, unreadable).await,
        }
    }

    /// Opens what was found, if it is of use. Returns what nobody can read.
    fn open(&self, place: &Place, sight: &mut Sight, found: Found, now: i64) -> Option<Bytes> {
        let (unreadable, envelope) = match found {
            Found::Nothing => return None,
            Found::Unreadable(unreadable, envelope) => (unreadable, envelope),
            Found::Envelope(header, envelope) => {
                let is_sealed = header.sealing == SEALED && header.schema == self.policy.schema;
                match self.entry(place, sight, header, &envelope, now) {
                    Ok(entry) => {
                        sight.entry = entry;
                        return None;
                    }
                    Err(Unreadable::Foreign) if is_sealed => {
                        // By a key that this process does not know yet, or no more: others may.
                        self.space.counters.unreadable.add(1);
                        return None;
                    }
                    Err(unreadable) => (unreadable, envelope),
                }
            }
        };
        self.space.counters.unreadable.add(1);
        tracing::debug!(
            ?unreadable,
            "what is at the key of an entry cannot be read, and is removed"
        );
        Some(envelope)
    }

    /// Removes what nobody can read, if it is still there.
    async fn discard(&self, place: &Place, mut sight: Sight, unreadable: Bytes) -> Sight {
        let strings = self.service.string();
        let removal = strings.compare_and_set(place.entry.clone(), (Some(unreadable), None), None);
        sight.seen = removal.await.is_ok_and(|is_gone| is_gone).then_some(Seen::Nothing);
        sight
    }

    /// Returns an entry, if all versions agree with it and it may be served somehow.
    fn entry(
        &self,
        place: &Place,
        sight: &Sight,
        header: Header,
        envelope: &Bytes,
        now: i64,
    ) -> Result<Option<Entry>, Unreadable> {
        if !matches!(header.kind, Kind::Value | Kind::NotFound) {
            return Ok(None);
        }
        if header.schema != self.policy.schema {
            return Err(Unreadable::Foreign);
        }
        let is_of_version = |(tag, id): &(Bytes, Id)| sight.version_of(tag) == Some(Version::Present(*id));
        let are_valid = sight.epoch == Version::Present(header.epoch) && header.tags.iter().all(is_of_version);
        let freshness = freshness::of(&header, &self.policy, now);
        if !are_valid || freshness == Freshness::Expired || self.is_tag_invalidated(&header) {
            return Ok(None);
        }
        let body = self.unpack(place, &header, envelope)?;
        Ok(Some(Entry {
            header,
            body,
            freshness,
        }))
    }
}
