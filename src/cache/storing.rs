//! How something comes into the cache: never over what it was overtaken by.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Cache,
    freshness::jittered,
    policy::{CachePolicy, bounded},
    reading::{Place, Sight},
    steps::Fill,
    version::{self, Marked, Version, token},
};
use crate::{
    chance::chance,
    command::{Seen, Tell},
    envelope::{Draft, Kind, header::Id},
    error::{Error, Result},
    key::Key,
    ttl::Ttl,
};

/// What is to be stored.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) kind: Kind,
    /// Encoded.
    pub(super) body: Bytes,
    pub(super) fresh_for: Duration,
    /// How long it took to load.
    pub(super) cost: Duration,
    /// Those of the cache, and those that the loader gave.
    pub(super) tags: Vec<Bytes>,
}

/// What is to be stored where, and what was there when it began.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) sight: Sight,
    pub(super) content: Content,
}

/// What is known of a version before something is stored that depends on it.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// As it was before the load began.
    Before(Version),
    /// Nothing. The load began at this time.
    Nothing(Instant),
}

/// Versions that are to be settled, each once.
#[derive(Debug, Default)]
struct Wanted {
    keys: Vec<(Key, Known)>,
    places: HashMap<Key, usize>,
}

/// What an envelope has room for: so many tags, and so many bytes for each.
const MAX_TAGS: usize = 255;

/// A version may have been raised so long before a load began, as far as clocks can tell that run at two ends of a network: then it is taken for raised after that.
const DOUBT: Duration = Duration::from_millis(500);

impl Wanted {
    fn place(&mut self, key: Key, known: Known) -> usize {
        *self.places.entry(key).or_insert_with_key(|key| {
            self.keys.push((key.clone(), known));
            self.keys.len() - 1
        })
    }
}

impl Content {
    /// Makes what is to be stored of a value; nothing if the policy does not keep such a one.
    pub(super) fn new(policy: &CachePolicy, body: Bytes, is_found: bool, ttl: Option<Duration>) -> Option<Self> {
        let (kind, usual) = if is_found {
            (Kind::Value, Some(policy.ttl))
        } else {
            (Kind::NotFound, policy.negative_ttl)
        };
        Some(Self {
            kind,
            body,
            fresh_for: jittered(ttl.or(usual)?, policy.jitter, chance()),
            cost: Duration::ZERO,
            tags: Vec::new(),
        })
    }
}

impl Cache {
    /// Stores what was loaded, and says of each whether it was. Nothing is stored over what came after the load began: a removal, a newer value, an invalidation of
    /// what it depends on. One round trip (to each node of a cluster), or two.
    pub(super) async fn store(&self, items: Vec<Item>) -> Vec<bool> {
        let mut wanted = Wanted::default();
        let dependencies: Vec<Vec<usize>> = items.iter().map(|item| self.depend(item, &mut wanted)).collect();
        let longest = items
            .iter()
            .map(|item| item.content.fresh_for)
            .max()
            .unwrap_or_default();
        let (versions, renewals) = self.settle(wanted.keys, longest).await;
        let mut fills = Vec::with_capacity(items.len());
        let mut places = Vec::with_capacity(items.len());
        let count = items.len();
        for (at, (item, depends_on)) in items.into_iter().zip(dependencies).enumerate() {
            let ids: Option<Vec<Id>> = depends_on.iter().map(|at| versions.get(*at).copied()?).collect();
            if let Some(fill) = ids.and_then(|ids| self.fill(item, &ids)) {
                places.push(at);
                fills.push(fill);
            }
        }
        let mut stored = vec![false; count];
        // Whatever becomes of a version, what was stored under it is valid or is not believed.
        let (filled, _renewed) = tokio::join!(
            self.fill_all(fills),
            self.mark_all(renewals, self.life_of_versions(longest))
        );
        for (at, outcome) in places.into_iter().zip(filled) {
            if let (Some(stored), Ok(true)) = (stored.get_mut(at), outcome) {
                *stored = true;
            }
        }
        let successes = stored.iter().filter(|stored| **stored).count();
        self.space.counters.stored.add(successes as u64);
        self.space.counters.not_stored.add((count - successes) as u64);
        stored
    }

    /// Stores a value whatever is there, and says whether it did. One round trip if the versions are known, otherwise two.
    pub(super) async fn overwrite(&self, place: &Place, content: Content) -> Result<()> {
        let keys: Vec<Key> = std::iter::once(self.epoch(place).clone())
            .chain(content.tags.iter().map(|tag| self.space.tag(tag)))
            .collect();
        let now = Instant::now();
        let known: Option<Vec<Id>> = keys.iter().map(|key| self.space.version(key, now)).collect();
        if let Some(ids) = known.filter(|_| self.is_usual(content.fresh_for)) {
            let (envelope, ttl) = self.envelope(place, &content, &ids)?;
            let strings = self.service.string();
            let set = strings.set(place.entry.clone(), envelope).ttl(ttl.as_duration());
            let present = strings.get_many::<Bytes>(&keys);
            let (present, is_set) = tokio::join!(present.into_future(), set.into_future());
            let (present, _) = (present?, is_set?);
            let is_present =
                |(bytes, id): (&Option<Bytes>, &Id)| Version::read(bytes.as_deref()) == Version::Present(*id);
            if present.iter().zip(&ids).all(is_present) {
                self.space.counters.stored.add(1);
                return Ok(());
            }
        }
        let life = self.life_of_versions(content.fresh_for);
        let marked: Result<Vec<Marked>> = self.mark_all(keys, life).await.into_iter().collect();
        let ids: Vec<Id> = marked?.iter().map(|marked| marked.id).collect();
        let (envelope, ttl) = self.envelope(place, &content, &ids)?;
        let set = self.service.string().set(place.entry.clone(), envelope);
        set.ttl(ttl.as_duration()).await?;
        self.space.counters.stored.add(1);
        Ok(())
    }

