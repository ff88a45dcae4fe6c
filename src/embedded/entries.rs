//! The steps of the read-through cache, as the scripts for servers take them.

use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};

use super::{
    data::{Data, owned},
    store::{Entry, Store, deadline},
};
use crate::{
    command::{Command, EntryAct, EntryCommand, EntryFill, Seen, Tell, version},
    envelope::header::{FIXED, ID, Id, Kind, LEASE, MAGIC, STALE, TOUCHED, UNTIL},
    error::Result,
    reply::Reply,
    ttl::Ttl,
};

/// An envelope of ours, and when it expires.
struct Present {
    envelope: Bytes,
    expires: Option<Instant>,
}

/// What the end of a lease is at most, and the age of a version that lives for ever: the greatest number up to which scripts count exactly.
const FOREVER: u64 = 1 << 53;

pub(super) fn answer(store: &mut Store, command: EntryCommand, now: Instant) -> Result<Reply> {
    let EntryCommand { key, act } = command;
    match act {
        EntryAct::Fill {
            seen, envelope, ttl, ..
        } => fill(store, key, seen, &envelope, ttl, now),
        EntryAct::Lease {
            lease,
            ttl,
            seen,
            placeholder,
        } => take_lease(store, key, (lease, ttl), seen, placeholder, now),
        EntryAct::Release { lease, .. } => Ok(release(store, key, lease, now)),
        EntryAct::Touch { id, at, ttl } => Ok(touch(store, key, id, (at, ttl), now)),
        EntryAct::Expire { id, removed, ttl } => expire(store, key, id, (removed, ttl), now),
        EntryAct::Mark { id, ttl } => mark(store, key, id, ttl, now),
    }
}

