//! Calls of one kind that wait for each other.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::ticket::{Batch, Ticket};
use crate::command::Command;

/// Counts what is under way, and gathers what waits.
#[derive(Debug)]
pub(super) struct Lane {
    limits: Limits,
    queue: Mutex<Queue>,
    /// Held from when a batch is taken until it is in the client's queue.
    order: Arc<Mutex<()>>,
    /// For the driver.
    arrival: Notify,
}

/// What a lane's batches may hold, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How much of a batch a command fills.
    pub(super) weight: fn(&Command) -> usize,
    pub(super) capacity: usize,
    pub(super) deadline: Duration,
}

#[derive(Debug)]
struct Queue {
    /// Batches that nobody joins any more, oldest first.
    full: VecDeque<Arc<Batch>>,
    open: Arc<Batch>,
    /// How much is in the open one.
    weight: usize,
    /// How many calls wait.
    waiting: usize,
    /// Calls and batches that were sent and not answered yet.
    under_way: usize,
    /// So many call at the same time that alone they would be in each other's way.
    is_crowded: bool,
    /// The driver waits for work.
    is_idle: bool,
    /// When the clock was last read. While anything waits that is not long ago.
    now: Instant,
    is_closed: bool,
}

/// How a call goes.
pub(super) enum Way {
    /// At once, because nothing is under way.
    Alone(Turn),
    Joined(Ticket),
    /// By itself, because as many wait as may.
    Full,
}

/// Counts a call, or a batch, as under way as long as it is.
#[derive(Debug)]
pub(in super::super) struct Turn(Arc<Lane>);

/// So many calls go alone at the same time before others wait for each other: to wait pays only if more than a few leave together.
const ALONE: usize = 2;

/// So many calls of a lane wait at most; each is somebody's who waits anyway.
const WAITING: usize = 64 * 1024;

impl Lane {
    pub(super) fn new(limits: Limits) -> Self {
        let order = Arc::<Mutex<()>>::default();
        Self {
            limits,
            queue: Mutex::new(Queue {
                full: VecDeque::new(),
                open: Batch::new(&order),
                weight: 0,
                waiting: 0,
                under_way: 0,
                is_crowded: false,
                is_idle: false,
                now: Instant::now(),
                is_closed: false,
            }),
            order,
            arrival: Notify::new(),
        }
    }

    /// Lets a call go alone if hardly anything is under way, and otherwise with the next batch.
    pub(super) fn enter(self: &Arc<Self>, command: &Command, waker: &Waker) -> Way {
        let mut queue = self.queue();
        let may_go_alone = queue.under_way == 0 || (queue.under_way < ALONE && !queue.is_crowded);
        if may_go_alone && queue.waiting == 0 {
            queue.under_way += 1;
            drop(queue);
            return Way::Alone(Turn(Arc::clone(self)));
        }
        if queue.waiting == WAITING || queue.is_closed {
            return Way::Full;
        }
        if queue.is_idle {
            queue.now = Instant::now();
        }
        let weight = (self.limits.weight)(command);
        if queue.weight > 0 && queue.weight + weight > self.limits.capacity {
            let full = queue.renew();
            queue.full.push_back(full);
        }
        queue.weight += weight;
        queue.waiting += 1;
        let ticket = queue.open.join(command, queue.now + self.limits.deadline, waker);
        let was_idle = mem::take(&mut queue.is_idle);
        drop(queue);
        if was_idle {
            self.arrival.notify_one();
        }
        Way::Joined(ticket)
    }

    /// Returns when the driver has something to do.
    pub(super) async fn work(&self) {
        {
            let mut queue = self.queue();
            if queue.waiting > 0 {
                return;
            }
            queue.is_idle = true;
        }
        self.arrival.notified().await;
    }

    /// Held from when a batch is taken until it is in the client's queue.
    pub(super) fn order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next batch.
    pub(super) fn take(self: &Arc<Self>) -> Option<(Arc<Batch>, Turn)> {
        let mut queue = self.queue();
        if queue.waiting == 0 {
            return None;
        }
        queue.now = Instant::now();
        queue.under_way += 1;
        let batch = match queue.full.pop_front() {
            Some(full) => full,
            None => queue.renew(),
        };
        let members = batch.len();
        queue.waiting -= members;
        queue.is_crowded = members > ALONE;
        Some((batch, Turn(Arc::clone(self))))
    }

    /// Tells those whose time is up, of a batch under way and of all that wait.
    pub(super) fn expire(&self, under_way: &Batch) {
        let mut queue = self.queue();
        let now = Instant::now();
        queue.now = now;
        let waiting = queue.full.iter().chain([&queue.open]);
        let late: Vec<_> = waiting
            .map(AsRef::as_ref)
            .chain([under_way])
            .flat_map(|batch| batch.expire(now))
            .collect();
        drop(queue);
        late.into_iter().for_each(Waker::wake);
    }

    pub(super) fn is_idle(&self) -> bool {
        let queue = self.queue();
        queue.waiting == 0 && queue.under_way == 0
    }

    /// Lets nobody wait any more.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.is_closed = true;
        queue.waiting = 0;
        let open = queue.renew();
        let lost: Vec<_> = queue.full.drain(..).chain([open]).collect();
        drop(queue);
        for batch in lost {
            batch.lose();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Opens another batch, and returns the one that was open.
    fn renew(&mut self) -> Arc<Batch> {
        self.weight = 0;
        // The next one is probably as large.
        let another = self.open.another();
        mem::replace(&mut self.open, another)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.queue().under_way -= 1;
    }
}
