//! Sets.

use std::time::Instant;

use bytes::Bytes;

use super::{
    data::{Collection, Set, element_cost, owned},
    scan,
    store::{Store, count},
    words::Words,
};
use crate::{command::Call, error::Result, reply::Reply};

/// How several sets become one.
#[derive(Clone, Copy)]
enum Combination {
    Intersection,
    Union,
    Difference,
}

use Combination::{Difference, Intersection, Union};

pub(super) fn call(store: &mut Store, call: &Call, now: Instant) -> Option<Result<Reply>> {
    let words = &mut Words::of(call);
    let look = |store: &mut Store, words: &mut Words<'_>, look: &dyn Fn(&Set, &mut Words<'_>) -> Result<Reply>| {
        let key = words.next()?;
        let found = store.look(key, now, |set: &mut Set| look(set, words))?;
        found.unwrap_or_else(|| look(&Set::default(), words))
    };
    Some(match call.name {
        "SADD" => add(store, words, now),
        "SREM" => words.next().and_then(|key| {
            store.change(key, now, |set: &mut Set| {
                Ok(count(words.rest().filter(|member| set.remove(member)).count()))
            })
        }),
        "SPOP" => pop(store, words, now),
        "SMOVE" => move_one(store, words, now),
        "SSCAN" => look(store, words, &|set, words| {
            let is_asked_for = scan::asked_for(words)?;
            Ok(scan::page(
                set.members().iter().filter(|member| is_asked_for(member)).cloned(),
            ))
        }),
        "SMEMBERS" => look(store, words, &|set, _| Ok(list(set.members().to_vec()))),
        "SCARD" => look(store, words, &|set, _| Ok(count(set.members().len()))),
        "SISMEMBER" => look(store, words, &|set, words| Ok(is_member(set, words.next()?))),
        "SMISMEMBER" => look(store, words, &|set, words| {
            let answers = words.rest().map(|member| is_member(set, member));
            Ok(Reply::Array(answers.collect()))
        }),
        "SRANDMEMBER" => look(store, words, &random),
        "SINTER" => combine(store, words.rest(), Intersection, now).map(all),
        "SUNION" => combine(store, words.rest(), Union, now).map(all),
        "SDIFF" => combine(store, words.rest(), Difference, now).map(all),
        "SINTERSTORE" => combine_into(store, words, Intersection, now),
        "SUNIONSTORE" => combine_into(store, words, Union, now),
        "SDIFFSTORE" => combine_into(store, words, Difference, now),
        "SINTERCARD" => common(store, words, now),
        _ => return None,
    })
}

fn list(members: Vec<Bytes>) -> Reply {
    Reply::Array(members.into_iter().map(Reply::Bytes).collect())
}

fn all(set: Set) -> Reply {
    list(set.members().to_vec())
}

fn is_member(set: &Set, member: &Bytes) -> Reply {
    Reply::Integer(set.contains(member).into())
}

fn add(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let key = words.next()?;
    let members: Vec<&Bytes> = words.rest().collect();
    store.check_fit(members.iter().map(|member| element_cost(member)).sum())?;
    store.change(key, now, |set: &mut Set| {
        let is_new = |member: &&Bytes| set.insert(owned(member));
        Ok(count(members.into_iter().filter(is_new).count()))
    })
}

fn pop(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let key = words.next()?;
    let is_one = words.is_empty();
    let most = if is_one { 1 } else { words.positive()? };
    let mut popped = store.change(key, now, |set: &mut Set| {
        let popped = set.some(most);
        for member in &popped {
            set.remove(member);
        }
        Ok(popped)
    })?;
    Ok(if is_one {
        popped.pop().map_or(Reply::Nil, Reply::Bytes)
    } else {
        list(popped)
    })
}

fn random(set: &Set, words: &mut Words<'_>) -> Result<Reply> {
    if words.is_empty() {
        return Ok(set.any().cloned().map_or(Reply::Nil, Reply::Bytes));
    }
    let number = words.integer()?;
    let size = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
    Ok(if number < 0 {
        list((0..size).map_while(|_| set.any().cloned()).collect())
    } else {
        list(set.some(size))
    })
}

fn move_one(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (from, to, member) = (words.next()?, words.next()?, words.next()?);
    let Some(is_there) = store.look(from, now, |set: &mut Set| set.contains(member))? else {
        return Ok(Reply::Integer(0));
    };
    // The target is looked at before anything is taken away.
    store.look(to, now, |_: &mut Set| ())?;
    if is_there && from != to {
        store.change(from, now, |set: &mut Set| Ok(set.remove(member)))?;
        store.change(to, now, |set: &mut Set| Ok(set.insert(owned(member))))?;
    }
    Ok(Reply::Integer(is_there.into()))
}

/// Looks at all keys, even where the result is known before the last, so that a wrong type is always told of.
fn combine<'a>(
    store: &mut Store,
    mut keys: impl Iterator<Item = &'a Bytes>,
    how: Combination,
    now: Instant,
) -> Result<Set> {
    let Some(first) = keys.next() else {
        return Ok(Set::default());
    };
    let mut result = store.look(first, now, |set: &mut Set| set.clone())?.unwrap_or_default();
    for key in keys {
        let found = store.look(key, now, |set: &mut Set| match how {
            Intersection => result.retain(|member| set.contains(member)),
            Difference => result.retain(|member| !set.contains(member)),
            Union => result.extend(set.members().iter().cloned()),
        })?;
        if let (None, Intersection) = (found, how) {
            result = Set::default();
        }
    }
    Ok(result)
}

fn combine_into(store: &mut Store, words: &mut Words<'_>, how: Combination, now: Instant) -> Result<Reply> {
    let destination = words.next()?;
    let result = combine(store, words.rest(), how, now)?;
    let size = result.members().len();
    if size == 0 {
        store.take(destination);
    } else {
        store.check_fit(result.cost())?;
        store.put(destination.clone(), result.into_data(), None);
    }
    Ok(count(size))
}

fn common(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let number = words.positive()?;
    let keys = (0..number).map(|_| words.next()).collect::<Result<Vec<_>>>()?;
    let limit = if words.take("LIMIT") { words.positive()? } else { 0 };
    let size = combine(store, keys.into_iter(), Intersection, now)?.members().len();
    Ok(count(if limit == 0 { size } else { size.min(limit) }))
}
