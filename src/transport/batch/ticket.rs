//! Calls that leave together, and how each of them gets its own answer.

use std::{
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::super::{boxes::Outcome, failure::Failure, wire};
use crate::command::Command;

/// Calls that leave together. Whoever has joined it is its member.
#[derive(Debug)]
pub(super) struct Batch {
    members: Mutex<Members>,
    /// One for each member, in their order.
    outcomes: OnceLock<Vec<Outcome>>,
    /// So many of the first members have run out of time.
    expired: AtomicUsize,
    /// Held while any batch of the lane is taken and sent.
    order: Arc<Mutex<()>>,
}

/// What is known of each member, in their order.
#[derive(Debug, Default)]
struct Members {
    /// `None` where nobody waits any more. All are gone once they are sent.
    commands: Vec<Option<Command>>,
    wakers: Vec<Waker>,
    /// When their time is up; never earlier than the one before.
    due: Vec<Instant>,
    /// The places of those that have gone since they were sent.
    gone: Vec<usize>,
    /// There will be no answer.
    are_lost: bool,
}

/// A member's place in its batch, and its answer.
///
/// # Cancel safety
///
/// Dropping it takes back what was not sent yet. Whatever its caller asks for next comes after what was.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub(in super::super) struct Ticket {
    batch: Arc<Batch>,
    place: usize,
    is_over: bool,
}

impl Batch {
    /// Makes a batch with room for so many, at first.
    pub(super) fn new(order: &Arc<Mutex<()>>, room: usize) -> Arc<Self> {
        Arc::new(Self {
            members: Mutex::new(Members {
                commands: Vec::with_capacity(room),
                wakers: Vec::with_capacity(room),
                due: Vec::with_capacity(room),
                ..Members::default()
            }),
            outcomes: OnceLock::new(),
            expired: AtomicUsize::new(0),
            order: Arc::clone(order),
        })
    }

    pub(super) fn join(self: &Arc<Self>, command: Command, due: Instant, waker: &Waker) -> Ticket {
        let mut members = self.members();
        let place = members.commands.len();
        members.commands.push(Some(command));
        members.wakers.push(waker.clone());
        members.due.push(due);
        Ticket {
            batch: Arc::clone(self),
            place,
            is_over: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.members().commands.len()
    }

    /// Takes what is to be sent.
    pub(super) fn take(&self) -> Vec<Option<Command>> {
        mem::take(&mut self.members().commands)
    }

    /// Takes those out that have gone, or have run out of time.
    pub(super) fn without_gone(&self, mut commands: Vec<Option<Command>>) -> Vec<Option<Command>> {
        let members = self.members();
        let expired = 0..self.expired.load(SeqCst);
        for place in members.gone.iter().copied().chain(expired) {
            if let Some(command) = commands.get_mut(place) {
                *command = None;
            }
        }
        commands
    }

    /// Gives each member its outcome.
    pub(super) fn tell(&self, outcomes: Vec<Outcome>) {
        if self.outcomes.set(outcomes).is_ok() {
            self.wake();
        }
    }

    /// Tells all that there will be no answer, unless there is.
    pub(super) fn lose(&self) {
        self.members().are_lost = true;
        self.wake();
    }

    /// Takes back what was not sent in time, and returns whom to tell.
    pub(super) fn expire(&self, now: Instant) -> Vec<Waker> {
        let mut members = self.members();
        let late = members.due.partition_point(|due| *due <= now);
        let known = self.expired.swap(late, SeqCst);
        let unsent = members.commands.iter_mut().take(late);
        unsent.for_each(|command| *command = None);
        let wakers = members.wakers.iter().take(late).skip(known);
        wakers.cloned().collect()
    }

    fn wake(&self) {
        let wakers = mem::take(&mut self.members().wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    fn outcome(&self) -> Option<Outcome> {
        match self.batch.outcomes.get() {
            // Without touching the reference count of the read buffer, which all members share.
            Some(outcomes) => Some(match outcomes.get(self.place) {
                Some(Ok(reply)) => Ok(wire::copied(reply)),
                Some(Err(failure)) => Err(failure.clone()),
                None => Err(Failure::lost()),
            }),
            None => (self.place < self.batch.expired.load(SeqCst)).then_some(Err(Failure::Timeout)),
        }
    }
}

impl Future for Ticket {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut outcome = self.outcome();
        if outcome.is_none() {
            let mut members = self.batch.members();
            if let Some(waker) = members.wakers.get_mut(self.place) {
                waker.clone_from(context.waker());
            }
            let are_lost = members.are_lost;
            drop(members);
            // What came meanwhile may have woken the other waker.
            outcome = self.outcome().or_else(|| are_lost.then(|| Err(Failure::lost())));
        }
        self.is_over = outcome.is_some();
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut members = self.batch.members();
        if let Some(command) = members.commands.get_mut(self.place) {
            *command = None;
        } else {
            // It is being sent, or was.
            members.gone.push(self.place);
            drop(members);
            drop(self.batch.order.lock());
        }
    }
}
