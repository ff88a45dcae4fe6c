//! Reads that leave together: one `MGET` for all, each key asked for once.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

use super::{
    super::{boxes::Outcome, connection::Connection, failure::Failure, large::LargeKeys},
    driver::{Cargo, one_by_one},
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

/// Which value answers which command.
pub(super) struct Plan {
    /// Each key once.
    pub(super) keys: Vec<Bytes>,
    /// For each key of each command, where it stands among those.
    pub(super) places: Vec<usize>,
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

    async fn together(
        &self,
        connection: &Arc<Connection>,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Outcome>, Failure> {
        let asked = Instant::now();
        let Plan { keys, places } = Plan::of(commands);
        let values = self.mget.ask(connection.values(keys, within)).await?;
        for (key, place) in commands.iter().flat_map(keys_of).zip(&places) {
            let value = values.get(*place).and_then(Option::as_ref);
            self.large.note(key, value.map_or(0, Bytes::len));
        }
        let mut outcomes = answers(commands, &places, &values);
        look_again(connection, commands, &mut outcomes, asked + within).await;
        Ok(outcomes)
    }
}

/// `MGET` says of a key that is no string what it says of one that does not exist; `GET` does not.
async fn look_again(connection: &Connection, commands: &[Command], outcomes: &mut [Outcome], until: Instant) {
    let are_doubtful = |(command, outcome): &(&Command, &mut Outcome)| {
        matches!((command, outcome), (Command::Get { .. }, Ok(Reply::Nil)))
    };
    let doubtful = commands.iter().zip(outcomes).filter(are_doubtful);
    let (again, outcomes): (Vec<_>, Vec<_>) = doubtful.map(|(command, outcome)| (command.clone(), outcome)).unzip();
    if again.is_empty() {
        return;
    }
    let keys = again.iter().filter_map(Command::key).cloned();
    let exist = Call::new("EXISTS").keys_of(keys);
    let left = until.saturating_duration_since(Instant::now());
    if let Ok(Reply::Integer(0)) = connection.send(exist.into(), left).await {
        return;
    }
    let left = until.saturating_duration_since(Instant::now());
    for (outcome, answer) in outcomes.into_iter().zip(one_by_one(connection, again, left).await) {
        *outcome = answer;
    }
}

impl Plan {
    pub(super) fn of(commands: &[Command]) -> Self {
        // One buffer for all keys: to share each by itself would take an allocation for each.
        let bytes = commands.iter().flat_map(keys_of).map(Bytes::len).sum();
        let mut buffer = BytesMut::with_capacity(bytes);
        let mut keys = Vec::with_capacity(commands.len() + 1);
        let mut places = Vec::with_capacity(commands.len());
        let mut seen = HashMap::with_capacity(commands.len());
        for key in commands.iter().flat_map(keys_of) {
            let place = *seen.entry(key).or_insert_with(|| {
                buffer.extend_from_slice(key);
                keys.push(buffer.split().freeze());
                keys.len() - 1
            });
            places.push(place);
        }
        Self { keys, places }
    }
}

pub(super) fn keys_of(command: &Command) -> &[Bytes] {
    match command {
        Command::Get { key } => std::slice::from_ref(key),
        Command::GetMany { keys } | Command::GetWithTtl { keys } => keys,
        _ => &[],
    }
}

fn answers(commands: &[Command], places: &[usize], values: &[Option<Bytes>]) -> Vec<Outcome> {
    let mut places = places.iter();
    let mut next = || {
        let value = places.next().and_then(|place| values.get(*place)?.clone());
        value.map_or(Reply::Nil, Reply::Bytes)
    };
    let answer = |command: &Command| {
        Ok(match command {
            Command::GetMany { keys } => Reply::Array(keys.iter().map(|_| next()).collect()),
            _ => next(),
        })
    };
    commands.iter().map(answer).collect()
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
        let commands = [get("a"), get("b"), many, get("a"), get("c")];
        let plan = Plan::of(&commands);
        assert_eq!(plan.keys, ["a", "b", "c"]);
        let values = [Some(Bytes::from("1")), Some(Bytes::from("2")), None];
        let text = |text: &'static str| Reply::Bytes(text.into());
        let told: Vec<_> = answers(&commands, &plan.places, &values)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let many = Reply::Array(vec![text("2"), text("1"), text("2")]);
        assert_eq!(told, [text("1"), text("2"), many, text("1"), Reply::Nil]);
    }
}
