//! Keys, whatever they hold.

use std::time::Instant;

use bytes::Bytes;

use super::{
    scan,
    store::{Store, count},
    strings::at_unix_millis,
    words::Words,
};
use crate::{
    command::Call,
    error::{Error, ErrorKind, Result},
    reply::Reply,
};

pub(super) fn call(store: &mut Store, call: &Call, now: Instant) -> Option<Result<Reply>> {
    let words = &mut Words::of(call);
    Some(match call.name {
        "UNLINK" => Ok(delete(store, words.rest(), now)),
        "EXISTS" | "TOUCH" => Ok(count(words.rest().filter(|key| store.live(key, now).is_some()).count())),
        "PEXPIREAT" => expire_at(store, words, now),
        "PERSIST" => persist(store, words, now),
        "PTTL" => pttl(store, words, now),
        "TYPE" => type_of(store, words, now),
        "RENAME" => rename(store, words, now, true),
        "RENAMENX" => rename(store, words, now, false),
        "COPY" => copy(store, words, now),
        "SCAN" => scan(store, words, now),
        "PING" => Ok(Reply::Bytes(Bytes::from_static(b"PONG"))),
        "DBSIZE" => Ok(count(store.keys(now).count())),
        _ => return None,
    })
}

pub(super) fn delete<'a>(store: &mut Store, keys: impl Iterator<Item = &'a Bytes>, now: Instant) -> Reply {
    count(
        keys.filter(|key| store.take(key).is_some_and(|entry| !entry.is_over(now)))
            .count(),
    )
}

fn expire_at(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, millis) = (words.next()?, words.integer()?);
    let expires = at_unix_millis(now, millis);
    Ok(Reply::Integer(store.set_expiry(key, expires, now).into()))
}

fn persist(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let key = words.next()?;
    let expires = store.live(key, now).is_some_and(|entry| entry.expires.is_some());
    Ok(Reply::Integer((expires && store.set_expiry(key, None, now)).into()))
}

fn pttl(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    Ok(Reply::Integer(
        match store.live(words.next()?, now).map(|entry| entry.expires) {
            None => -2,
            Some(None) => -1,
            Some(Some(expires)) => {
                i64::try_from(expires.saturating_duration_since(now).as_millis()).unwrap_or(i64::MAX)
            }
        },
    ))
}

fn type_of(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let name = store.live(words.next()?, now).map_or("none", |entry| entry.data.name());
    Ok(Reply::Bytes(Bytes::from_static(name.as_bytes())))
}

fn rename(store: &mut Store, words: &mut Words<'_>, now: Instant, replaces: bool) -> Result<Reply> {
    let (key, name) = (words.next()?, words.next()?);
    if store.live(key, now).is_none() {
        return Err(Error::new(ErrorKind::Server, "ERR no such key"));
    }
    if !replaces && store.live(name, now).is_some() {
        return Ok(Reply::Integer(0));
    }
    if let Some(entry) = store.take(key) {
        store.put(name.clone(), entry.data, entry.expires);
    }
    Ok(if replaces { Reply::Ok } else { Reply::Integer(1) })
}

fn copy(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (from, to) = (words.next()?, words.next()?);
    let is_taken = store.live(to, now).is_some();
    if from == to {
        return Err(Error::new(
            ErrorKind::Server,
            "ERR source and destination objects are the same",
        ));
    }
    let Some((data, expires)) = store.live(from, now).map(|entry| (entry.data.clone(), entry.expires)) else {
        return Ok(Reply::Integer(0));
    };
    if is_taken && !words.take("REPLACE") {
        return Ok(Reply::Integer(0));
    }
    store.put(to.clone(), data, expires);
    Ok(Reply::Integer(1))
}

fn scan(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let is_asked_for = scan::asked_for(words)?;
    Ok(scan::page(store.keys(now).filter(|key| is_asked_for(key)).cloned()))
}
