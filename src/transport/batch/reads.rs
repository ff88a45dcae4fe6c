//! Reads that leave together: one `MGET` for all, each key asked for once.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::{
    super::{connection::Connection, failure::Failure, large::LargeKeys},
    answers::{Answers, Share, Values},
    driver::{Cargo, Told, one_by_one},
    load::{Asked, Load, Word},
    permission::Permission,
};
use crate::{
    command::{Call, Command},
    reply::Reply,
};

/// `GET`s and `MGET`s.
#[derive(Debug)]
pub(super) struct Reads {
    large: Arc<LargeKeys>,
    mget: Permission,
}

/// What is asked for, and which member each value answers.
pub(super) struct Plan {
    /// Each key once.
    pub(super) keys: Vec<Bytes>,
    /// For each member, where its keys stand among those.
    pub(super) shares: Vec<Share>,
}

/// Where keys stand among those that are asked for.
struct Places<'a> {
    load: &'a Load,
    keys: Vec<Bytes>,
    /// By a hash that nobody can foresee: keys may come from outside.
    seen: HashMap<&'a [u8], usize, RandomState>,
    /// The last version: the next one is probably the same.
    last: Option<(&'a [u8], usize)>,
}

impl Reads {
    pub(super) fn new(large: &Arc<LargeKeys>) -> Self {
        Self {
            large: Arc::clone(large),
            mget: Permission::default(),
        }
    }
}

impl Cargo for Reads {
    const CAPACITY: usize = 256;

    fn weight(command: &Command) -> usize {
        match command {
            // The first version is the same for nearly all.
            Command::GetVersioned(versioned) => versioned.keys().len() - 1,
            other => keys_of(other).len(),
        }
    }

    async fn together(&self, connection: &Arc<Connection>, load: &Load, within: Duration) -> Result<Told, Failure> {
        let asked = Instant::now();
        let Plan { keys, shares } = Plan::of(load);
        let values = self.mget.ask(connection.values(keys, within)).await?;
        note_large(&self.large, load, &shares, &values);
        let answers = Answers::Values(Values::copied(values), shares);
        Ok(look_again(connection, load, answers, asked + within).await.into())
    }
}

/// Notes which keys have large values.
pub(super) fn note_large(large: &LargeKeys, load: &Load, shares: &[Share], values: &[Option<Bytes>]) {
    for (asked, share) in load.asked().iter().zip(shares) {
        for (key, place) in asked.reads().iter().zip(share.places()) {
            let value = values.get(*place).and_then(Option::as_ref);
            large.note(load.slice(key), value.map_or(0, Bytes::len));
        }
    }
}

/// `MGET` says of a key that is no string what it says of one that does not exist; `GET` does not.
async fn look_again(connection: &Connection, load: &Load, mut answers: Answers, until: Instant) -> Answers {
    let doubtful = (0..load.len()).filter(|place| answers.lack_the_value_of(*place));
    let (places, again) = load.commands(doubtful);
    if again.is_empty() {
        return answers;
    }
    let keys = again.iter().filter_map(Command::key).map(Bytes::copy_from_slice);
    let exist = Call::new("EXISTS").keys_of(keys);
    let left = until.saturating_duration_since(Instant::now());
    if let Ok(Reply::Integer(0)) = connection.send(exist.into(), left).await {
        return answers;
    }
    let left = until.saturating_duration_since(Instant::now());
    let outcomes = one_by_one(connection, again, left).await;
    answers.replace(load.len(), places, outcomes);
    answers
}

impl Plan {
    pub(super) fn of<'a>(load: &'a Load) -> Self {
        let mut places = Places {
            load,
            keys: Vec::with_capacity(load.len() + 1),
            seen: HashMap::with_capacity_and_hasher(load.len(), RandomState::default()),
            last: None,
        };
        let mut share = |asked: &'a Asked| match asked {
            Asked::Get(key) => Share::One(places.of(key)),
            Asked::GetMany(keys) | Asked::GetWithTtl(keys) => {
                Share::List(keys.iter().map(|key| places.of(key)).collect())
            }
            Asked::GetVersioned(keys) => {
                let mut own = SmallVec::new();
                for (at, key) in keys.iter().enumerate() {
                    own.push(if at == 1 {
                        places.of_version(key)
                    } else {
                        places.of(key)
                    });
                }
                Share::Versioned(own)
            }
            Asked::Set { .. } | Asked::Nothing => Share::Nothing,
        };
        let shares = load.asked().iter().map(&mut share).collect();
        let keys = places.keys;
        Self { keys, shares }
    }
}

impl<'a> Places<'a> {
    fn of(&mut self, key: &'a Word) -> usize {
        *self.seen.entry(self.load.slice(key)).or_insert_with(|| {
            self.keys.push(self.load.bytes(key));
            self.keys.len() - 1
        })
    }

    fn of_version(&mut self, key: &'a Word) -> usize {
        match self.last {
            Some((last, place)) if last == self.load.slice(key) => place,
            _ => {
                let place = self.of(key);
                self.last = Some((self.load.slice(key), place));
                place
            }
        }
    }
}

pub(super) fn keys_of(command: &Command) -> &[Bytes] {
    match command {
        Command::Get { key } => std::slice::from_ref(key),
        Command::GetMany { keys } | Command::GetWithTtl { keys } => keys,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_asked_for_once_and_every_caller_gets_its_own_answer() {
        let get = |key: &'static str| Command::Get { key: key.into() };
        let many = Command::GetMany {
            keys: vec!["b".into(), "a".into(), "b".into()],
        };
        let load = Load::from_iter([get("a"), get("b"), many, get("a"), get("c")]);
        let Plan { keys, shares } = Plan::of(&load);
        assert_eq!(keys, ["a", "b", "c"]);
        let values = vec![Some(Bytes::from("1")), Some(Bytes::from("2")), None];
        let answers = Answers::Values(Values::copied(values), shares);
        let told: Vec<_> = (0..5).map(|place| answers.of(place).unwrap()).collect();
        let text = |text: &'static str| Reply::Bytes(text.into());
        let many = Reply::Array(vec![text("2"), text("1"), text("2")]);
        assert_eq!(told, [text("1"), text("2"), many, text("1"), Reply::Nil]);
    }
}
