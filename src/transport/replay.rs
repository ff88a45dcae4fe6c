//! The same road for what could not be removed: noted, and sent later.
//!
//! Where a gate is closed, its supervisor sends what was noted before it opens. A call can also fail while the gate stays open, and in a cluster what
//! was noted for one node may be another's by then: a task sends that by the ordinary road.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{runtime::Handle, time::sleep};

use super::{
    call::{Backend, Road},
    house,
    topology::{Topology, slot_of},
};
use crate::{
    command::Command,
    error::{Error, Result},
    journal::{Journal, Subject},
    reply::Reply,
};

/// Between two attempts of the task, at first; then it doubles.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Keys on their way to being deleted. Dropping it notes those of which that is not known: the call was refused or not answered, or its caller has
/// gone.
#[derive(Debug)]
pub(crate) struct Undeleted<'a> {
    road: &'a Arc<Road>,
    keys: Vec<Bytes>,
    is_noted: bool,
}

impl<'a> Undeleted<'a> {
    pub(crate) fn new(road: &'a Arc<Road>, keys: Vec<Bytes>) -> Self {
        Self {
            road,
            keys,
            is_noted: false,
        }
    }

    /// Asks for their deletion, and returns how many there were. What was answered, whatever the answer, is noted no more.
    ///
    /// # Errors
    ///
    /// - One for each command that failed: one command has all keys, but in a cluster each has its own.
    pub(crate) async fn delete(&mut self) -> Vec<Result<u64>> {
        if self.road.is_cluster() {
            let deletes = self.keys.iter().cloned().map(delete).collect();
            let answers = self.road.call_all(deletes).await;
            let counts: Vec<_> = answers
                .into_iter()
                .map(|answer| answer.and_then(Reply::into_count))
                .collect();
            let mut answered = counts.iter().map(|count| !is_open(count));
            let (deleted, left) = std::mem::take(&mut self.keys)
                .into_iter()
                .partition(|_| answered.next().unwrap_or_default());
            self.keys = left;
            self.road.forget_deletes(deleted);
            return counts;
        }
        let keys = self.keys.clone();
        let count = self
            .road
            .call(|_| Ok(Command::Delete { keys }), Reply::into_count)
            .await;
        if !is_open(&count) {
            self.road.forget_deletes(std::mem::take(&mut self.keys));
        }
        vec![count]
    }

    /// Says whether nobody can be asked now. Then they are noted, and will be deleted before the next call passes.
    pub(crate) fn must_wait(&mut self) -> bool {
        if !self.road.refuses() {
            return false;
        }
        self.note();
        // The gate may have opened before that. Then it is too late to leave them to its supervisor.
        self.road.is_refusing()
    }

    fn note(&mut self) {
        if !std::mem::replace(&mut self.is_noted, true) {
            self.road.note_deletes(&self.keys);
        }
    }
}

impl Drop for Undeleted<'_> {
    fn drop(&mut self) {
        if !self.keys.is_empty() {
            self.note();
        }
        // Perhaps also what a runtime that has ended left behind.
        self.road.replay_soon();
    }
}

/// Says whether a command may not have been executed for want of an answer.
fn is_open<T>(answer: &Result<T>) -> bool {
    answer.as_ref().is_err_and(Error::is_unavailable)
}

fn delete(key: Bytes) -> Command {
    Command::Delete { keys: vec![key] }
}

impl Road {
    /// Returns what could not be removed yet.
    pub(crate) fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Says whether plain deletes that fail in an outage are to be sent after it.
    pub(crate) fn replays_deletes(&self) -> bool {
        self.deletes.is_some()
    }

    /// Says whether a call would be refused at once, as [`refuses`](Self::refuses) does, and counts nothing.
    fn is_refusing(&self) -> bool {
        match &self.backend {
            Backend::Server(topology) => topology.is_refusing(),
            Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => false,
        }
    }

    /// Notes that plain deletes have yet to be sent, if that is wanted.
    fn note_deletes(&self, keys: &[Bytes]) {
        let Some(space) = &self.deletes else { return };
        for key in keys {
            let command = delete(key.clone());
            self.forget_near(&command);
            self.journal
                .note(space, Subject::Key(key.clone()), Some(command), || None);
        }
    }

