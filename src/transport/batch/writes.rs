//! Writes that leave together.

use std::{sync::Arc, time::Duration};

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
    command::{Command, Expiry},
    reply::Reply,
};

/// The writes of one connection.
#[derive(Debug)]
pub(super) struct Writes {
    connection: Arc<Connection>,
}

impl Writes {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        Self {
            connection: Arc::clone(connection),
        }
    }

    async fn one_by_one(&self, commands: Vec<Command>, within: Duration) -> Vec<Outcome> {
        let sending = commands.into_iter().map(|command| self.alone(command, within));
        in_order(sending.collect()).await
    }
}

impl Cargo for Writes {
    const CAPACITY: usize = 256 * 1024;

    fn weight(command: &Command) -> usize {
        command.payload_len() + 64
    }

    fn alone(&self, command: Command, within: Duration) -> Reused {
        self.connection.send_boxed(command, within)
    }

    async fn together(&self, commands: Vec<Command>, within: Duration) -> Vec<Outcome> {
        let are_plain = commands
            .iter()
            .all(|command| matches!(command, Command::Set(set) if set.expiry == Expiry::Never));
        if commands.len() < 2 || !are_plain {
            return self.one_by_one(commands, within).await;
        }
        let pairs = commands.iter().filter_map(|command| match command {
            Command::Set(set) => Some((set.key.clone(), set.value.clone())),
            _ => None,
        });
        let all = Command::SetMany {
            pairs: pairs.collect(),
            ttl: None,
        };
        match self.connection.send(all, within).await {
            Ok(_done) => commands.iter().map(|_| Ok(Reply::Ok)).collect(),
            Err(Failure::Replied(_)) => self.one_by_one(commands, within).await,
            Err(failure) => commands.iter().map(|_| Err(failure.clone())).collect(),
        }
    }
}
