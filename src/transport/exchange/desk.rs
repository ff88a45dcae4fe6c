//! What listeners, the supervisor and the connections share: who listens to what, and on which connection that comes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    task::AbortHandle,
};

use super::super::connection::Refusal;
use crate::{
    breaker::{Policy, Severity},
    chance::chance,
    config::Endpoint,
    error::{Error, ErrorKind},
    messages::{Arrival, Gap, Inbox, Listener, Register, Switchboard, Topic, Wakers},
};

/// The desk of one manager.
#[derive(Debug, Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// Rung when a topic has to be placed.
    bell: Notify,
}

/// Which connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LineId(u64);

#[derive(Debug, Default)]
struct State {
    board: Switchboard<LineId>,
    lines: HashMap<LineId, Handle>,
    /// How many there were.
    count: u64,
    /// Where everything is listened to that can be listened to anywhere.
    common: Option<LineId>,
    troubles: HashMap<Endpoint, Trouble>,
    displaced: Vec<Displaced>,
    /// Somebody has listened to what was lost.
    is_interrupted: bool,
    supervisor: Option<AbortHandle>,
}

/// A connection, from outside.
#[derive(Debug)]
struct Handle {
    endpoint: Endpoint,
    /// Topics that somebody begins, or nobody goes on to listen to.
    changes: Vec<Topic>,
    bell: Arc<Notify>,
    task: Option<AbortHandle>,
    _budget: OwnedSemaphorePermit,
}

/// A server with which it has not worked lately.
#[derive(Debug)]
struct Trouble {
    error: Error,
    failures: u32,
    /// Nothing is tried before.
    until: Instant,
}

/// A topic that its node has given up.
#[derive(Debug)]
pub(super) struct Displaced {
    pub(super) topic: Topic,
    pub(super) from: Endpoint,
    /// Where it is now, if the node has said so.
    pub(super) to: Option<Endpoint>,
}

/// What came of placing a topic.
#[derive(Debug)]
pub(super) enum Placed {
    /// It is with a connection, or nobody listens to it any more.
    Done,
    /// Not before then.
    Later(Instant),
    /// There is no connection to that server.
    NoLine,
}

/// For listeners.
impl Desk {
    pub(super) fn join(self: &Arc<Self>, topics: Vec<Topic>) -> (Arc<Inbox>, Listener) {
        let inbox = Arc::new(Inbox::new());
        self.state().board.join(&inbox, &topics);
        self.bell.notify_one();
        let register = Arc::clone(self) as Arc<dyn Register>;
        (Arc::clone(&inbox), Listener::new(inbox, topics, register))
    }

    /// Has a supervisor started, unless there is one.
    pub(super) fn start(&self, supervisor: impl FnOnce() -> AbortHandle) {
        let mut state = self.state();
        if state.supervisor.as_ref().is_none_or(AbortHandle::is_finished) {
            state.supervisor = Some(supervisor());
        }
    }

    /// Ends everybody's listening, and closes all connections.
    pub(super) fn close(&self) {
        let mut state = self.state();
        let count = state.count;
        let mut closed = std::mem::take(&mut *state);
        // A connection that is ending does not share its number with a new one.
        state.count = count;
        drop(state);
        let tasks = closed.lines.drain().filter_map(|(_, handle)| handle.task);
        tasks.chain(closed.supervisor.take()).for_each(|task| task.abort());
        let mut wakers = Wakers::default();
        closed.board.end(&mut wakers);
        wakers.wake();
    }
}

impl Register for Desk {
    fn leave(&self, inbox: &Arc<Inbox>, topics: &[Topic]) {
        let mut state = self.state();
        for (topic, id) in state.board.leave(inbox, topics) {
            state.tell(id, topic);
        }
    }
}