    /// Notes what an item depends on: the version of the namespace, then those of its tags.
    fn depend(&self, item: &Item, wanted: &mut Wanted) -> Vec<usize> {
        let Item { place, sight, content } = item;
        let mut places = vec![wanted.place(self.epoch(place).clone(), Known::Before(sight.epoch))];
        places.extend(content.tags.iter().map(|tag| {
            let known = match sight.version_of(tag) {
                Some(version) => Known::Before(version),
                None => Known::Nothing(sight.began),
            };
            wanted.place(self.space.tag(tag), known)
        }));
        places
    }

    /// Returns for each version what may be stored under it; `None` if it was raised meanwhile, or is not known. Also those that may not live long enough.
    async fn settle(&self, wanted: Vec<(Key, Known)>, fresh_for: Duration) -> (Vec<Option<Id>>, Vec<Key>) {
        let now = Instant::now();
        let mut settled = Vec::with_capacity(wanted.len());
        let (mut places, mut marks, mut renewals) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (key, known)) in wanted.iter().enumerate() {
            // What was seen is stored, whatever is there now: if that is something else, nobody will believe what was stored.
            let Known::Before(Version::Present(id)) = known else {
                settled.push(None);
                places.push(at);
                marks.push(key.clone());
                continue;
            };
            settled.push(Some(*id));
            if !self.is_usual(fresh_for) || self.space.version(key, now) != Some(*id) {
                renewals.push(key.clone());
            }
        }
        let outcomes = self.mark_all(marks, self.life_of_versions(fresh_for)).await;
        for (at, outcome) in places.into_iter().zip(outcomes) {
            let (Some((_, known)), Ok(marked)) = (wanted.get(at), outcome) else {
                continue;
            };
            let is_good = match known {
                Known::Before(_) => !marked.is_raised,
                Known::Nothing(began) => !marked.is_raised || marked.age > began.elapsed() + DOUBT,
            };
            if let Some(settled) = settled.get_mut(at) {
                *settled = is_good.then_some(marked.id);
            }
        }
        (settled, renewals)
    }

    /// Says whether versions that were written lately outlive what is fresh for so long.
    fn is_usual(&self, fresh_for: Duration) -> bool {
        fresh_for <= self.policy.ttl.saturating_mul(2)
    }

    /// Returns how long versions live: longer than what depends on them and is fresh for so long, or for as long as the policy says.
    pub(super) fn life_of_versions(&self, fresh_for: Duration) -> Ttl {
        let entry = fresh_for.max(self.policy.ttl).saturating_add(self.policy.grace());
        bounded(version::LIFE.saturating_add(entry.saturating_mul(2)))
    }

    /// Makes the command that stores an item; nothing if it cannot be stored.
    fn fill(&self, item: Item, ids: &[Id]) -> Option<Fill> {
        let Item { place, sight, content } = item;
        let seen = sight.seen?;
        let (envelope, ttl) = match self.envelope(&place, &content, ids) {
            Ok(written) => written,
            Err(error) => {
                let tell = || tracing::warn!(%error, cache = &*self.space.journal, "what is loaded cannot be stored");
                self.space.told.call_once(tell);
                return None;
            }
        };
        let tell = matches!(seen, Seen::Lease(_)).then(|| self.tell(&place)).flatten();
        Some(Fill {
            entry: place.entry,
            seen,
            envelope,
            ttl,
            tell,
        })
    }

    /// Returns who is told that something was stored.
    pub(super) fn tell(&self, place: &Place) -> Option<Tell> {
        let road = self.service.road();
        Some(Tell {
            channel: road.prefix().key(place.entry.clone()).ok()?,
            is_sharded: road.slot_tag(&place.entry).is_some(),
        })
    }

    /// Writes an envelope, and says how long it lives: as long as it is fresh, and as long after that as it may be served.
    fn envelope(&self, place: &Place, content: &Content, ids: &[Id]) -> Result<(Bytes, Ttl)> {
        if content.tags.len() > MAX_TAGS || content.tags.iter().any(|tag| tag.len() > MAX_TAGS) {
            return Err(Error::invalid("more than 255 tags, or one of more than 255 bytes"));
        }
        let (epoch, tags) = ids.split_first().map_or((0, &[][..]), |(epoch, tags)| (*epoch, tags));
        let draft = Draft {
            loaded: self.clock().now(),
            fresh_for: u64::try_from(content.fresh_for.as_millis()).unwrap_or(u64::MAX),
            cost: u32::try_from(content.cost.as_micros()).unwrap_or(u32::MAX),
            schema: self.policy.schema,
            epoch,
            tags: content.tags.iter().cloned().zip(tags.iter().copied()).collect(),
            ..Draft::bare(content.kind, token())
        };
        let whole = content.fresh_for.saturating_add(self.policy.grace());
        let life = match self.policy.sliding {
            Some(idle) => whole.min(idle.saturating_add(idle / 8)),
            None => whole,
        };
        Ok((self.wrap(place, draft, content.body.clone())?, bounded(life)))
    }
}
