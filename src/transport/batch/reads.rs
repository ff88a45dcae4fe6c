//! Reads that leave together: one `MGET` for all, each key asked for once.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    super::{
        boxes::{Outcome, Reused},
        connection::Connection,
        failure::Failure,
        pipeline::in_order,
    },
    lane::Cargo,
};
use crate::{
    command::{Call, Command},
    error::ErrorKind,
    reply::Reply,
};

/// The reads of one connection.
#[derive(Debug)]
pub(super) struct Reads {
    connection: Arc<Connection>,
    /// `MGET` is not permitted here.
    is_refused: AtomicBool,
}

/// Which value answers which command.
struct Plan {
    /// Each key once.
    keys: Vec<Bytes>,
    /// For each key of each command, where it stands among those.
    places: Vec<usize>,
}

impl Reads {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        Self {
            connection: Arc::clone(connection),
            is_refused: AtomicBool::new(false),
        }
    }

    async fn one_by_one(&self, commands: Vec<Command>, within: Duration) -> Vec<Outcome> {
        let sending = commands.into_iter().map(|command| self.alone(command, within));
        in_order(sending.collect()).await
    }

    /// `MGET` says of a key that is no string what it says of one that does not exist; `GET` does not.
    async fn look_again(&self, commands: Vec<Command>, outcomes: &mut [Outcome], within: Duration) {
        let is_doubtful = |(command, outcome): &(Command, &mut Outcome)| {
            matches!((command, outcome), (Command::Get { .. }, Ok(Reply::Nil)))
        };
        let (again, outcomes): (Vec<_>, Vec<_>) = commands.into_iter().zip(outcomes).filter(is_doubtful).unzip();
        if again.is_empty() {
            return;
        }
        let keys = again.iter().filter_map(Command::key).cloned();
        let exist = Command::from(keys.fold(Call::new("EXISTS"), Call::key));
        if let Ok(Reply::Integer(0)) = self.connection.send(exist, within).await {
            return;
        }
        for (outcome, answer) in outcomes.into_iter().zip(self.one_by_one(again, within).await) {
            *outcome = answer;
        }
    }
}

impl Cargo for Reads {
    const CAPACITY: usize = 256;

    fn weight(command: &Command) -> usize {
        match command {
            Command::GetMany { keys } => keys.len(),
            _ => 1,
        }
    }

    fn alone(&self, command: Command, within: Duration) -> Reused {
        self.connection.send_boxed(command, within)
    }

    async fn together(&self, commands: Vec<Command>, within: Duration) -> Vec<Outcome> {
        if commands.len() < 2 || self.is_refused.load(Relaxed) {
            return self.one_by_one(commands, within).await;
        }
        let asked = Instant::now();
        let Plan { keys, places } = Plan::of(&commands);
        match self.connection.send(Command::GetMany { keys }, within).await {
            Ok(Reply::Array(values)) => {
                let mut outcomes = answers(&commands, &places, &values);
                let left = within.saturating_sub(asked.elapsed());
                self.look_again(commands, &mut outcomes, left).await;
                outcomes
            }
            Ok(other) => {
                let failure = Failure::Replied(other.unexpected("a list of values"));
                commands.iter().map(|_| Err(failure.clone())).collect()
            }
            // One key may be the reason, or the command.
            Err(Failure::Replied(error)) => {
                if error.kind() == ErrorKind::Auth && error.message().contains("command") {
                    self.is_refused.store(true, Relaxed);
                }
                let left = within.saturating_sub(asked.elapsed());
                self.one_by_one(commands, left).await
            }
            Err(failure) => commands.iter().map(|_| Err(failure.clone())).collect(),
        }
    }
}

impl Plan {
    fn of(commands: &[Command]) -> Self {
        let mut keys = Vec::with_capacity(commands.len() + 1);
        let mut places = Vec::with_capacity(commands.len());
        let mut seen = HashMap::with_capacity(commands.len());
        for key in commands.iter().flat_map(keys_of) {
            let place = *seen.entry(key).or_insert_with(|| {
                keys.push(key.clone());
                keys.len() - 1
            });
            places.push(place);
        }
        Self { keys, places }
    }
}

fn keys_of(command: &Command) -> &[Bytes] {
    match command {
        Command::Get { key } => std::slice::from_ref(key),
        Command::GetMany { keys } => keys,
        _ => &[],
    }
}

fn answers(commands: &[Command], places: &[usize], values: &[Reply]) -> Vec<Outcome> {
    let mut places = places.iter();
    let mut next = || {
        let value = places.next().and_then(|place| values.get(*place));
        value.cloned().unwrap_or(Reply::Nil)
    };
    let answer = |command: &Command| {
        Ok(match command {
            Command::GetMany { keys } => Reply::Array(keys.iter().map(|_| next()).collect()),
            _ => next(),
        })
    };
    commands.iter().map(answer).collect()
}
