//! Reads for the near cache that leave together: one script tells every value and how long it will live.

use std::{sync::Arc, time::Duration};

use super::{
    super::{connection::Connection, failure::Failure},
    answers::{Answers, Share},
    driver::Cargo,
    load::Load,
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

    async fn together(&self, connection: &Arc<Connection>, load: &Load, within: Duration) -> Result<Answers, Failure> {
        let Plan { keys, shares } = Plan::of(load);
        let asked = connection.send(Command::GetWithTtl { keys }, within);
        let found = match self.script.ask(asked).await? {
            Reply::Array(found) => found,
            other => return Err(Failure::Replied(other.unexpected("values and times"))),
        };
        let answer = |share: &Share| {
            let pairs = share
                .places()
                .iter()
                .flat_map(|place| found.iter().skip(2 * place).take(2));
            Ok(Reply::Array(pairs.cloned().collect()))
        };
        Ok(Answers::Each(shares.iter().map(answer).collect()))
    }
}
