//! Strings and counters.

use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};

use super::{
    data::{Data, owned, pair_cost},
    store::{Entry, Store, count, deadline, wrong_type},
    words::{Words, float, integer, sum},
};
use crate::{
    command::{Call, Condition, Expiry, Set, Versioned},
    error::{Error, ErrorKind, Result},
    reply::Reply,
    ttl::Ttl,
};

pub(super) fn call(store: &mut Store, call: &Call, now: Instant) -> Option<Result<Reply>> {
    let words = &mut Words::of(call);
    Some(match call.name {
        "GETDEL" => get_and(store, words, now, |store, key| {
            store.take(key);
            Ok(())
        }),
        "GETEX" => getex(store, words, now),
        "APPEND" => append(store, words, now),
        "STRLEN" => strlen(store, words, now),
        "INCRBYFLOAT" => incr_by_float(store, words, now),
        _ => return None,
    })
}

pub(super) fn get(store: &mut Store, key: &Bytes, now: Instant) -> Result<Reply> {
    Ok(text(store, key, now)?.map_or(Reply::Nil, Reply::Bytes))
}

pub(super) fn get_many(store: &mut Store, keys: &[Bytes], now: Instant) -> Reply {
    let text = |key| get(store, key, now).unwrap_or(Reply::Nil);
    Reply::Array(keys.iter().map(text).collect())
}

pub(super) fn get_versioned(store: &mut Store, versioned: &Versioned, now: Instant) -> Reply {
    let text = |key| match get(store, &Bytes::copy_from_slice(key), now) {
        Ok(Reply::Bytes(text)) => Some(text),
        _ => None,
    };
    let found: Vec<_> = versioned.keys().map(text).collect();
    Reply::Bytes(Versioned::answer(found.iter().map(Option::as_deref)))
}

pub(super) fn set(store: &mut Store, set: Set, now: Instant) -> Result<Reply> {
    let Set {
        key,
        value,
        expiry,
        condition,
        returns_old,
    } = set;
    let old = if returns_old {
        get(store, &key, now)?
    } else {
        Reply::Nil
    };
    let present = store.live(&key, now).map(|entry| entry.expires);
    match condition {
        Some(Condition::IfAbsent) if present.is_some() => return Ok(old),
        Some(Condition::IfPresent) if present.is_none() => return Ok(old),
        _ => {}
    }
    let expires = match expiry {
        Expiry::Never => None,
        Expiry::Keep => present.flatten(),
        Expiry::In(ttl) => deadline(now, ttl),
        Expiry::At(millis) => at_unix_millis(now, millis),
    };
    store.check_fit(key.len() + value.len())?;
    store.put(key, Data::Text(owned(&value)), expires);
    Ok(if returns_old { old } else { Reply::Ok })
}

pub(super) fn set_many(store: &mut Store, pairs: Vec<(Bytes, Bytes)>, ttl: Option<Ttl>, now: Instant) -> Result<Reply> {
    store.check_fit(pairs.iter().map(|(key, value)| pair_cost(key, value)).sum())?;
    let expires = ttl.and_then(|ttl| deadline(now, ttl));
    for (key, value) in pairs {
        store.put(key, Data::Text(owned(&value)), expires);
    }
    Ok(Reply::Ok)
}

pub(super) fn incr_by(store: &mut Store, key: Bytes, by: i64, ttl: Option<Ttl>, now: Instant) -> Result<Reply> {
    let (old, expires) = match text_entry(store, &key, now)? {
        None => (0, ttl.and_then(|ttl| deadline(now, ttl))),
        Some((value, expires)) => (integer(&value)?, expires),
    };
    let Some(new) = old.checked_add(by) else {
        return Err(Error::new(
            ErrorKind::Server,
            "ERR increment or decrement would overflow",
        ));
    };
    store.put(key, Data::Text(new.to_string().into()), expires);
    Ok(Reply::Integer(new))
}

pub(super) fn compare_and_set(
    store: &mut Store,
    key: Bytes,
    (old, new): (Option<Bytes>, Option<Bytes>),
    ttl: Option<Ttl>,
    now: Instant,
) -> Result<Reply> {
    let (current, expires) =
        text_entry(store, &key, now)?.map_or((None, None), |(text, expires)| (Some(text), expires));
    if current != old {
        return Ok(Reply::Integer(0));
    }
    match new {
        Some(new) => {
            store.check_fit(key.len() + new.len())?;
            let expires = ttl.map_or(expires, |ttl| deadline(now, ttl));
            store.put(key, Data::Text(owned(&new)), expires);
        }
        None => drop(store.take(&key)),
    }
    Ok(Reply::Integer(1))
}

/// Returns the instant of a time of the system's clock; one in the past is now.
pub(super) fn at_unix_millis(now: Instant, millis: i64) -> Option<Instant> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    let left = at.duration_since(SystemTime::now()).unwrap_or_default();
    now.checked_add(left)
}

fn text(store: &mut Store, key: &Bytes, now: Instant) -> Result<Option<Bytes>> {
    Ok(text_entry(store, key, now)?.map(|(value, _)| value))
}

fn text_entry(store: &mut Store, key: &Bytes, now: Instant) -> Result<Option<(Bytes, Option<Instant>)>> {
    match store.live(key, now) {
        None => Ok(None),
        Some(Entry {
            data: Data::Text(value),
            expires,
            ..
        }) => Ok(Some((value.clone(), *expires))),
        Some(_) => Err(wrong_type()),
    }
}

fn get_and(
    store: &mut Store,
    words: &mut Words<'_>,
    now: Instant,
    then: impl FnOnce(&mut Store, &Bytes) -> Result<()>,
) -> Result<Reply> {
    let key = words.next()?;
    let value = get(store, key, now)?;
    if value != Reply::Nil {
        then(store, key)?;
    }
    Ok(value)
}

fn getex(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let key = words.next()?;
    let value = get(store, key, now)?;
    let expires = if words.take("PX") {
        let millis = u64::try_from(words.integer()?).unwrap_or(0);
        deadline(now, Ttl::from_millis(millis)?)
    } else if words.take("PXAT") {
        at_unix_millis(now, words.integer()?)
    } else if words.take("PERSIST") {
        None
    } else {
        return Ok(value);
    };
    store.set_expiry(key, expires, now);
    Ok(value)
}

fn append(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, more) = (words.next()?, words.next()?);
    let (old, expires) = text_entry(store, key, now)?.unwrap_or_default();
    store.check_fit(key.len() + old.len() + more.len())?;
    let mut new = BytesMut::from(&old[..]);
    new.extend_from_slice(more);
    let length = new.len();
    store.put(key.clone(), Data::Text(new.freeze()), expires);
    Ok(count(length))
}

fn strlen(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    Ok(count(text(store, words.next()?, now)?.map_or(0, |text| text.len())))
}

fn incr_by_float(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, by) = (words.next()?, words.float()?);
    let (old, expires) = match text_entry(store, key, now)? {
        None => (0.0, None),
        Some((value, expires)) => (float(&value)?, expires),
    };
    let new = Bytes::from(sum(old, by)?.to_string());
    store.put(key.clone(), Data::Text(new.clone()), expires);
    Ok(Reply::Bytes(new))
}
