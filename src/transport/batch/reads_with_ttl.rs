//! Reads for the near cache that leave together: one script tells every value and how long it will live.

use std::{sync::Arc, time::Duration};

use super::{
    super::{boxes::Outcome, connection::Connection, failure::Failure},
    driver::Cargo,
    permission::Permission,
    reads::{Plan, keys_of},
};
use crate::{command::Command, reply::Reply};

/// Reads of values with their time to live.
#[derive(Debug, Default)]
pub(super) struct ReadsWithTtl {
    script: Permission,
}

impl Cargo for ReadsWithTtl {
    const CAPACITY: usize = 128;

    fn weight(command: &Command) -> usize {
        keys_of(command).len()
    }

    async fn together(
        &self,
        connection: &Arc<Connection>,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Outcome>, Failure> {
        let Plan { keys, places } = Plan::of(commands);
        let asked = connection.send(Command::GetWithTtl { keys }, within);
        let found = match self.script.ask(asked).await? {
            Reply::Array(found) => found,
            other => return Err(Failure::Replied(other.unexpected("values and times"))),
        };
        let mut places = places.into_iter();
        let answer = |command: &Command| {
            let places = places.by_ref().take(keys_of(command).len());
            let pairs = places.flat_map(|place| found.iter().skip(2 * place).take(2).cloned());
            Ok(Reply::Array(pairs.collect()))
        };
        Ok(commands.iter().map(answer).collect())
    }
}
