//! Reads for the near cache that leave together: one script tells every value and how long it will live.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    super::{connection::Connection, failure::Failure},
    answers::{Answers, Share},
    driver::{Cargo, Told},
    load::Load,
    permission::Permission,
    reads::{Plan, keys_of},
};
use crate::{command::Command, reply::Reply};

/// Reads of values with their time to live.
#[derive(Debug)]
pub(super) struct ReadsWithTtl {
    script: Permission,
    /// The keys may be in several slots of a cluster.
    is_across: bool,
}

impl ReadsWithTtl {
    pub(super) fn new(is_across: bool) -> Self {
        Self {
            script: Permission::default(),
            is_across,
        }
    }

    async fn exchange(&self, connection: &Connection, keys: Vec<Bytes>, within: Duration) -> Result<Reply, Failure> {
        if self.is_across {
            connection.values_with_ttl_across(keys, within).await
        } else {
            connection.send(Command::GetWithTtl { keys }, within).await
        }
    }
}

impl Cargo for ReadsWithTtl {
    const CAPACITY: usize = 128;

    fn weight(command: &Command) -> usize {
        keys_of(command).len()
    }

    async fn together(&self, connection: &Arc<Connection>, load: &Load, within: Duration) -> Result<Told, Failure> {
        let Plan { keys, shares } = Plan::of(load);
        let found = match self.script.ask(self.exchange(connection, keys, within)).await? {
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
        Ok(Answers::Each(shares.iter().map(answer).collect()).into())
    }
}
