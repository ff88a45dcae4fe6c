//! Hashes.

use std::time::Instant;

use bytes::Bytes;

use super::{
    data::{Collection, Hash, pair_cost},
    scan,
    store::{Store, count, deadline},
    words::{Words, float, integer, sum},
};
use crate::{
    command::{Call, Expiry},
    error::{Error, ErrorKind, Result},
    reply::Reply,
};

pub(super) fn call(store: &mut Store, call: &Call, now: Instant) -> Option<Result<Reply>> {
    let words = &mut Words::of(call);
    let look = |store: &mut Store, words: &mut Words<'_>, look: &dyn Fn(&Hash, &mut Words<'_>) -> Result<Reply>| {
        let key = words.next()?;
        let found = store.look(key, now, |hash: &mut Hash| look(hash, words))?;
        found.unwrap_or_else(|| look(&Hash::default(), words))
    };
    Some(match call.name {
        "HSETNX" => set_nx(store, words, now),
        "HDEL" => words.next().and_then(|key| {
            store.change(key, now, |hash: &mut Hash| {
                Ok(count(words.rest().filter(|field| hash.remove(field)).count()))
            })
        }),
        "HINCRBY" => incr_by(store, words, now),
        "HINCRBYFLOAT" => incr_by_float(store, words, now),
        "HMGET" => look(store, words, &|hash, words| {
            let value = |field| hash.get(field).map_or(Reply::Nil, Reply::Bytes);
            Ok(Reply::Array(words.rest().map(value).collect()))
        }),
        "HGETALL" => look(store, words, &|hash, _| {
            let pair = |(field, value): (&Bytes, &Bytes)| (Reply::Bytes(field.clone()), Reply::Bytes(value.clone()));
            Ok(Reply::Map(hash.fields.iter().map(pair).collect()))
        }),
        "HEXISTS" => look(store, words, &|hash, words| {
            Ok(Reply::Integer(hash.fields.contains_key(words.next()?).into()))
        }),
        "HLEN" => look(store, words, &|hash, _| Ok(count(hash.fields.len()))),
        "HKEYS" => look(store, words, &|hash, _| {
            Ok(Reply::Array(hash.fields.keys().cloned().map(Reply::Bytes).collect()))
        }),
        "HVALS" => look(store, words, &|hash, _| {
            Ok(Reply::Array(hash.fields.values().cloned().map(Reply::Bytes).collect()))
        }),
        "HSCAN" => look(store, words, &|hash, words| {
            let is_asked_for = scan::asked_for(words)?;
            let found = hash.fields.iter().filter(|(field, _)| is_asked_for(field));
            Ok(scan::page(
                found.flat_map(|(field, value)| [field.clone(), value.clone()]),
            ))
        }),
        _ => return None,
    })
}

/// Replaces a hash, whatever was there.
pub(super) fn replace(
    store: &mut Store,
    key: Bytes,
    fields: Vec<(Bytes, Bytes)>,
    (expiry, is_new): (Expiry, bool),
    now: Instant,
) -> Result<Reply> {
    store.check_fit(fields.iter().map(|(field, value)| pair_cost(field, value)).sum())?;
    let before = store.live(&key, now).map(|entry| entry.expires);
    if is_new && before.is_some() {
        return Ok(Reply::Integer(0));
    }
    let expires = match expiry {
        Expiry::In(ttl) => deadline(now, ttl),
        Expiry::Keep => before.flatten(),
        Expiry::Never | Expiry::At(_) => None,
    };
    let mut hash = Hash::default();
    hash.set(fields);
    store.put(key, hash.into_data(), expires);
    Ok(Reply::Integer(1))
}

fn set_nx(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, field, value) = (words.next()?, words.next()?, words.next()?);
    store.check_fit(pair_cost(field, value))?;
    store.change(key, now, |hash: &mut Hash| {
        if hash.fields.contains_key(field) {
            return Ok(Reply::Integer(0));
        }
        Ok(count(hash.set([(field.clone(), value.clone())])))
    })
}

fn incr_by(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, field, by) = (words.next()?, words.next()?, words.integer()?);
    store.change(key, now, |hash: &mut Hash| {
        let old = match hash.fields.get(field) {
            Some(old) => {
                integer(old).map_err(|_parse| Error::new(ErrorKind::Server, "ERR hash value is not an integer"))?
            }
            None => 0,
        };
        let new = old.checked_add(by);
        let new = new.ok_or_else(|| Error::new(ErrorKind::Server, "ERR increment or decrement would overflow"))?;
        hash.set([(field.clone(), new.to_string().into())]);
        Ok(Reply::Integer(new))
    })
}

fn incr_by_float(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, field, by) = (words.next()?, words.next()?, words.float()?);
    store.change(key, now, |hash: &mut Hash| {
        let old = match hash.fields.get(field) {
            Some(old) => float(old).map_err(|_parse| Error::new(ErrorKind::Server, "ERR hash value is not a float"))?,
            None => 0.0,
        };
        let new = Bytes::from(sum(old, by)?.to_string());
        hash.set([(field.clone(), new.clone())]);
        Ok(Reply::Bytes(new))
    })
}
