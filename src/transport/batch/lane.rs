//! Calls of one kind that wait for each other.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, oneshot},
    task::{AbortHandle, yield_now},
    time::timeout,
};

use super::super::{
    boxes::{Outcome, Sending},
    connection::Connection,
    failure::Failure,
    pipeline::in_order,
    wire,
};
use crate::{
    command::Command,
    error::{Error, ErrorKind},
};

/// What travels in a lane.
pub(super) trait Cargo: Send + Sync + 'static {
    /// Sends commands together, and returns as many outcomes, in their order.
    ///
    /// # Errors
    ///
    /// - The server has refused all at once: nothing has been done, and each may be sent by itself.
    /// - What has failed for all: the connection, or time is up.
    fn together(
        &self,
        connection: &Connection,
        commands: &[Command],
        within: Duration,
    ) -> impl Future<Output = Result<Vec<Outcome>, Failure>> + Send;

    /// Returns how much of a batch a command fills.
    fn weight(command: &Command) -> usize;

    /// How much fits into a batch.
    const CAPACITY: usize;
}

/// A queue, and the tasks that send what is in it. Dropping it releases whoever waits.
pub(super) struct Lane<C> {
    shared: Arc<Shared<C>>,
    drivers: [AbortHandle; DRIVERS],
}

struct Shared<C> {
    cargo: C,
    connection: Arc<Connection>,
    /// What this lane sends is not permitted here.
    is_refused: AtomicBool,
    deadline: Duration,
    queue: Mutex<Queue>,
    /// Held from when a batch is taken until it is in the client's queue, so that batches arrive in the order in which they were taken.
    order: Mutex<()>,
    /// One for each driver.
    calls: [Notify; DRIVERS],
}

struct Queue {
    waiting: Vec<Entry>,
    /// Of all that wait.
    weight: usize,
    /// Calls and batches that were sent and not answered yet.
    under_way: usize,
    /// Drivers without work.
    idle: Vec<usize>,
    /// When it was last looked at the clock. While anything waits that is not long ago.
    now: Instant,
    is_closed: bool,
}

struct Entry {
    command: Command,
    waiter: Waiter,
}

struct Waiter {
    due: Instant,
    answer: oneshot::Sender<Outcome>,
}

/// A call's answer, which comes with its batch.
#[must_use = "futures do nothing unless polled"]
pub(in super::super) struct Ticket<'a> {
    answer: oneshot::Receiver<Outcome>,
    /// Held while a batch is sent.
    order: &'a Mutex<()>,
    is_over: bool,
}

/// Counts a call that is under way alone, as long as it is.
pub(in super::super) struct Turn<'a>(&'a Mutex<Queue>);

/// So many batches of a lane are under way at most.
const DRIVERS: usize = 2;

/// How often it is looked whose deadline has passed, in the time of a deadline.
const LOOKS: u32 = 32;

impl<C: Cargo> Lane<C> {
    pub(super) fn start(cargo: C, connection: &Arc<Connection>, deadline: Duration) -> Self {
        let shared = Arc::new(Shared {
            cargo,
            connection: Arc::clone(connection),
            is_refused: AtomicBool::new(false),
            deadline,
            queue: Mutex::new(Queue {
                waiting: Vec::new(),
                weight: 0,
                under_way: 0,
                idle: Vec::with_capacity(DRIVERS),
                now: Instant::now(),
                is_closed: false,
            }),
            order: Mutex::new(()),
            calls: std::array::from_fn(|_| Notify::new()),
        });
        let drivers = std::array::from_fn(|number| tokio::spawn(drive(Arc::clone(&shared), number)).abort_handle());
        Self { shared, drivers }
    }

    /// Sends a command alone if nothing is under way, otherwise with the next batch.
    pub(super) fn send(&self, command: Command, within: Duration) -> Sending<'_> {
        let shared = &*self.shared;
        let mut queue = shared.queue();
        if queue.under_way == 0 && queue.waiting.is_empty() {
            queue.under_way = 1;
            drop(queue);
            return Sending::Alone {
                sent: shared.connection.send_boxed(command, within),
                _turn: Turn(&shared.queue),
            };
        }
        let (answer, receiver) = oneshot::channel();
        let driver = queue.push::<C>(command, within, answer);
        drop(queue);
        if let Some(call) = driver.and_then(|driver| shared.calls.get(driver)) {
            call.notify_one();
        }
        Sending::Joined(Ticket {
            answer: receiver,
            order: &shared.order,
            is_over: false,
        })
    }

    pub(super) fn close(&self) {
        for driver in &self.drivers {
            driver.abort();
        }
        let mut queue = self.shared.queue();
        queue.is_closed = true;
        queue.waiting.clear();
    }
}

impl<C> Drop for Lane<C> {
    fn drop(&mut self) {
        for driver in &self.drivers {
            driver.abort();
        }
    }
}

impl Queue {
    /// Adds a call, and returns a driver that is to be told of it. A closed queue drops it at once.
    fn push<C: Cargo>(
        &mut self,
        command: Command,
        within: Duration,
        answer: oneshot::Sender<Outcome>,
    ) -> Option<usize> {
        if self.is_closed {
            return None;
        }
        if self.idle.len() == DRIVERS {
            self.now = Instant::now();
        }
        self.weight += C::weight(&command);
        let due = self.now + within;
        let waiter = Waiter { due, answer };
        self.waiting.push(Entry { command, waiter });
        self.idle.pop()
    }

