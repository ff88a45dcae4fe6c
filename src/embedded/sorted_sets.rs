//! Sorted sets.

mod range;

use std::{collections::HashMap, time::Instant};

use bytes::Bytes;

use self::range::{By, Range};
use super::{
    data::{Collection, Set, SortedSet, pair_cost},
    scan,
    store::{Store, count},
    words::{Words, float, syntax},
};
use crate::{
    command::Call,
    error::{Error, ErrorKind, Result},
    reply::Reply,
};

pub(super) fn call(store: &mut Store, call: &Call, now: Instant) -> Option<Result<Reply>> {
    let words = &mut Words::of(call);
    Some(match call.name {
        "ZADD" => add(store, words, now),
        "ZINCRBY" => incr_by(store, words, now),
        "ZREM" => words.next().and_then(|key| {
            store.change(key, now, |set: &mut SortedSet| {
                Ok(count(words.rest().filter(|member| set.remove(member)).count()))
            })
        }),
        "ZSCORE" => look(store, words, now, |set, words| Ok(of_score(set.score(words.next()?)))),
        "ZMSCORE" => look(store, words, now, |set, words| {
            let scores = words.rest().map(|member| of_score(set.score(member)));
            Ok(Reply::Array(scores.collect()))
        }),
        "ZCARD" => look(store, words, now, |set, _| Ok(count(set.len()))),
        "ZCOUNT" => count_of(store, words, now, By::Score),
        "ZLEXCOUNT" => count_of(store, words, now, By::Lex),
        "ZRANGE" => range(store, words, now),
        "ZRANK" => rank(store, words, now, false),
        "ZREVRANK" => rank(store, words, now, true),
        "ZREMRANGEBYRANK" => remove_range(store, words, now, By::Index),
        "ZREMRANGEBYSCORE" => remove_range(store, words, now, By::Score),
        "ZREMRANGEBYLEX" => remove_range(store, words, now, By::Lex),
        "ZPOPMIN" => pop(store, words, now, false),
        "ZPOPMAX" => pop(store, words, now, true),
        "ZUNIONSTORE" => put_together(store, words, now, false),
        "ZINTERSTORE" => put_together(store, words, now, true),
        "ZSCAN" => look(store, words, now, scan),
        _ => return None,
    })
}

