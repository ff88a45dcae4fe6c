//! The task that finds a connection for every topic: at first, after an outage, and when a slot has moved.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, sleep_until};

use super::{
    super::{connection::Refusal, failure::Failure, node::Node},
    desk::{Desk, Placed},
    directory::Directory,
    line,
};
use crate::{
    breaker::Policy,
    chance::chance,
    config::Endpoint,
    error::{Error, ErrorKind, Result},
    messages::Topic,
};

/// The topics that have no connection.
struct Supervisor {
    desk: Arc<Desk>,
    directory: Directory,
    /// Those that have to wait.
    waiting: Vec<Topic>,
    /// Those that a node has given up, with that node: it is not asked again before then.
    displaced: HashMap<Topic, (Endpoint, Instant)>,
}

/// One look at all of them.
struct Round {
    until: Instant,
    /// Where whatever can be listened to anywhere is listened to.
    anybody: Option<Result<Arc<Node>>>,
    /// When to look again.
    again: Option<Instant>,
}

/// Until then the nodes have told whose a slot is now.
const RETRY: Duration = Duration::from_millis(20);

/// How often it is looked whether servers that answer still hear of what is published.
const ROUNDS: Duration = Duration::from_secs(1);

/// Places topics, until it is aborted.
pub(super) async fn supervise(desk: Arc<Desk>, directory: Directory) {
    let mut supervisor = Supervisor {
        desk,
        directory,
        waiting: Vec::new(),
        displaced: HashMap::new(),
    };
    loop {
        let again = supervisor.place_all().await;
        let pause = async {
            match again {
                Some(again) => sleep_until(again.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = supervisor.desk.rung() => {}
            () = pause => {}
            () = sleep(ROUNDS) => supervisor.leave_the_deaf(),
        }
    }
}

impl Supervisor {
    /// Returns when to look again, if any topic has to wait.
    async fn place_all(&mut self) -> Option<Instant> {
        let mut round = Round {
            until: self.directory.deadline(),
            anybody: None,
            again: None,
        };
        self.take_displaced(round.until).await;
        let mut topics = std::mem::take(&mut self.waiting);
        topics.extend(self.desk.take_unplaced());
        for topic in topics {
            if !self.desk.is_unplaced(&topic) {
                continue;
            }
            if let Some(later) = self.place(&topic, &mut round).await {
                round.again = Some(round.again.map_or(later, |again| again.min(later)));
                self.waiting.push(topic);
            }
        }
        let now = Instant::now();
        self.displaced.retain(|_, (_, not_before)| *not_before > now);
        round.again
    }

    async fn take_displaced(&mut self, until: Instant) {
        for displaced in self.desk.take_displaced() {
            if let (Some(to), Some(slot)) = (&displaced.to, self.directory.slot(&displaced.topic)) {
                self.directory.moved(slot, to, until).await;
            }
            let not_before = Instant::now() + RETRY.mul_f64(0.5 + chance());
            self.displaced.insert(displaced.topic, (displaced.from, not_before));
        }
    }

    fn leave_the_deaf(&self) {
        for id in self.desk.lines_to(|endpoint| !self.directory.hears(endpoint)) {
            let reason = "the node has left the cluster".to_owned();
            self.desk.lost(id, &Refusal::of(Failure::Broken(reason)));
        }
    }

    /// Returns when to try again, if it has to wait.
    async fn place(&self, topic: &Topic, round: &mut Round) -> Option<Instant> {
        let slot = self.directory.slot(topic);
        let node = match slot {
            Some(slot) => self.directory.owner(slot, round.until).await,
            None => self.anybody(round).await,
        };
        let node = match node {
            Ok(node) => node,
            Err(error) => return Some(self.refuse(topic, &error)),
        };
        match self.displaced.get(topic) {
            Some((from, not_before)) if from == node.endpoint() && *not_before > Instant::now() => {
                self.directory.suspect();
                return Some(*not_before);
            }
            _ => {}
        }
        match self.place_at(topic, &node, slot.is_none()) {
            Placed::Done => None,
            Placed::Later(until) => {
                self.directory.suspect();
                Some(until)
            }
            Placed::NoLine => Some(self.refuse(topic, &no_connection_left())),
        }
    }

    fn place_at(&self, topic: &Topic, node: &Arc<Node>, is_common: bool) -> Placed {
        match self.desk.place(topic, node.endpoint(), is_common) {
            Placed::NoLine => {}
            placed => return placed,
        }
        let Some(budget) = node.spare_connection() else {
            return Placed::NoLine;
        };
        let id = self.desk.open(node.endpoint(), budget);
        let running = tokio::spawn(line::run(Arc::clone(&self.desk), id, Arc::clone(node)));
        self.desk.keep(id, running.abort_handle());
        self.desk.place(topic, node.endpoint(), is_common)
    }

    async fn anybody(&self, round: &mut Round) -> Result<Arc<Node>> {
        if round.anybody.is_none() {
            let preferred = self.desk.common();
            let is_avoided = |endpoint: &Endpoint| self.desk.is_troubled(endpoint);
            let found = self
                .directory
                .anybody(preferred.as_ref(), is_avoided, round.until)
                .await;
            round.anybody = Some(found);
        }
        match &round.anybody {
            Some(found) => found.clone(),
            None => Err(no_connection_left()),
        }
    }

    /// Refuses who is still joining; who has listened before waits on. Returns for how long.
    fn refuse(&self, topic: &Topic, error: &Error) -> Instant {
        self.desk.refuse_joining(topic, error);
        self.directory.suspect();
        let longest = Policy::default().short.max;
        Instant::now() + longest.mul_f64(0.5 + chance() / 2.0)
    }
}

fn no_connection_left() -> Error {
    let message = "REDIS_MAX_CONNECTIONS leaves no connection for subscriptions; they need one of their own";
    Error::new(ErrorKind::Unavailable, message).unsent()
}