    /// Takes what the next batch holds, without those that nobody waits for any more.
    fn take<C: Cargo>(&mut self) -> Vec<Entry> {
        self.now = Instant::now();
        if self.weight <= C::CAPACITY {
            self.weight = 0;
            return std::mem::take(&mut self.waiting);
        }
        let mut room = C::CAPACITY;
        let mut fits = |entry: &Entry| {
            let left = room.checked_sub(C::weight(&entry.command));
            room = left.unwrap_or_default();
            left.is_some()
        };
        let count = self
            .waiting
            .iter()
            .map_while(|entry| fits(entry).then_some(()))
            .count()
            .max(1);
        let rest = self.waiting.split_off(count);
        let taken = std::mem::replace(&mut self.waiting, rest);
        self.weight -= taken.iter().map(|entry| C::weight(&entry.command)).sum::<usize>();
        taken
    }
}

async fn drive<C: Cargo>(shared: Arc<Shared<C>>, number: usize) {
    loop {
        shared.wait_for_work(number).await;
        // Others that are ready join first.
        yield_now().await;
        shared.send_batch().await;
    }
}

impl<C: Cargo> Shared<C> {
    async fn wait_for_work(&self, number: usize) {
        let Some(call) = self.calls.get(number) else {
            return std::future::pending().await;
        };
        {
            let mut queue = self.queue();
            if !queue.waiting.is_empty() {
                return;
            }
            queue.idle.push(number);
        }
        call.notified().await;
    }

    /// Takes a batch, sends it, and hands out what comes of it.
    async fn send_batch(&self) {
        let mut waiters = Vec::new();
        let mut sent = pin!(None);
        // The first poll puts the batch into the client's queue.
        let first = poll_fn(|context| {
            let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            let mut queue = self.queue();
            let entries = queue.take::<C>();
            if entries.is_empty() {
                return Poll::Ready(None);
            }
            queue.under_way += 1;
            drop(queue);
            let mut commands = Vec::with_capacity(entries.len());
            waiters.reserve_exact(entries.len());
            for Entry { command, waiter } in entries {
                if !waiter.answer.is_closed() {
                    commands.push(command);
                    waiters.push(Some(waiter));
                }
            }
            sent.set(Some(self.exchange(commands)));
            match sent.as_mut().as_pin_mut() {
                Some(sent) => Poll::Ready(Some(sent.poll(context))),
                None => Poll::Ready(None),
            }
        })
        .await;
        let Some(first) = first else { return };
        let _turn = Turn(&self.queue);
        let outcomes = match (first, sent.as_mut().as_pin_mut()) {
            (Poll::Ready(outcomes), _) => outcomes,
            (Poll::Pending, Some(mut sent)) => loop {
                match timeout(self.deadline / LOOKS, &mut sent).await {
                    Ok(outcomes) => break outcomes,
                    Err(_) => self.expire(&mut waiters),
                }
            },
            (Poll::Pending, None) => return,
        };
        for (waiter, outcome) in waiters.into_iter().zip(outcomes) {
            if let Some(waiter) = waiter {
                // Whoever has gone needs no answer.
                drop(waiter.answer.send(outcome));
            }
        }
    }

    /// Sends commands together, or one by one where that does not work.
    async fn exchange(&self, commands: Vec<Command>) -> Vec<Outcome> {
        let (asked, within) = (Instant::now(), self.deadline);
        if commands.len() < 2 || self.is_refused.load(Relaxed) {
            return one_by_one(&self.connection, commands, within).await;
        }
        match self.cargo.together(&self.connection, &commands, within).await {
            Ok(outcomes) => outcomes,
            Err(Failure::Replied(error)) => {
                if is_of_the_command(&error) {
                    self.is_refused.store(true, Relaxed);
                }
                one_by_one(&self.connection, commands, within.saturating_sub(asked.elapsed())).await
            }
            Err(failure) => commands.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    /// Tells those whose time is up, in a batch and in the queue.
    fn expire(&self, waiters: &mut [Option<Waiter>]) {
        let mut queue = self.queue();
        queue.now = Instant::now();
        let now = queue.now;
        let is_due = |waiter: &Waiter| waiter.due <= now;
        let late: Vec<_> = queue.waiting.extract_if(.., |entry| is_due(&entry.waiter)).collect();
        queue.weight -= late.iter().map(|entry| C::weight(&entry.command)).sum::<usize>();
        drop(queue);
        let waiters = waiters
            .iter_mut()
            .filter_map(|waiter| waiter.take_if(|waiter| is_due(waiter)));
        for waiter in waiters.chain(late.into_iter().map(|entry| entry.waiter)) {
            drop(waiter.answer.send(Err(Failure::Timeout)));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends commands one after the other without waiting for answers.
pub(super) async fn one_by_one(connection: &Connection, commands: Vec<Command>, within: Duration) -> Vec<Outcome> {
    let sending = commands
        .into_iter()
        .map(|command| connection.send_boxed(command, within));
    in_order(sending.collect()).await
}

/// Says whether it is the command that the server does not permit, or does not have, and not a key.
fn is_of_the_command(error: &Error) -> bool {
    let is_refused = matches!(error.kind(), ErrorKind::Auth | ErrorKind::Unsupported);
    (is_refused && error.message().contains(" command")) || error.message().contains("can't run this command")
}

impl Future for Ticket<'_> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let answer = Pin::new(&mut self.answer).poll(context);
        self.is_over |= answer.is_ready();
        // Whoever asked copies its value, not the task that all wait for.
        answer.map(|answer| answer.unwrap_or_else(|_lost| Err(Failure::lost())).map(wire::detached))
    }
}

impl Drop for Ticket<'_> {
    /// Whatever the caller asks next comes after what it gave up on.
    fn drop(&mut self) {
        if !self.is_over {
            self.answer.close();
            drop(self.order.lock());
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).under_way -= 1;
    }
}

impl<C> fmt::Debug for Lane<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lane")
    }
}