/// Looks at the set of the next key, which is empty without such a key.
fn look(
    store: &mut Store,
    words: &mut Words<'_>,
    now: Instant,
    look: impl Fn(&SortedSet, &mut Words<'_>) -> Result<Reply>,
) -> Result<Reply> {
    let key = words.next()?;
    let found = store.look(key, now, |set: &mut SortedSet| look(set, words))?;
    found.unwrap_or_else(|| look(&SortedSet::default(), words))
}

fn of_score(score: Option<f64>) -> Reply {
    score.map_or(Reply::Nil, Reply::Double)
}

fn of_pair((member, score): (Bytes, f64)) -> Reply {
    Reply::Array(vec![Reply::Bytes(member), Reply::Double(score)])
}

fn not_a_number() -> Error {
    Error::new(ErrorKind::Server, "ERR resulting score is not a number (NaN)")
}

/// The options of `ZADD`.
#[derive(Default)]
struct Adding {
    is_nx: bool,
    is_xx: bool,
    is_gt: bool,
    is_lt: bool,
    counts_changed: bool,
    is_incr: bool,
}

impl Adding {
    fn read(words: &mut Words<'_>) -> Self {
        let mut options = Self::default();
        loop {
            let flag = if words.take("NX") {
                &mut options.is_nx
            } else if words.take("XX") {
                &mut options.is_xx
            } else if words.take("GT") {
                &mut options.is_gt
            } else if words.take("LT") {
                &mut options.is_lt
            } else if words.take("CH") {
                &mut options.counts_changed
            } else if words.take("INCR") {
                &mut options.is_incr
            } else {
                return options;
            };
            *flag = true;
        }
    }

    fn permits(&self, old: Option<f64>, new: f64) -> bool {
        match old {
            None => !self.is_xx,
            Some(old) => !(self.is_nx || self.is_gt && new <= old || self.is_lt && new >= old),
        }
    }
}

fn add(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let key = words.next()?;
    let options = Adding::read(words);
    let mut members = Vec::new();
    while !words.is_empty() {
        members.push((words.float()?, words.next()?));
    }
    store.check_fit(members.iter().map(|(_, member)| pair_cost(member, member)).sum())?;
    store.change(key, now, |set: &mut SortedSet| {
        if options.is_incr {
            let [(by, member)] = members[..] else {
                return Err(syntax());
            };
            return incr(set, &options, member, by);
        }
        let (mut added, mut changed) = (0, 0);
        for (score, member) in members {
            let old = set.score(member);
            if options.permits(old, score) {
                changed += usize::from(old.is_some_and(|old| old != score));
                added += usize::from(set.set(member, score));
            }
        }
        Ok(count(if options.counts_changed { added + changed } else { added }))
    })
}

fn incr(set: &mut SortedSet, options: &Adding, member: &Bytes, by: f64) -> Result<Reply> {
    let old = set.score(member);
    let new = old.unwrap_or(0.0) + by;
    if new.is_nan() {
        return Err(not_a_number());
    }
    if !options.permits(old, new) {
        return Ok(Reply::Nil);
    }
    set.set(member, new);
    Ok(Reply::Double(new))
}

fn incr_by(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let (key, by, member) = (words.next()?, words.float()?, words.next()?);
    store.check_fit(pair_cost(member, member))?;
    store.change(key, now, |set: &mut SortedSet| {
        incr(set, &Adding::default(), member, by)
    })
}

fn range(store: &mut Store, words: &mut Words<'_>, now: Instant) -> Result<Reply> {
    let key = words.next()?;
    let (start, stop) = (words.next()?.clone(), words.next()?.clone());
    let by = if words.take("BYSCORE") {
        By::Score
    } else if words.take("BYLEX") {
        By::Lex
    } else {
        By::Index
    };
    let is_reversed = words.take("REV");
    let limit = if words.take("LIMIT") {
        Some((words.integer()?, words.integer()?))
    } else {
        None
    };
    let has_scores = words.take("WITHSCORES");
    let range = Range::parse(by, &start, &stop)?;
    let range = if is_reversed { range.reversed() } else { range };
    let found = store.look(key, now, |set: &mut SortedSet| range.of(set, is_reversed))?;
    let (skip, take) = match limit {
        None => (0, usize::MAX),
        // A negative offset leaves nothing, a negative count leaves all.
        Some((offset, count)) => match usize::try_from(offset) {
            Ok(offset) => (offset, usize::try_from(count).unwrap_or(usize::MAX)),
            Err(_negative) => (0, 0),
        },
    };
    let members = found.unwrap_or_default().into_iter().skip(skip).take(take);
    Ok(Reply::Array(if has_scores {
        members.map(of_pair).collect()
    } else {
        members.map(|(member, _)| Reply::Bytes(member)).collect()
    }))
}

fn count_of(store: &mut Store, words: &mut Words<'_>, now: Instant, by: By) -> Result<Reply> {
    let key = words.next()?;
    let range = Range::parse(by, words.next()?, words.next()?)?;
    let found = store.look(key, now, |set: &mut SortedSet| range.of(set, false).len())?;
    Ok(count(found.unwrap_or(0)))
}

fn remove_range(store: &mut Store, words: &mut Words<'_>, now: Instant, by: By) -> Result<Reply> {
    let key = words.next()?;
    let range = Range::parse(by, words.next()?, words.next()?)?;
    store.change(key, now, |set: &mut SortedSet| {
        let found = range.of(set, false);
        Ok(count(found.iter().filter(|(member, _)| set.remove(member)).count()))
    })
}

fn rank(store: &mut Store, words: &mut Words<'_>, now: Instant, is_reversed: bool) -> Result<Reply> {
    look(store, words, now, |set, words| {
        let member = words.next()?;
        let (Some(rank), Some(score)) = (set.rank(member), set.score(member)) else {
            return Ok(Reply::Nil);
        };
        let rank = count(if is_reversed { set.len() - 1 - rank } else { rank });
        Ok(if words.take("WITHSCORE") {
            Reply::Array(vec![rank, Reply::Double(score)])
        } else {
            rank
        })
    })
}

fn pop(store: &mut Store, words: &mut Words<'_>, now: Instant, is_highest: bool) -> Result<Reply> {
    let key = words.next()?;
    let times = if words.is_empty() { None } else { Some(words.integer()?) };
    store.change(key, now, |set: &mut SortedSet| match times {
        None => Ok(set.pop(is_highest).map_or_else(|| Reply::Array(Vec::new()), of_pair)),
        Some(times) => {
            let times = usize::try_from(times)
                .map_err(|_negative| Error::new(ErrorKind::Server, "ERR value is out of range, must be positive"))?;
            let popped = std::iter::from_fn(|| set.pop(is_highest)).take(times);
            Ok(Reply::Array(popped.map(of_pair).collect()))
        }
    })
}

/// `ZUNIONSTORE` and `ZINTERSTORE`.
fn put_together(store: &mut Store, words: &mut Words<'_>, now: Instant, is_intersection: bool) -> Result<Reply> {
    let destination = words.next()?;
    let keys = (0..words.integer()?)
        .map(|_| words.next())
        .collect::<Result<Vec<_>>>()?;
    let mut weights = vec![1.0; keys.len()];
    if words.take("WEIGHTS") {
        for weight in &mut weights {
            *weight = float(words.next()?)
                .map_err(|_not_a_float| Error::new(ErrorKind::Server, "ERR weight value is not a float"))?;
        }
    }
    let together = aggregate(words)?;
    // The score so far, and in how many sets the member was.
    let mut scores: HashMap<Bytes, (f64, usize)> = HashMap::new();
    for (at, (key, weight)) in keys.iter().zip(weights).enumerate() {
        let weighed = |(member, score): (&Bytes, f64)| (member.clone(), number(score * weight));
        // A plain set is as good: its members have the score 1.
        let members = match store.look(key, now, |set: &mut Set| {
            let members = set.members().iter().map(|member| weighed((member, 1.0)));
            members.collect::<Vec<_>>()
        }) {
            Ok(members) => members,
            Err(_no_plain_set) => store.look(key, now, |set: &mut SortedSet| set.iter().map(weighed).collect())?,
        };
        for (member, score) in members.unwrap_or_default() {
            match scores.get_mut(&member) {
                Some((sum, seen)) => {
                    *sum = together(*sum, score);
                    *seen += 1;
                }
                None if at == 0 || !is_intersection => {
                    scores.insert(member, (score, 1));
                }
                None => {}
            }
        }
    }
    let mut set = SortedSet::default();
    for (member, (score, seen)) in scores {
        if !is_intersection || seen == keys.len() {
            set.set(&member, score);
        }
    }
    let members = set.len();
    if members == 0 {
        store.take(destination);
    } else {
        store.check_fit(set.cost())?;
        store.put(destination.clone(), set.into_data(), None);
    }
    Ok(count(members))
}

fn aggregate(words: &mut Words<'_>) -> Result<fn(f64, f64) -> f64> {
    if !words.take("AGGREGATE") || words.take("SUM") {
        return Ok(|one, other| number(one + other));
    }
    if words.take("MIN") {
        return Ok(f64::min);
    }
    if words.take("MAX") {
        return Ok(f64::max);
    }
    Err(syntax())
}

/// Infinity minus infinity, and infinity times zero, are 0 here.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// All at once: the store is in this process, and bounded.
fn scan(set: &SortedSet, words: &mut Words<'_>) -> Result<Reply> {
    let is_asked_for = scan::asked_for(words)?;
    let found = set.iter().filter(|(member, _)| is_asked_for(member));
    Ok(scan::page(found.flat_map(|(member, score)| {
        [member.clone(), score.to_string().into()]
    })))
}
