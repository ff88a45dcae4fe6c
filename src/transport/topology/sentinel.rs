//! Follows the master that Sentinels watch.
//!
//! Every configured Sentinel is listened to, and asked, on a connection of its own; those that are known from others as well, while fewer than
//! three answer. So one that hangs, or is gone, costs nothing. They live in the house's runtime, which outlives the callers'.
//!
//! - [`mod@line`]: the connection to one Sentinel;
//! - [`opinions`]: what they say, and whom to believe;
//! - [`master`]: what is known of the master, and what happens when it moves.

mod line;
mod master;
mod opinions;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
};

use self::{
    line::Report,
    master::Master,
    opinions::{Opinion, Opinions},
};
use super::super::{
    connection::Refusal,
    house,
    node::Node,
    whereabouts::{Guide, Known, Whereabouts},
};
use crate::{
    config::{Endpoint, Sentinels, Settings},
    journal::Journal,
};

/// What is known of the master, and the task that finds it out. Dropping it ends the task.
#[derive(Debug)]
struct Watch {
    master: Arc<Master>,
    watcher: Mutex<Option<Ending>>,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
struct Ending(AbortHandle);

/// The task.
struct Watcher {
    master: Arc<Master>,
    opinions: Opinions,
    /// What was believed last.
    believed: Option<Opinion>,
    lines: HashMap<Endpoint, Ending>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
}

/// So many reports may wait.
const REPORTS: usize = 64;

/// Makes the node for the master, wherever that is.
pub(super) fn node_of_master(settings: Settings, sentinels: Sentinels, journal: &Arc<Journal>) -> Arc<Node> {
    let master = Arc::new(Master::new(&settings, sentinels));
    let watch = Watch {
        master: Arc::clone(&master),
        watcher: Mutex::default(),
    };
    let node = Arc::new(Node::new(
        Arc::new(settings),
        Whereabouts::Master(Arc::new(watch)),
        journal,
    ));
    master.is_reached_by(&node);
    node
}

impl Watch {
    /// Never held while something is awaited.
    fn watcher(&self) -> MutexGuard<'_, Option<Ending>> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guide for Watch {
    fn start(&self) {
        let mut watcher = self.watcher();
        if watcher.as_ref().is_some_and(|Ending(task)| !task.is_finished()) {
            return;
        }
        match house::runtime() {
            Some(house) => {
                let watching = Watcher::new(Arc::clone(&self.master)).run();
                *watcher = Some(Ending(house.spawn(watching).abort_handle()));
            }
            None => self
                .master
                .is_nowhere(Refusal::lasting("the system gives no thread for asking Sentinels")),
        }
    }

    fn stop(&self) {
        let mut watcher = self.watcher();
        *watcher = None;
        self.master.forget();
    }

    fn known(&self) -> watch::Receiver<Known> {
        self.master.known()
    }

    fn stand_in(&self) -> &Endpoint {
        self.master.stand_in()
    }

    fn doubt(&self) {
        self.master.doubt();
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.master.fmt(f)
    }
}

impl Watcher {
    fn new(master: Arc<Master>) -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS);
        Self {
            opinions: Opinions::of(master.sentinels()),
            master,
            believed: None,
            lines: HashMap::new(),
            reports,
            reporter,
        }
    }

    async fn run(mut self) {
        self.listen_to_enough();
        while let Some(report) = self.reports.recv().await {
            let Report { sentinel, said, others } = report;
            // One that was given up may still have reported.
            if self.lines.contains_key(&sentinel) {
                self.opinions.note(&sentinel, said);
            }
            self.opinions.learn(others);
            self.listen_to_enough();
            self.decide();
        }
    }

    /// Begins to listen to whom it is worth while, and gives up whom it is not any more.
    fn listen_to_enough(&mut self) {
        let wanted = self.opinions.wanted();
        self.lines.retain(|sentinel, _| wanted.contains(sentinel));
        for sentinel in wanted {
            let (master, reporter) = (&self.master, &self.reporter);
            self.lines.entry(sentinel.clone()).or_insert_with(|| {
                let listening = line::listen(Arc::clone(master), sentinel, reporter.clone());
                Ending(tokio::spawn(listening).abort_handle())
            });
        }
    }

    fn decide(&mut self) {
        // Who answers as the master is not left for nobody, or for what was true before.
        let is_answering = self.master.is_answering();
        let believed = self.believed.as_ref();
        match self.opinions.best(believed) {
            Some(best) if is_answering && believed.is_some_and(|believed| best.epoch < believed.epoch) => {}
            Some(best) => {
                let best = best.clone();
                self.master.is_at(&best.endpoint);
                self.believed = Some(best);
            }
            None if is_answering => {}
            None => {
                if let Some(refusal) = self.opinions.refusal(self.master.name()) {
                    self.master.is_nowhere(refusal);
                }
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}
