//! Reads that leave together: one `MGET` for all, each key asked for once.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use foldhash::fast::RandomState;

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
        keys_of(command).len()
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
    let keys = again.iter().filter_map(Command::key).cloned();
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
        let asked = load.asked();
        let mut keys = Vec::with_capacity(asked.len() + 1);
        // A hash that nobody can foresee: keys may come from outside.
        let mut seen = HashMap::with_capacity_and_hasher(asked.len(), RandomState::default());
        let mut place = |key: &'a Word| {
            *seen.entry(load.slice(key)).or_insert_with(|| {
                keys.push(load.bytes(key));
                keys.len() - 1
            })
        };
        let mut share = |asked: &'a Asked| match asked {
            Asked::Get(key) => Share::One(place(key)),
            Asked::GetMany(keys) | Asked::GetWithTtl(keys) => Share::List(keys.iter().map(&mut place).collect()),
            Asked::Set { .. } | Asked::Nothing => Share::Nothing,
        };
        let shares = asked.iter().map(&mut share).collect();
        Self { keys, shares }
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
