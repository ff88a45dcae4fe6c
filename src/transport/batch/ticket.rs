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

use super::{
    super::{boxes::Outcome, failure::Failure},
    answers::Answers,
    load::{Hold, Load},
};
use crate::command::Command;

/// Calls that leave together. Whoever has joined it is its member.
#[derive(Debug)]
pub(super) struct Batch {
    members: Mutex<Members>,
    answers: OnceLock<Answers>,
    /// So many of the first members have run out of time.
    expired: AtomicUsize,
    /// Held while any batch of the lane is taken and sent.
    order: Arc<Mutex<()>>,
}

/// What is known of the members.
#[derive(Debug, Default)]
struct Members {
    /// What they ask for; nothing once it is sent.
    hold: Hold,
    /// In their order; nobody once they have been woken.
    waiting: Vec<Waiting>,
    /// The places of those that have gone since they were sent.
    gone: Vec<usize>,
    /// There will be no answer.
    are_lost: bool,
}

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    /// When its time is up; never earlier than that of the one before.
    due: Instant,
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
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Whoever polls it first has just left a waker.
    New,
    Waits,
    Over,
}

impl Batch {
    /// Makes an empty batch.
    pub(super) fn new(order: &Arc<Mutex<()>>) -> Arc<Self> {
        Arc::new(Self::with(order, Members::default()))
    }

    /// Makes an empty batch with room for about as much as this one holds.
    pub(super) fn another(&self) -> Arc<Self> {
        let members = self.members();
        let empty = Members {
            hold: Hold::like(&members.hold),
            waiting: Vec::with_capacity(members.waiting.len()),
            ..Members::default()
        };
        Arc::new(Self::with(&self.order, empty))
    }

    fn with(order: &Arc<Mutex<()>>, members: Members) -> Self {
        Self {
            members: Mutex::new(members),
            answers: OnceLock::new(),
            expired: AtomicUsize::new(0),
            order: Arc::clone(order),
        }
    }

    /// Puts a command in. The ticket is to be polled with that waker at once.
    pub(super) fn join(self: &Arc<Self>, command: &Command, due: Instant, waker: &Waker) -> Ticket {
        let mut members = self.members();
        let place = members.hold.len();
        members.hold.put(command);
        members.waiting.push(Waiting {
            waker: waker.clone(),
            due,
        });
        Ticket {
            batch: Arc::clone(self),
            place,
            progress: Progress::New,
        }
    }

    /// Returns how many have joined it, until it is taken.
    pub(super) fn len(&self) -> usize {
        self.members().hold.len()
    }

    /// Takes what is to be sent.
    pub(super) fn take(&self) -> Load {
        self.members().hold.take()
    }

    /// Takes those out that have gone, or have run out of time.
    pub(super) fn without_gone(&self, mut load: Load) -> Load {
        let members = self.members();
        let expired = 0..self.expired.load(SeqCst);
        let gone = members.gone.iter().copied().chain(expired);
        gone.for_each(|place| load.take_out(place));
        load
    }

    /// Gives each member its answer.
    pub(super) fn tell(&self, answers: Answers) {
        if self.answers.set(answers).is_ok() {
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
        let late = members.waiting.partition_point(|waiting| waiting.due <= now);
        let known = self.expired.fetch_max(late, SeqCst);
        for place in known..late {
            members.hold.take_out(place);
        }
        let late = members.waiting.iter().take(late).skip(known);
        late.map(|waiting| waiting.waker.clone()).collect()
    }

    fn wake(&self) {
        let waiting = mem::take(&mut self.members().waiting);
        waiting.into_iter().for_each(|waiting| waiting.waker.wake());
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    fn outcome(&self) -> Option<Outcome> {
        if self.place < self.batch.expired.load(SeqCst) {
            return Some(Err(Failure::Timeout));
        }
        Some(self.batch.answers.get()?.of(self.place))
    }

    /// Leaves a waker for the answer. Says whether there can still be one.
    fn wait(&self, waker: &Waker) -> bool {
        let mut members = self.batch.members();
        if let Some(waiting) = members.waiting.get_mut(self.place) {
            waiting.waker.clone_from(waker);
        }
        !members.are_lost
    }
}

impl Future for Ticket {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut outcome = self.outcome();
        if outcome.is_none() && self.progress != Progress::New {
            let can_come = self.wait(context.waker());
            // What came meanwhile may have woken the other waker.
            outcome = self.outcome().or_else(|| (!can_come).then(|| Err(Failure::lost())));
        }
        self.progress = if outcome.is_some() {
            Progress::Over
        } else {
            Progress::Waits
        };
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.progress == Progress::Over {
            return;
        }
        let mut members = self.batch.members();
        if !members.hold.take_out(self.place) {
            // It is being sent, or was.
            members.gone.push(self.place);
            drop(members);
            drop(self.batch.order.lock());
        }
    }
}
