//! Boxes for fred's futures, used again and again.
//!
//! Such a future is some 6 KB and nested deeply: without a box around it callers could not compile theirs. To allocate a box of that size for each call, and
//! to move a new future into it, costs a fifth of the throughput of 64 concurrent callers. So what is in a box is a worker, which never ends: it
//! executes one command after the other, and each thread keeps some workers for the next calls.

use std::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use fred::clients::{Client, WithOptions};

use super::{failure::Failure, wire};
use crate::{command::Command, reply::Reply};

/// What comes of a command.
pub(super) type Outcome = Result<Reply, Failure>;

/// A command on its way.
#[must_use = "futures do nothing unless polled"]
pub(super) enum Sending<'a> {
    Plain(Reused),
    Special(Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>),
}

/// A command in the hands of a worker, who is there for the next one afterwards. Dropping it ends the worker.
#[must_use = "futures do nothing unless polled"]
pub(super) struct Reused(Option<Worker>);

/// What a worker does. Those of the hottest commands do nothing else: a future of all commands together is several times as large.
#[derive(Debug, Clone, Copy)]
enum Skill {
    Get,
    GetVersioned,
    Set,
    /// Lists without a guard.
    List,
    Any,
}

struct Worker {
    skill: Skill,
    desk: Arc<Desk>,
    work: Pin<Box<dyn Future<Output = Infallible> + Send>>,
}

/// Where a worker finds what to do, and leaves what came of it.
#[derive(Default)]
struct Desk(Mutex<Paper>);

#[derive(Default)]
enum Paper {
    #[default]
    None,
    Order(WithOptions<Client>, Command),
    Outcome(Outcome),
}

/// So many workers of a skill a thread keeps at most.
const KEPT: usize = 128;

thread_local! {
    static IDLE: RefCell<[Vec<Worker>; 5]> = const { RefCell::new([const { Vec::new() }; 5]) };
}

impl Reused {
    pub(super) fn send(client: WithOptions<Client>, command: Command) -> Self {
        let skill = match command {
            Command::Get { .. } => Skill::Get,
            Command::GetVersioned(_) => Skill::GetVersioned,
            Command::Set(_) => Skill::Set,
            _ => Skill::Any,
        };
        Self::new(skill, client, command)
    }

    /// Asks for a list without a guard.
    pub(super) fn list(client: WithOptions<Client>, command: Command) -> Self {
        Self::new(Skill::List, client, command)
    }

    fn new(skill: Skill, client: WithOptions<Client>, command: Command) -> Self {
        let idle = IDLE.try_with(|idle| idle.borrow_mut().get_mut(skill as usize)?.pop());
        let worker = idle.ok().flatten().unwrap_or_else(|| Worker::new(skill));
        *worker.desk.paper() = Paper::Order(client, command);
        Self(Some(worker))
    }
}

impl Worker {
    fn new(skill: Skill) -> Self {
        let desk = Arc::<Desk>::default();
        let own = Arc::clone(&desk);
        let work: Pin<Box<dyn Future<Output = Infallible> + Send>> = match skill {
            Skill::Get => Box::pin(own.get()),
            Skill::GetVersioned => Box::pin(own.get_versioned()),
            Skill::Set => Box::pin(own.set()),
            Skill::List => Box::pin(own.list()),
            Skill::Any => Box::pin(own.send()),
        };
        Self { skill, desk, work }
    }
}

impl Desk {
    async fn get(self: Arc<Self>) -> Infallible {
        loop {
            if let (client, Command::Get { key }) = self.order().await {
                self.leave(wire::get(&client, key).await);
            }
        }
    }

    async fn get_versioned(self: Arc<Self>) -> Infallible {
        loop {
            if let (client, Command::GetVersioned(versioned)) = self.order().await {
                self.leave(wire::get_versioned(&client, versioned).await);
            }
        }
    }

    async fn set(self: Arc<Self>) -> Infallible {
        loop {
            if let (client, Command::Set(set)) = self.order().await {
                self.leave(wire::set(&client, set).await);
            }
        }
    }

    async fn list(self: Arc<Self>) -> Infallible {
        loop {
            let (client, command) = self.order().await;
            self.leave(wire::list(&client, command).await);
        }
    }

    async fn send(self: Arc<Self>) -> Infallible {
        loop {
            let (client, command) = self.order().await;
            self.leave(wire::send(&client, command).await);
        }
    }

    /// Waits for an order. Whoever has one put here polls the worker afterwards.
    fn order(&self) -> impl Future<Output = (WithOptions<Client>, Command)> + Send {
        poll_fn(|_| {
            let mut paper = self.paper();
            match mem::take(&mut *paper) {
                Paper::Order(client, command) => Poll::Ready((client, command)),
                other => {
                    *paper = other;
                    Poll::Pending
                }
            }
        })
    }

    fn leave(&self, outcome: Outcome) {
        *self.paper() = Paper::Outcome(outcome);
    }

    fn outcome(&self) -> Option<Outcome> {
        let mut paper = self.paper();
        match mem::take(&mut *paper) {
            Paper::Outcome(outcome) => Some(outcome),
            other => {
                *paper = other;
                None
            }
        }
    }

    fn paper(&self) -> MutexGuard<'_, Paper> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Reused {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let Some(worker) = &mut self.0 else {
            return Poll::Pending;
        };
        let Poll::Pending = worker.work.as_mut().poll(context);
        let Some(outcome) = worker.desk.outcome() else {
            return Poll::Pending;
        };
        if let Some(free) = self.0.take() {
            // A thread that ends keeps nobody any more.
            let _kept = IDLE.try_with(|idle| {
                if let Some(idle) = idle.borrow_mut().get_mut(free.skill as usize)
                    && idle.len() < KEPT
                {
                    idle.push(free);
                }
            });
        }
        Poll::Ready(outcome)
    }
}

impl Future for Sending<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match self.get_mut() {
            Self::Plain(future) => Pin::new(future).poll(context),
            Self::Special(future) => future.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Sending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sending")
    }
}