    /// Forgets plain deletes that have been overtaken.
    pub(crate) fn forget_deletes(&self, keys: impl IntoIterator<Item = Bytes>) {
        if let Some(space) = self.deletes.as_ref().filter(|_| !self.journal.is_empty()) {
            for key in keys {
                self.journal.forget(space, &Subject::Key(key));
            }
        }
    }

    /// Sends what the journal holds in the background, in the runtime that this is called in; without one, nothing happens. To be called after a
    /// note while calls may still pass: nobody else would send it before the next outage has ended. One task is enough.
    pub(crate) fn replay_soon(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.journal.is_empty() && !self.is_replaying.swap(true, Ordering::AcqRel) {
            let running = Running(Arc::clone(&self.is_replaying));
            runtime.spawn(replay(Arc::downgrade(self), running));
        }
    }

    /// Sends what can be sent now.
    async fn replay_now(&self) {
        let sendable = self.journal.sendable().into_iter();
        let (pending, commands): (Vec<_>, Vec<_>) = sendable.filter(|(_, command)| self.is_open_for(command)).unzip();
        if commands.is_empty() {
            return;
        }
        let answers = Box::pin(self.call_all(commands)).await;
        for (pending, answer) in pending.into_iter().zip(answers) {
            let is_plain = self.deletes.as_ref() == Some(&pending.space);
            match answer {
                Ok(_) => self.journal.done(&pending),
                // What the server says of a plain delete is its answer. A cache is not done with what is still there.
                Err(error) if is_plain && !error.is_unavailable() => {
                    self.journal.forget(&pending.space, &pending.subject);
                }
                Err(_) => {}
            }
        }
    }

    /// Says whether a command may be sent now without connecting anew: after `disconnect`, that is for a call to do.
    fn is_open_for(&self, command: &Command) -> bool {
        command.key().is_some_and(|key| self.is_open_at(key))
    }

    /// Says whether a key can be asked for now without connecting anew.
    pub(crate) fn is_open_at(&self, key: &[u8]) -> bool {
        match &self.backend {
            Backend::Disabled(_) => false,
            Backend::Embedded(_) | Backend::Guest(_) => true,
            Backend::Server(Topology::One(node)) => node.is_open(),
            // Of a node that has taken over from another nobody may have asked anything yet.
            Backend::Server(Topology::Cluster(cluster)) => cluster
                .peek(slot_of(key), |node| !node.is_refusing())
                .unwrap_or_default(),
        }
    }

    /// Says whether something of the journal may be sent now without connecting anew, by whoever has to do what no single command can.
    pub(crate) fn is_connected(&self) -> bool {
        match &self.backend {
            Backend::Disabled(_) => false,
            Backend::Embedded(_) | Backend::Guest(_) => true,
            Backend::Server(Topology::One(node)) => node.is_open(),
            Backend::Server(Topology::Cluster(cluster)) => cluster.peek(0, |_node| ()).is_some(),
        }
    }

    fn is_cluster(&self) -> bool {
        matches!(self.backend, Backend::Server(Topology::Cluster(_)))
    }

    /// Forgets what is near of a command's keys, as if it had been sent.
    fn forget_near(&self, command: &Command) {
        match &self.backend {
            Backend::Server(Topology::One(node)) => drop(node.owed([command])),
            Backend::Server(Topology::Cluster(cluster)) => {
                let slot = command.key().map(slot_of);
                slot.and_then(|slot| cluster.peek(slot, |node| drop(node.owed([command]))));
            }
            Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => {}
        }
    }
}

/// The right to be the one task that sends. Given back when it ends, and when its runtime does.
#[derive(Debug)]
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Sends until nothing is left that can be. It does not keep the road.
async fn replay(road: Weak<Road>, running: Running) {
    // The pauses are made in the house, so that the caller's runtime needs no timer.
    let Some(house) = house::runtime() else { return };
    let mut pause = PAUSE;
    loop {
        if house.spawn(async move { sleep(pause).await }).await.is_err() {
            return;
        }
        pause = LONGEST_PAUSE.min(2 * pause);
        let Some(road) = road.upgrade() else { return };
        road.replay_now().await;
        if road.journal.sendable().is_empty() {
            drop(running);
            // What was noted just before that would have been left to this task.
            if !road.journal.sendable().is_empty() {
                road.replay_soon();
            }
            return;
        }
    }
}
