//! Lists.

use std::time::Instant;

use bytes::Bytes;

use super::{
    data::{End, List, element_cost},
    store::{Store, count},
    words::{Words, syntax},
};
use crate::{
    command::Call,
    error::{Error, ErrorKind, Result},
    reply::Reply,
};

pub(super) fn call(store: &mut Store, call: &Call, now: Instant) -> Option<Result<Reply>> {
    let words = &mut Words::of(call);
    let look = |store: &mut Store, words: &mut Words<'_>, look: &dyn Fn(&List, &mut Words<'_>) -> Result<Reply>| {
        let key = words.next()?;
        let found = store.look(key, now, |list: &mut List| look(list, words))?;
        found.unwrap_or_else(|| look(&List::default(), words))
    };
    Some(match call.name {
        "LPUSH" => push(store, words, End::Left, true, now),
        "RPUSH" => push(store, words, End::Right, true, now),
        "LPUSHX" => push(store, words, End::Left, false, now),
        "RPUSHX" => push(store, words, End::Right, false, now),
        "LPOP" => pop(store, words, End::Left, now),
        "RPOP" => pop(store, words, End::Right, now),
        "LMOVE" => move_one(store, words, now),
        "LSET" => set(store, words, now),
        "LREM" => remove(store, words, now),
        "LINSERT" => insert(store, words, now),
        "LTRIM" => trim(store, words, now),
        "LLEN" => look(store, words, &|list, _| Ok(count(list.elements().len()))),
        "LINDEX" => look(store, words, &|list, words| {
            let place = list.place(words.integer()?);
            let element = place.and_then(|at| list.elements().get(at)).cloned();
            Ok(element.map_or(Reply::Nil, Reply::Bytes))
        }),
        "LRANGE" => look(store, words, &|list, words| {
            let range = list.range(words.integer()?, words.integer()?);
            Ok(Reply::Array(
                list.elements().range(range).cloned().map(Reply::Bytes).collect(),
            ))
        }),
        "LPOS" => look(store, words, &positions),
        _ => return None,
    })
}

fn push(store: &mut Store, words: &mut Words<'_>, end: End, creates: bool, now: Instant) -> Result<Reply> {
    let key = words.next()?;
    let elements: Vec<&Bytes> = words.rest().collect();
    store.check_fit(elements.iter().map(|element| element_cost(element)).sum())?;
    store.change(key, now, |list: &mut List| {
        if creates || !list.elements().is_empty() {
            for element in elements {
                list.push(end, element);
            }
        }
        Ok(count(list.elements().len()))
    })
}

fn pop(store: &mut Store, words: &mut Words<'_>, end: End, now: Instant) -> Result<Reply> {
    let key = words.next()?;
    if words.is_empty() {
        return store.change(key, now, |list: &mut List| {
            Ok(list.pop(end).map_or(Reply::Nil, Reply::Bytes))
        });
    }
    let most = words.positive()?;
    store.change(key, now, |list: &mut List| {
        if list.elements().is_empty() {
            return Ok(Reply::Nil);
        }
        let popped = std::iter::from_fn(|| list.pop(end)).take(most);
        Ok(Reply::Array(popped.map(Reply::Bytes).collect()))
    })
}

fn move_one(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (from, to) = (words.next()?, words.next()?);
    let (from_end, to_end) = (end(words)?, end(words)?);
    if store.look(from, now, |_: &mut List| ())?.is_none() {
        return Ok(Reply::Nil);
    }
    if from == to {
        return store.change(from, now, |list: &mut List| {
            let element = list.pop(from_end);
            if let Some(element) = &element {
                list.push(to_end, element);
            }
            Ok(element.map_or(Reply::Nil, Reply::Bytes))
        });
    }
    // The target is looked at before anything is taken away.
    store.look(to, now, |_: &mut List| ())?;
    let Some(element) = store.change(from, now, |list: &mut List| Ok(list.pop(from_end)))? else {
        return Ok(Reply::Nil);
    };
    store.change(to, now, |list: &mut List| {
        list.push(to_end, &element);
        Ok(())
    })?;
    Ok(Reply::Bytes(element))
}

