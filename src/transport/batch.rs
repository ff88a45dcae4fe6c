//! Concurrent calls of different tasks that leave in one round trip.
//!
//! fred spends some two microseconds of processor time on a command, whatever it asks for. So plain reads that are asked for while others are under
//! way leave together as one `MGET`, and plain writes as one `MSET` or script. A call that finds hardly anything under way is sent at once, alone. What
//! comes of a batch is told to each caller by itself, exactly as if its command had been alone: where one command cannot say it for all, they are
//! asked again singly, which is harmless because they only read, or certainly did not write.
//!
//! - [`lane`]: what is under way, and what waits;
//! - [`ticket`]: a batch, and a caller's place in it;
//! - [`load`], [`answers`]: what a batch carries, and what came of it;
//! - [`driver`]: the tasks that send batches;
//! - [`reads`], [`reads_with_ttl`], [`writes`]: one command for many;
//! - [`across`]: the same in a cluster, where one command may not cross slots;
//! - [`permission`]: whether the server permits it.

mod across;
mod answers;
mod driver;
mod lane;
mod load;
mod permission;
mod reads;
mod reads_with_ttl;
mod ticket;
mod writes;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::task::AbortHandle;

use self::{
    across::{ReadsAcross, WritesAcross},
    driver::Cargo,
    lane::{Lane, Limits, Turn, Way},
    reads::Reads,
    reads_with_ttl::ReadsWithTtl,
    ticket::Ticket,
    writes::Writes,
};
use super::{
    boxes::{Outcome, Reused},
    connection::Connection,
    failure::Failure,
    knowledge::Knowledge,
    large::LargeKeys,
};
use crate::{
    command::{Command, Expiry, Set},
    config::{Batching, NearPlan, Settings},
    key::key_hash,
};

/// The lanes of one generation.
#[derive(Debug)]
pub(super) struct Batches {
    connection: Arc<Connection>,
    deadline: Duration,
    /// So many lanes there are of each kind.
    count: usize,
    /// Reads of these go by another connection.
    large: Arc<LargeKeys>,
    reads: Vec<Arc<Lane>>,
    /// For the near cache.
    reads_with_ttl: Vec<Arc<Lane>>,
    writes: Vec<Arc<Lane>>,
    drivers: Vec<AbortHandle>,
}

/// So many lanes for reads, and as many for writes. What concerns a key always goes by the same one: so it keeps its order although several batches are under
/// way, and is asked for once.
const LANES: usize = 2;

/// A call that has been sent, or joined a batch.
#[must_use = "futures do nothing unless polled"]
pub(super) enum UnderWay {
    Alone { sent: Reused, _turn: Turn },
    Joined(Ticket),
}

impl Batches {
    /// Starts the lanes in the runtime that this is called in.
    pub(super) fn start(
        settings: &Settings,
        connection: &Arc<Connection>,
        large: &Arc<LargeKeys>,
        knowledge: &Arc<Knowledge>,
    ) -> Self {
        let batching = settings.batching;
        let mut batches = Self {
            connection: Arc::clone(connection),
            deadline: settings.deadline,
            // In a cluster its nodes work at the same time, and more lanes would only make batches smaller.
            count: if settings.is_cluster() { 1 } else { LANES },
            large: Arc::clone(large),
            reads: Vec::new(),
            reads_with_ttl: Vec::new(),
            writes: Vec::new(),
            drivers: Vec::new(),
        };
        if batching != Batching::Off {
            batches.reads = if settings.is_cluster() {
                batches.open(|| ReadsAcross::new(large))
            } else {
                batches.open(|| Reads::new(large))
            };
            if matches!(settings.near, NearPlan::Wanted(_)) {
                batches.reads_with_ttl = batches.open(|| ReadsWithTtl::new(settings.is_cluster()));
            }
        }
        if batching == Batching::On {
            batches.writes = if settings.is_cluster() {
                batches.open(WritesAcross::default)
            } else {
                batches.open(|| Writes::new(knowledge))
            };
        }
        batches
    }

    fn open<C: Cargo>(&mut self, cargo: impl Fn() -> C) -> Vec<Arc<Lane>> {
        let limits = Limits {
            weight: C::weight,
            capacity: C::CAPACITY,
            deadline: self.deadline,
        };
        let lanes: Vec<_> = (0..self.count).map(|_| Arc::new(Lane::new(limits))).collect();
        let drivers = lanes
            .iter()
            .map(|lane| driver::start(lane, cargo(), &self.connection, self.deadline));
        self.drivers.extend(drivers);
        lanes
    }

    /// Sends a command in its lane, at once or with the next batch. Gives it back if it has none, or too many wait there.
    pub(super) fn send(&self, command: Command, key_hash: u32, waker: &Waker) -> Result<UnderWay, Command> {
        let Some(lane) = self.lane_of(&command, key_hash) else {
            return Err(command);
        };
        match lane.enter(&command, waker) {
            Way::Alone(turn) => Ok(UnderWay::Alone {
                sent: self.connection.send_boxed(command, self.deadline),
                _turn: turn,
            }),
            Way::Joined(ticket) => Ok(UnderWay::Joined(ticket)),
            Way::Full => Err(command),
        }
    }

    /// Sends a command with those of others, if it has a lane; by itself otherwise.
    pub(super) async fn send_or_give_back(&self, command: Command) -> Result<Outcome, Command> {
        let key_hash = command.key().map_or(0, key_hash);
        let mut command = Some(command);
        let entered = poll_fn(|context| {
            let sent = command
                .take()
                .map(|command| self.send(command, key_hash, context.waker()));
            Poll::Ready(sent)
        });
        match entered.await {
            Some(Ok(call)) => Ok(call.await),
            Some(Err(command)) => Err(command),
            None => Ok(Err(Failure::lost())),
        }
    }

    /// Says whether there is a lane for such a command.
    pub(super) fn has_lane_for(&self, command: &Command) -> bool {
        self.lane_of(command, 0).is_some()
    }

    fn lane_of(&self, command: &Command, key_hash: u32) -> Option<&Arc<Lane>> {
        let lanes = match command {
            Command::Get { key } if self.large.contains(key) => return None,
            Command::GetVersioned(versioned) if self.large.contains(versioned.key()) => return None,
            Command::Get { .. } | Command::GetVersioned(_) => &self.reads,
            Command::GetMany { keys } if keys.len() <= Reads::CAPACITY => &self.reads,
            Command::GetWithTtl { keys } if keys.len() <= ReadsWithTtl::CAPACITY => &self.reads_with_ttl,
            Command::Set(Set {
                expiry: Expiry::Never | Expiry::In(_),
                condition: None,
                returns_old: false,
                ..
            }) if !command.is_large() => &self.writes,
            _ => return None,
        };
        lanes.get(key_hash as usize % self.count)
    }

    pub(super) fn are_idle(&self) -> bool {
        self.lanes().all(|lane| lane.is_idle())
    }

    /// Lets nobody wait any more.
    pub(super) fn close(&self) {
        self.drivers.iter().for_each(AbortHandle::abort);
        self.lanes().for_each(|lane| lane.close());
    }

    fn lanes(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.reads.iter().chain(&self.reads_with_ttl).chain(&self.writes)
    }
}

impl Future for UnderWay {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match self.get_mut() {
            Self::Alone { sent, .. } => Pin::new(sent).poll(context),
            Self::Joined(ticket) => Pin::new(ticket).poll(context),
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.close();
    }
}
