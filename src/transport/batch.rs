//! Concurrent calls of different tasks that leave in one round trip.
//!
//! fred spends some two microseconds of processor time on a command, whatever it asks for. So plain reads that are asked for while another is under
//! way leave together as one `MGET`, and plain writes as one `MSET` or script. A call that finds nothing under way is sent at once, alone. What
//! comes of a batch is told to each caller by itself, exactly as if its command had been alone: where one command cannot say it for all, they are
//! asked again singly, which is harmless because they only read, or certainly did not write.

mod lane;
mod reads;
mod writes;

use std::{sync::Arc, time::Duration};

pub(super) use self::lane::{Ticket, Turn};
use self::{lane::Lane, reads::Reads, writes::Writes};
use super::{boxes::Sending, connection::Connection};
use crate::{
    command::{Command, Expiry, Set},
    config::Batching,
};

/// The lanes of one generation.
#[derive(Debug)]
pub(super) struct Batches {
    reads: Option<Lane<Reads>>,
    writes: Option<Lane<Writes>>,
}

/// Larger values go alone: they would hold up those that leave with them.
const LARGEST: usize = 16 * 1024;

impl Batches {
    /// Starts the lanes in the runtime that this is called in.
    pub(super) fn start(batching: Batching, connection: &Arc<Connection>, deadline: Duration) -> Self {
        let reads = (batching != Batching::Off).then(|| Lane::start(Reads, connection, deadline));
        let writes = (batching == Batching::On).then(|| Lane::start(Writes::default(), connection, deadline));
        Self { reads, writes }
    }

    /// Sends a command in its lane, at once or with the next batch. Gives it back if it has to go alone anyway.
    pub(super) fn send(&self, command: Command, within: Duration) -> Result<Sending<'_>, Command> {
        match &command {
            Command::Get { .. } | Command::GetMany { .. } => match &self.reads {
                Some(lane) => Ok(lane.send(command, within)),
                None => Err(command),
            },
            Command::Set(Set {
                key,
                value,
                expiry: Expiry::Never | Expiry::In(_),
                condition: None,
                returns_old: false,
            }) if key.len() + value.len() <= LARGEST => match &self.writes {
                Some(lane) => Ok(lane.send(command, within)),
                None => Err(command),
            },
            _ => Err(command),
        }
    }

    /// Lets nobody wait any more.
    pub(super) fn close(&self) {
        if let Some(lane) = &self.reads {
            lane.close();
        }
        if let Some(lane) = &self.writes {
            lane.close();
        }
    }
}