fn end(words: &mut Words<'_>) -> Result<End> {
    match words.next()? {
        word if word.eq_ignore_ascii_case(b"LEFT") => Ok(End::Left),
        word if word.eq_ignore_ascii_case(b"RIGHT") => Ok(End::Right),
        _ => Err(syntax()),
    }
}

fn set(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, index, element) = (words.next()?, words.integer()?, words.next()?);
    store.check_fit(element_cost(element))?;
    store.change(key, now, |list: &mut List| {
        if list.elements().is_empty() {
            return Err(Error::new(ErrorKind::Server, "ERR no such key"));
        }
        match list.place(index) {
            Some(at) if list.replace(at, element) => Ok(Reply::Ok),
            _ => Err(Error::new(ErrorKind::Server, "ERR index out of range")),
        }
    })
}

fn remove(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, number, element) = (words.next()?, words.integer()?, words.next()?);
    let most = match usize::try_from(number.unsigned_abs()) {
        Ok(most @ 1..) => most,
        _ => usize::MAX,
    };
    store.change(key, now, |list: &mut List| {
        let mut places = matches(list, element, number < 0, usize::MAX, 0, most);
        places.sort_unstable();
        list.remove_all(&places);
        Ok(count(places.len()))
    })
}

fn insert(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let key = words.next()?;
    let is_after = words.take("AFTER");
    if !is_after && !words.take("BEFORE") {
        return Err(syntax());
    }
    let (pivot, element) = (words.next()?, words.next()?);
    store.check_fit(element_cost(element))?;
    store.change(key, now, |list: &mut List| {
        if list.elements().is_empty() {
            return Ok(Reply::Integer(0));
        }
        let Some(at) = list.elements().iter().position(|element| element == pivot) else {
            return Ok(Reply::Integer(-1));
        };
        list.insert(at + usize::from(is_after), element);
        Ok(count(list.elements().len()))
    })
}

fn trim(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, start, stop) = (words.next()?, words.integer()?, words.integer()?);
    store.change(key, now, |list: &mut List| {
        list.keep(list.range(start, stop));
        Ok(Reply::Ok)
    })
}

fn positions(list: &List, words: &mut Words<'_>) -> Result<Reply> {
    let element = words.next()?;
    let (mut rank, mut most, mut length) = (1, None, 0);
    while !words.is_empty() {
        if words.take("RANK") {
            rank = words.integer()?;
        } else if words.take("COUNT") {
            most = Some(words.positive()?);
        } else if words.take("MAXLEN") {
            length = words.positive()?;
        } else {
            return Err(syntax());
        }
    }
    let unlimited = |number: usize| if number == 0 { usize::MAX } else { number };
    let passed = usize::try_from(rank.unsigned_abs().saturating_sub(1)).unwrap_or(usize::MAX);
    let limit = most.map_or(1, unlimited);
    let places = matches(list, element, rank < 0, unlimited(length), passed, limit);
    let mut places = places.into_iter().map(count);
    Ok(match most {
        Some(_) => Reply::Array(places.collect()),
        None => places.next().unwrap_or(Reply::Nil),
    })
}

/// Finds the places of an element among the first `length`, seen from one end; `passed` matches do not count.
fn matches(list: &List, element: &Bytes, from_right: bool, length: usize, passed: usize, most: usize) -> Vec<usize> {
    let all = list.elements().iter().enumerate();
    let is_equal = |(at, other): (usize, &Bytes)| (other == element).then_some(at);
    if from_right {
        let found = all.rev().take(length).filter_map(is_equal);
        found.skip(passed).take(most).collect()
    } else {
        let found = all.take(length).filter_map(is_equal);
        found.skip(passed).take(most).collect()
    }
}