/// For the supervisor.
impl Desk {
    /// Waits until a topic has to be placed.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    pub(super) fn take_unplaced(&self) -> Vec<Topic> {
        self.state().board.take_unplaced()
    }

    pub(super) fn is_unplaced(&self, topic: &Topic) -> bool {
        self.state().board.is_unplaced(topic)
    }

    pub(super) fn take_displaced(&self) -> Vec<Displaced> {
        std::mem::take(&mut self.state().displaced)
    }

    /// Returns the server where everything is that can be listened to anywhere, or else one that there is a connection to.
    pub(super) fn common(&self) -> Option<Endpoint> {
        let state = self.state();
        let common = state.common.and_then(|id| state.lines.get(&id));
        let line = common.or_else(|| state.lines.values().next())?;
        Some(line.endpoint.clone())
    }

    /// Returns the connections to servers that are deaf.
    pub(super) fn lines_to(&self, is_deaf: impl Fn(&Endpoint) -> bool) -> Vec<LineId> {
        let state = self.state();
        let deaf = state.lines.iter().filter(|(_, handle)| is_deaf(&handle.endpoint));
        deaf.map(|(id, _)| *id).collect()
    }

    pub(super) fn is_troubled(&self, endpoint: &Endpoint) -> bool {
        let state = self.state();
        let trouble = state.troubles.get(endpoint);
        trouble.is_some_and(|trouble| trouble.until > Instant::now())
    }

    /// Gives a topic to the connection to a server. Where it has not worked lately, who is still joining is refused.
    pub(super) fn place(&self, topic: &Topic, endpoint: &Endpoint, is_common: bool) -> Placed {
        let mut state = self.state();
        if !state.board.is_unplaced(topic) {
            return Placed::Done;
        }
        let line = state.lines.iter().find(|(_, handle)| handle.endpoint == *endpoint);
        if let Some(id) = line.map(|(id, _)| *id) {
            state.board.assign(topic, id);
            state.tell(id, topic.clone());
            if is_common {
                state.common = Some(id);
            }
            return Placed::Done;
        }
        match state.troubles.get(endpoint) {
            Some(trouble) if trouble.until > Instant::now() => {
                let (error, until) = (trouble.error.clone(), trouble.until);
                drop(state);
                self.refuse_joining(topic, &error);
                Placed::Later(until)
            }
            _ => Placed::NoLine,
        }
    }

    /// Makes room for a connection; `budget` is the right to it.
    pub(super) fn open(&self, endpoint: &Endpoint, budget: OwnedSemaphorePermit) -> LineId {
        let mut state = self.state();
        state.count += 1;
        let id = LineId(state.count);
        let handle = Handle {
            endpoint: endpoint.clone(),
            changes: Vec::new(),
            bell: Arc::default(),
            task: None,
            _budget: budget,
        };
        state.lines.insert(id, handle);
        id
    }

    /// Keeps the task of a connection, to end it. If all was closed meanwhile, it is ended at once.
    pub(super) fn keep(&self, id: LineId, task: AbortHandle) {
        match self.state().lines.get_mut(&id) {
            Some(handle) => handle.task = Some(task),
            None => task.abort(),
        }
    }

    /// Refuses all who wait for a topic and never had it.
    pub(super) fn refuse_joining(&self, topic: &Topic, error: &Error) {
        let mut wakers = Wakers::default();
        self.state().board.refuse_joining(topic, error, &mut wakers);
        wakers.wake();
    }
}

/// For a connection.
impl Desk {
    /// Returns what is rung when there are changes; `None` if all was closed.
    pub(super) fn bell_of(&self, id: LineId) -> Option<Arc<Notify>> {
        Some(Arc::clone(&self.state().lines.get(&id)?.bell))
    }

    /// Notes that the connection is there.
    pub(super) fn established(&self, id: LineId) {
        let mut state = self.state();
        let Some(endpoint) = state.lines.get(&id).map(|handle| handle.endpoint.clone()) else {
            return;
        };
        state.troubles.remove(&endpoint);
        let was_interrupted = std::mem::take(&mut state.is_interrupted);
        drop(state);
        if was_interrupted {
            tracing::info!(server = %endpoint, "subscriptions go on");
        }
    }