/// Returns who is told of a command, if it answers at least this.
pub(super) fn to_be_told(command: &Command) -> Option<(Tell, i64)> {
    match command {
        Command::Entry(entry) => match &entry.act {
            EntryAct::Fill { tell, .. } => Some((tell.clone()?, 1)),
            EntryAct::Release { tell, .. } => Some((tell.clone()?, 0)),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn fill_many(store: &mut Store, fills: Vec<EntryFill>, now: Instant) -> Reply {
    let fill = |EntryFill {
                    key,
                    seen,
                    envelope,
                    ttl,
                }| fill(store, key, seen, &envelope, ttl, now).unwrap_or_else(Reply::Error);
    Reply::Array(fills.into_iter().map(fill).collect())
}

fn fill(store: &mut Store, key: Bytes, seen: Seen, envelope: &Bytes, ttl: Ttl, now: Instant) -> Result<Reply> {
    let present = Present::at(store, &key, now);
    let is_as_seen = match seen {
        Seen::Nothing => present.is_none(),
        Seen::Content(id) => present.is_some_and(|present| present.id() == id),
        Seen::Lease(lease) => present.is_some_and(|present| present.lease() == lease),
    };
    if is_as_seen {
        store.check_fit(key.len() + envelope.len())?;
        store.put(key, Data::Text(owned(envelope)), deadline(now, ttl));
    }
    Ok(Reply::Integer(is_as_seen.into()))
}

fn take_lease(
    store: &mut Store,
    key: Bytes,
    (lease, ttl): (u64, Ttl),
    seen: Option<Id>,
    placeholder: Bytes,
    now: Instant,
) -> Result<Reply> {
    let (present, wall_clock) = (Present::at(store, &key, now), unix_millis(now));
    if let Some(left) = present.as_ref().and_then(|present| present.held(lease, wall_clock)) {
        return Ok(Reply::Integer(left));
    }
    let is_as_seen = match &present {
        None => seen.is_none(),
        Some(present) if present.lease() == lease => true,
        Some(present) => seen.map_or_else(|| present.is(Kind::Awaited), |id| present.id() == id),
    };
    if !is_as_seen {
        return Ok(Reply::Integer(-1));
    }
    let end = deadline(now, ttl);
    let present = present.unwrap_or(Present {
        envelope: placeholder,
        expires: end,
    });
    store.check_fit(key.len() + present.envelope.len())?;
    // None is never, which no end is later than.
    let expires = present.expires.and_then(|expires| end.map(|end| expires.max(end)));
    let until = wall_clock.saturating_add(ttl.as_millis()).min(FOREVER);
    let until = format!("{until:016}");
    let envelope = present.with([(LEASE, &lease.to_be_bytes()[..]), (UNTIL, until.as_bytes())]);
    store.put(key, Data::Text(envelope), expires);
    Ok(Reply::Integer(0))
}

fn release(store: &mut Store, key: Bytes, lease: u64, now: Instant) -> Reply {
    let Some(present) = Present::at(store, &key, now).filter(|present| present.lease() == lease) else {
        return Reply::Integer(0);
    };
    if present.is(Kind::Awaited) {
        drop(store.take(&key));
    } else {
        let envelope = present.with([(LEASE, &[0; 8][..]), (UNTIL, &[b'0'; 16])]);
        store.put(key, Data::Text(envelope), present.expires);
    }
    Reply::Integer(1)
}

fn touch(store: &mut Store, key: Bytes, id: Id, (at, ttl): (i64, Ttl), now: Instant) -> Reply {
    let Some(present) = Present::at(store, &key, now).filter(|present| present.id() == id) else {
        return Reply::Integer(0);
    };
    let envelope = present.with([(TOUCHED, &at.to_be_bytes()[..])]);
    store.put(key, Data::Text(envelope), deadline(now, ttl));
    Reply::Integer(1)
}

fn expire(store: &mut Store, key: Bytes, id: Id, (removed, ttl): (Bytes, Ttl), now: Instant) -> Result<Reply> {
    let Some(present) = Present::at(store, &key, now) else {
        if store.live(&key, now).is_none() {
            store.check_fit(key.len() + removed.len())?;
            store.put(key, Data::Text(removed), deadline(now, ttl));
        }
        return Ok(Reply::Integer(0));
    };
    let is_value = present.is(Kind::Value) || present.is(Kind::NotFound);
    let id = (ID, &id.to_be_bytes()[..]);
    let no_lease = [(LEASE, &[0; 8][..]), (UNTIL, &[b'0'; 16][..])];
    let envelope = if is_value {
        present.with([id, no_lease[0], no_lease[1], (STALE, &[1])])
    } else {
        present.with([id, no_lease[0], no_lease[1]])
    };
    store.put(key, Data::Text(envelope), present.expires);
    Ok(Reply::Integer(is_value.into()))
}

fn mark(store: &mut Store, key: Bytes, id: Id, ttl: Ttl, now: Instant) -> Result<Reply> {
    let found = store.live(&key, now).and_then(|entry| match entry {
        Entry {
            data: Data::Text(text),
            expires,
            ..
        } => read_version(text).map(|(version, whole)| (version.to_owned(), whole, *expires)),
        _ => None,
    });
    let Some((found, whole, expires)) = found else {
        let new = version('c', id, ttl);
        store.check_fit(key.len() + new.len())?;
        store.put(key, Data::Text(new), deadline(now, ttl));
        return Ok(told(&format!("c{id:016x}"), 0));
    };
    let Some(expires) = expires else {
        return Ok(told(&found, FOREVER));
    };
    let left = millis(expires.saturating_duration_since(now));
    if left < ttl.as_millis() {
        let longer = whole.saturating_add(ttl.as_millis() - left);
        let text = format!("{found}:{longer}");
        store.put(key, Data::Text(text.into()), deadline(now, ttl));
    }
    Ok(told(&found, whole.saturating_sub(left)))
}

/// Reads what `version` has written: the letter with the version, and the whole time to live.
fn read_version(text: &[u8]) -> Option<(&str, u64)> {
    let (version, whole) = std::str::from_utf8(text).ok()?.split_once(':')?;
    let digits = version.strip_prefix(['c', 'r'])?;
    let is_version = digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_number = whole.len() <= 19 && whole.bytes().all(|byte| byte.is_ascii_digit());
    let whole = whole.parse().ok()?;
    (is_version && is_number).then_some((version, whole))
}

fn told(version: &str, age: u64) -> Reply {
    Reply::Bytes(format!("{version}:{age}").into())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns what the system's clock shows at an instant: milliseconds after 1970.
fn unix_millis(at: Instant) -> u64 {
    let clock = Instant::now();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let then = since.unwrap_or_default() + at.saturating_duration_since(clock);
    millis(then.saturating_sub(clock.saturating_duration_since(at)))
}

impl Present {
    /// What is none of ours counts as nothing.
    fn at(store: &mut Store, key: &Bytes, now: Instant) -> Option<Self> {
        let entry = store.live(key, now)?;
        match &entry.data {
            Data::Text(envelope) if envelope.starts_with(&MAGIC) && envelope.len() >= FIXED => Some(Self {
                envelope: envelope.clone(),
                expires: entry.expires,
            }),
            _ => None,
        }
    }

    fn is(&self, kind: Kind) -> bool {
        self.envelope.get(MAGIC.len()) == Some(&(kind as u8))
    }

    fn id(&self) -> Id {
        self.number(ID)
    }

    fn lease(&self) -> u64 {
        self.number(LEASE)
    }

    fn number(&self, at: usize) -> u64 {
        let bytes = self.envelope.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().map_or(0, u64::from_be_bytes)
    }

    /// Returns for how many milliseconds somebody else has the lease.
    fn held(&self, lease: u64, wall_clock: u64) -> Option<i64> {
        if self.lease() == lease || self.lease() == 0 {
            return None;
        }
        let until = std::str::from_utf8(self.envelope.get(UNTIL..TOUCHED)?).ok()?;
        let left = until.parse::<u64>().ok()?.checked_sub(wall_clock)?;
        i64::try_from(left).ok().filter(|left| *left > 0)
    }

    /// Returns the envelope with other bytes in these places.
    fn with<const N: usize>(&self, changes: [(usize, &[u8]); N]) -> Bytes {
        let mut envelope = BytesMut::from(&self.envelope[..]);
        for (at, bytes) in changes {
            if let Some(place) = envelope.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        envelope.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Draft;

    fn ttl(millis: u64) -> Ttl {
        Ttl::from_millis(millis).unwrap()
    }

    fn act(store: &mut Store, act: EntryAct, now: Instant) -> Reply {
        let answered = answer(store, EntryCommand { key: "k".into(), act }, now).unwrap();
        store.assert_accounted();
        answered
    }

    fn lease(lease: u64) -> EntryAct {
        EntryAct::Lease {
            lease,
            ttl: ttl(500),
            seen: None,
            placeholder: Draft::bare(Kind::Awaited, 1).write(0).into(),
        }
    }

    fn fill(len: usize) -> EntryAct {
        let mut envelope = Draft::bare(Kind::Value, 1).write(len);
        envelope.resize(envelope.len() + len, b'x');
        EntryAct::Fill {
            seen: Seen::Nothing,
            envelope: envelope.into(),
            ttl: ttl(1_000),
            tell: None,
        }
    }

    #[test]
    fn a_lease_is_held_until_its_end_and_no_longer() {
        let (mut store, now) = (Store::new(1 << 20), Instant::now());
        let later = |millis| now + Duration::from_millis(millis);
        // What it is put on has no end, so that the lease has to end by itself.
        let awaited = Data::Text(Draft::bare(Kind::Awaited, 1).write(0).into());
        store.put("k".into(), awaited, None);
        assert_eq!(act(&mut store, lease(1), now), Reply::Integer(0));
        // A busy machine reads the two clocks one long after the other.
        let Reply::Integer(left) = act(&mut store, lease(2), later(100)) else {
            panic!("no number")
        };
        assert!((300..=500).contains(&left), "{left}");
        assert_eq!(act(&mut store, lease(2), later(700)), Reply::Integer(0));
    }

    #[test]
    fn the_life_that_a_step_gives_ends_at_its_end() {
        let (mut store, now) = (Store::new(1 << 20), Instant::now());
        let later = |millis| now + Duration::from_millis(millis);
        let touch = || EntryAct::Touch {
            id: 1,
            at: 5,
            ttl: ttl(1_000),
        };
        assert_eq!(act(&mut store, fill(4), now), Reply::Integer(1));
        assert_eq!(act(&mut store, touch(), later(999)), Reply::Integer(1));
        assert_eq!(act(&mut store, touch(), later(1_998)), Reply::Integer(1));
        assert_eq!(act(&mut store, touch(), later(2_998)), Reply::Integer(0));
    }

    #[test]
    fn the_age_of_a_version_is_exact_however_its_life_was_lengthened() {
        let (mut store, now) = (Store::new(1 << 20), Instant::now());
        let mut mark = |id, millis, after| {
            let text = act(
                &mut store,
                EntryAct::Mark { id, ttl: ttl(millis) },
                now + Duration::from_millis(after),
            );
            String::from_utf8(text.into_bytes().unwrap().unwrap().into()).unwrap()
        };
        assert_eq!(mark(1, 1_000, 0), "c0000000000000001:0");
        assert_eq!(mark(2, 1_000, 400), "c0000000000000001:400");
        assert_eq!(mark(2, 500, 500), "c0000000000000001:500");
        assert_eq!(mark(2, 9_000, 1_399), "c0000000000000001:1399");
        assert_eq!(mark(2, 1, 10_398), "c0000000000000001:10398");
        assert_eq!(mark(2, 1, 10_399), "c0000000000000002:0");
    }

    #[test]
    fn an_envelope_that_is_larger_than_the_store_is_refused_and_evicts_nothing() {
        let (mut store, now) = (Store::new(1_000), Instant::now());
        act(&mut store, fill(4), now);
        let entry = EntryCommand {
            key: "l".into(),
            act: fill(1_000),
        };
        assert!(answer(&mut store, entry, now).is_err());
        assert!(store.live(&"k".into(), now).is_some());
    }
}
