//! The road where there is a near cache: it answers first, learns from what is read, and forgets what may be changed.

use std::{future::poll_fn, task::Poll, time::Instant};

use super::{
    call::{Backend, Road},
    context::Context,
    gate::Attempt,
    node::{Entered, Node},
    topology::{Topology, slot_of},
    tracking::{Lesson, Tracking},
};
use crate::{
    command::Command,
    error::{Error, Result},
    key::{Key, Prefix},
    near::{Held, Moment},
    reply::Reply,
};

/// Whether a near cache may be served.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Live {
    Since(Moment),
    /// Each node of a cluster has its own.
    PerhapsAtItsNode,
}

/// For callers.
impl Road {
    /// Says whether a near cache may be served now, as far as that is known without the key.
    pub(crate) fn near_is_live(&self, now: Instant) -> Option<Live> {
        match &self.backend {
            Backend::Server(Topology::One(node)) => node.tracking()?.near().live_at(now).map(Live::Since),
            Backend::Server(Topology::Cluster(cluster)) => cluster.has_near().then_some(Live::PerhapsAtItsNode),
            Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => None,
        }
    }

    /// Returns what the near cache knows of a key. Not counted as a call.
    pub(crate) fn near(&self, live: Live, key: &Key) -> Option<Held> {
        if self.prefix().is_empty() {
            self.near_bytes(live, key.as_bytes())
        } else {
            self.near_bytes(live, &self.prefix().key(key.clone()).ok()?)
        }
    }

    fn near_bytes(&self, live: Live, key: &[u8]) -> Option<Held> {
        match (&self.backend, live) {
            (Backend::Server(Topology::One(node)), Live::Since(now)) => node.tracking()?.near().get(now, key),
            (Backend::Server(Topology::Cluster(cluster)), _) => cluster.peek(slot_of(key), |node| {
                let near = node.tracking()?.near();
                near.get(near.live()?, key)
            })?,
            _ => None,
        }
    }

    /// Says whether there is to be a near cache.
    pub(crate) fn has_near(&self) -> bool {
        match &self.backend {
            Backend::Server(Topology::Cluster(cluster)) => cluster.has_near(),
            _ => self.tracking().is_some(),
        }
    }

    /// Says the same of a read that the near cache might answer in an outage.
    pub(crate) fn refuses_read(&self) -> bool {
        !self.may_be_stale() && self.refuses()
    }

    /// Says whether the near cache could answer a command, or learn from its answer.
    pub(super) fn may_be_near(&self, command: &Command) -> bool {
        self.tracking().is_some() && matches!(command, Command::Get { .. } | Command::GetMany { .. })
    }

    fn may_be_stale(&self) -> bool {
        match &self.backend {
            Backend::Server(Topology::One(node)) => node.may_be_stale(),
            Backend::Server(Topology::Cluster(cluster)) => cluster.may_be_stale(),
            Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => false,
        }
    }

    pub(super) fn tracking(&self) -> Option<&Tracking> {
        match &self.backend {
            Backend::Server(Topology::One(node)) => node.tracking(),
            Backend::Server(Topology::Cluster(_)) | Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => {
                None
            }
        }
    }
}

/// For [`call`](super::call).
impl Road {
    /// Answers a read by what is near, and asks the server everything else.
    pub(super) async fn call_near<T>(
        &self,
        tracking: &Tracking,
        build: impl FnOnce(&Prefix) -> Result<Command>,
        read: impl FnOnce(Reply) -> Result<T>,
    ) -> Result<T> {
        let Some(now) = tracking.near().live() else {
            return self.call_far(build, read).await;
        };
        let command = build(self.prefix())?;
        match tracking.known(now, &command) {
            Some(known) => read(known).map_err(|error| Context::of(&command).explain(error)),
            None => self.call_far(|_prefix| Ok(command), read).await,
        }
    }

    /// Asks the server, and has the near cache learn or forget. In an outage a read may be answered by what was known before it.
    pub(super) async fn ask_tracked<T>(
        &self,
        node: &Node,
        tracking: &Tracking,
        build: impl FnOnce() -> Result<Command>,
        read: impl FnOnce(Reply) -> Result<T>,
    ) -> Result<T> {
        if !node.is_open() {
            return Box::pin(self.ask_admitted(node, tracking, build, read)).await;
        }
        let command = build()?;
        let context = Context::of(&command);
        let command = match tracking.lesson(command) {
            Ok(lesson) => match self.learn(node, tracking, &lesson).await {
                Some(answer) => {
                    let answer = answer.or_else(|error| stale(node, tracking, error, &lesson.command()));
                    return answer.and_then(read).map_err(|error| context.explain(error));
                }
                None => lesson.command(),
            },
            Err(command) => command,
        };
        Box::pin(self.ask_admitted(node, tracking, || Ok(command), read)).await
    }

    /// Asks for one value and how long it will live, as most reads do: without a permit, together with others. `None` if that is not possible.
    async fn learn(&self, node: &Node, tracking: &Tracking, lesson: &Lesson) -> Option<Result<Reply>> {
        let mut question = Some(lesson.question());
        let enter = poll_fn(|context| {
            let question = question.take();
            Poll::Ready(question.map(|question| node.enter(|| Ok(question), context.waker())))
        });
        match enter.await? {
            Ok(Entered::Sent(call, generation, _)) => {
                let answer = tracking.learn(lesson, call.await)?;
                Some(node.settle(generation, answer, Attempt::default()))
            }
            Ok(Entered::Waits(_)) => None,
            Err(refused) => Some(Err(refused)),
        }
    }

    /// Asks what needs a permit.
    async fn ask_admitted<T>(
        &self,
        node: &Node,
        tracking: &Tracking,
        build: impl FnOnce() -> Result<Command>,
        read: impl FnOnce(Reply) -> Result<T>,
    ) -> Result<T> {
        let permit = match node.admit().await {
            Ok(permit) => permit,
            Err(refused) if node.may_be_stale() => {
                return stale(node, tracking, refused, &build()?).and_then(read);
            }
            Err(refused) => return Err(refused),
        };
        let command = build()?;
        let context = Context::of(&command);
        let attempt = Attempt {
            is_aside: permit.is_aside(&command),
            is_hurried: permit.is_hurried(),
        };
        // Cloned only where it may be needed: a grace is configured, and the outage has begun meanwhile.
        let question = tracking.is_forgiving().then(|| command.clone());
        let answer = tracking.send(&permit, command).await;
        let settled = node.settle(permit.generation().number(), answer, attempt);
        let answer = match (settled, question) {
            (Err(error), Some(question)) => stale(node, tracking, error, &question),
            (settled, _) => settled,
        };
        answer.and_then(read).map_err(|error| context.explain(error))
    }
}

/// Answers a call by what was known before the outage in which it has failed, if that is permitted.
fn stale(node: &Node, tracking: &Tracking, error: Error, command: &Command) -> Result<Reply> {
    let may_be = error.is_unavailable() && node.may_be_stale();
    let known = if may_be { tracking.stale(command) } else { None };
    known.ok_or(error)
}