    /// Takes the topics that changed; with each, whether it is listened to.
    pub(super) fn take_changes(&self, id: LineId) -> Vec<(Topic, bool)> {
        let mut state = self.state();
        let changes = state
            .lines
            .get_mut(&id)
            .map(|handle| std::mem::take(&mut handle.changes));
        let changes = changes.unwrap_or_default().into_iter();
        let is_wanted = |topic: &Topic| state.board.is_at(topic, id);
        changes
            .map(|topic| {
                let is_wanted = is_wanted(&topic);
                (topic, is_wanted)
            })
            .collect()
    }

    pub(super) fn deliver(&self, topic: &Topic, arrival: &Arrival) {
        let mut wakers = Wakers::default();
        self.state().board.deliver(topic, arrival, &mut wakers);
        wakers.wake();
    }

    pub(super) fn confirm(&self, topic: &Topic, id: LineId) {
        let mut wakers = Wakers::default();
        self.state().board.confirm(topic, id, &mut wakers);
        wakers.wake();
    }

    /// Notes that the server does not let a topic be listened to: whoever does is ended.
    pub(super) fn refuse(&self, topic: &Topic, error: &Error) {
        let mut wakers = Wakers::default();
        let ended = self.state().board.refuse(topic, error, &mut wakers);
        wakers.wake();
        if ended > 0 {
            tracing::warn!(%error, ended, "the server does not permit what it did before: subscriptions end");
        }
    }

    /// Notes that the server does not serve a topic any more.
    pub(super) fn displace(&self, topic: Topic, id: LineId, to: Option<Endpoint>) {
        let mut state = self.state();
        if let Some(from) = state.lines.get(&id).map(|handle| handle.endpoint.clone())
            && state.board.is_at(&topic, id)
        {
            state.board.displace(&topic, id, Gap::SlotMoved);
            state.displaced.push(Displaced { topic, from, to });
            drop(state);
            self.bell.notify_one();
        }
    }

    /// Ends a connection that nothing comes on, and says whether it has.
    pub(super) fn retire(&self, id: LineId) -> bool {
        let mut state = self.state();
        let is_over = !state.board.is_in_use(id);
        if is_over {
            state.lines.remove(&id);
        }
        is_over
    }

    /// Ends a connection that is gone, was never there, or is of no use, for this reason. Who was still joining goes elsewhere, or is refused when that is tried.
    pub(super) fn lost(&self, id: LineId, refusal: &Refusal) {
        let mut state = self.state();
        let Some(Handle { endpoint, task, .. }) = state.lines.remove(&id) else {
            return;
        };
        if let Some(task) = task {
            task.abort();
        }
        state.note(&endpoint, refusal);
        let was_heard = state.board.lose(id);
        let is_news = was_heard && !state.is_interrupted;
        state.is_interrupted |= was_heard;
        drop(state);
        self.bell.notify_one();
        if is_news {
            let reason = &*refusal.reason;
            tracing::warn!(server = %endpoint, reason, "subscriptions are interrupted: messages are missed until they go on");
        }
    }

    /// Never held while something else but an inbox is locked, or awaited.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self, id: LineId, topic: Topic) {
        if let Some(handle) = self.lines.get_mut(&id) {
            handle.changes.push(topic);
            handle.bell.notify_one();
        }
    }

    fn note(&mut self, endpoint: &Endpoint, refusal: &Refusal) {
        let policy = Policy::default();
        let backoff = match refusal.severity {
            Severity::Passing => policy.short,
            Severity::Lasting => policy.long,
        };
        let failures = self.troubles.get(endpoint).map_or(0, |trouble| trouble.failures + 1);
        let trouble = Trouble {
            error: Error::new(ErrorKind::Unavailable, refusal.reason.clone()).unsent(),
            failures,
            until: Instant::now() + backoff.pause(failures, chance()),
        };
        self.troubles.insert(endpoint.clone(), trouble);
    }
}
