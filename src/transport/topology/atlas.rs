//! What is known of a cluster: shared by its callers and its surveyor.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::{Notify, watch};

use super::{super::node::Node, map::SlotMap, view::View};
use crate::{
    config::{Endpoint, NearPlan, NearSettings, Settings},
    journal::Journal,
    metrics::{Counter, Metrics},
};

/// What calls and the surveyor share.
#[derive(Debug)]
pub(super) struct Atlas {
    pub(super) settings: Arc<Settings>,
    pub(super) seeds: Vec<Endpoint>,
    map: ArcSwapOption<Map>,
    nodes: Mutex<Nodes>,
    /// What the last survey has found, and how many there were.
    progress: watch::Sender<Progress>,
    /// Somebody waits for a survey.
    wanted: Notify,
    /// Somebody has met what a survey would explain.
    doubted: Notify,
    /// The surveyor has seen nothing that it would look at again soon.
    is_calm: AtomicBool,
    refused: Counter,
    /// What every node is to be sent that is back.
    journal: Arc<Journal>,
}

/// Every node that is connected to.
#[derive(Debug, Default)]
struct Nodes {
    known: HashMap<Endpoint, Known>,
    /// The counts of those that have left.
    past: Metrics,
}

#[derive(Debug)]
struct Known {
    node: Arc<Node>,
    /// When a call was last sent there although it serves no slot.
    asked: Instant,
}

/// How the surveyor fares.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) surveys: u64,
    /// Why the last survey found nothing, and since when none did.
    pub(super) failure: Option<(Arc<str>, SystemTime)>,
}

/// For so long a node without slots stays connected after the last call that was redirected there.
const LINGER: Duration = Duration::from_secs(10);

/// A map whose owners are nodes.
pub(super) type Map = SlotMap<Arc<Node>>;

/// For callers.
impl Atlas {
    pub(super) fn new(settings: Settings, seeds: Vec<Endpoint>, journal: &Arc<Journal>) -> Self {
        Self {
            settings: Arc::new(settings),
            seeds,
            map: ArcSwapOption::empty(),
            nodes: Mutex::default(),
            progress: watch::Sender::default(),
            wanted: Notify::new(),
            doubted: Notify::new(),
            is_calm: AtomicBool::new(false),
            refused: Counter::default(),
            journal: Arc::clone(journal),
        }
    }

    /// Returns what the surveys have found; nothing before the first.
    pub(super) fn map(&self) -> Guard<Option<Arc<Map>>> {
        self.map.load()
    }

    /// Tells of every survey.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Says why the last survey found nothing, and since when none did.
    pub(super) fn failure(&self) -> Option<(Arc<str>, SystemTime)> {
        self.progress.borrow().failure.clone()
    }

    /// Asks for a survey now: somebody waits for it.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Asks for a survey soon, unless the surveyor is on its guard already.
    pub(super) fn doubt(&self) {
        if self.is_calm.load(Relaxed) && self.is_calm.swap(false, Relaxed) {
            self.doubted.notify_one();
        }
    }

    /// Counts a call that no node was asked.
    pub(super) fn refused(&self) {
        self.refused.add(1);
    }

    /// Gives a slot to another node.
    pub(super) fn move_slot(&self, slot: u16, to: &Endpoint) {
        let node = self.member(to);
        let _nodes = self.nodes();
        if let Some(before) = self.map.load_full() {
            let map = before.moved(slot, to, || node);
            self.publish(Arc::new(map), Some(&before));
        }
    }

    /// Finds a node that joins the others, or makes one.
    pub(super) fn member(&self, endpoint: &Endpoint) -> Arc<Node> {
        let others = self.map.load().as_ref().map_or(0, |map| map.owners().len());
        self.node(endpoint, others + 1)
    }

    /// Forgets everything, and returns the nodes that were connected to.
    pub(super) fn forget(&self) -> Vec<Arc<Node>> {
        self.map.store(None);
        self.progress.send_replace(Progress::default());
        let mut nodes = self.nodes();
        let known = std::mem::take(&mut nodes.known);
        known.into_values().map(|known| known.node).collect()
    }

    /// Keeps the counts of nodes that are connected to no more.
    pub(super) fn remember(&self, left: &[Arc<Node>]) {
        let mut nodes = self.nodes();
        nodes.past = left.iter().fold(nodes.past, |past, node| past.plus(node.metrics()));
    }

    pub(super) fn metrics(&self) -> Metrics {
        let nodes = self.nodes();
        let mut metrics = nodes.past;
        metrics.refused += self.refused.get();
        let present = nodes.known.values().map(|known| known.node.metrics());
        present.fold(metrics, Metrics::plus)
    }
}

/// For the surveyor.
impl Atlas {
    /// Takes in what nodes have told.
    pub(super) fn learn(&self, views: &[View]) {
        let owners: BTreeSet<_> = views
            .iter()
            .flat_map(|view| &view.ranges)
            .map(|range| &range.owner)
            .collect();
        let map = SlotMap::of(views, |endpoint| self.node(endpoint, owners.len()));
        let before = self.map.load_full();
        if before.as_ref().is_none_or(|before| !before.is_like(&map)) {
            self.publish(Arc::new(map), before.as_deref());
        }
        self.retire();
        self.progress.send_modify(|progress| {
            progress.surveys += 1;
            progress.failure = None;
        });
    }

    /// Notes that no node has told anything. What is known stays in use.
    pub(super) fn failed(&self, reason: &str) {
        let is_first = self.progress.borrow().failure.is_none();
        if is_first && self.map.load().is_none() {
            tracing::warn!(
                reason,
                "the Redis cluster is unavailable: calls answer neutrally until it is found"
            );
        }
        self.progress.send_modify(|progress| {
            progress.surveys += 1;
            let since = progress
                .failure
                .as_ref()
                .map_or_else(SystemTime::now, |(_, since)| *since);
            progress.failure = Some((reason.into(), since));
        });
    }

    /// Waits until somebody asks for a survey.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Waits until something is met that a survey would explain.
    pub(super) async fn doubted(&self) {
        self.is_calm.store(true, Relaxed);
        self.doubted.notified().await;
    }

    /// Says whether the slots may soon be others': a node is down, or some have none.
    pub(super) fn is_troubled(&self) -> bool {
        let map = self.map.load();
        let is_whole = |map: &Arc<Map>| !map.has_holes() && map.owners().iter().all(|(_, node)| node.is_usable());
        self.progress.borrow().failure.is_some() || !map.as_ref().is_some_and(is_whole)
    }

    /// Returns whom to ask: first the nodes that are usable, then the others, then those that the configuration names.
    pub(super) fn candidates(&self) -> (Vec<Endpoint>, Vec<Endpoint>) {
        let map = self.map.load();
        let owners = map.iter().flat_map(|map| map.owners());
        let (usable, others): (Vec<_>, Vec<_>) = owners.partition(|(_, node)| node.is_usable());
        let endpoints = |owners: Vec<&(Endpoint, Arc<Node>)>| -> Vec<_> {
            owners.into_iter().map(|(endpoint, _)| endpoint.clone()).collect()
        };
        let (usable, mut others) = (endpoints(usable), endpoints(others));
        let members = map.iter().flat_map(|map| map.members()).chain(&self.seeds);
        for member in members {
            if !usable.contains(member) && !others.contains(member) {
                others.push(member.clone());
            }
        }
        (usable, others)
    }

    /// Who has lost slots forgets what is near: it would not be told of changes.
    fn publish(&self, map: Arc<Map>, before: Option<&Map>) {
        self.map.store(Some(Arc::clone(&map)));
        for (endpoint, node) in before.iter().flat_map(|before| before.owners()) {
            let lost = |slot| map.owner(slot).is_none_or(|owner| owner.endpoint() != endpoint);
            if node.tracking().is_some() && before.is_some_and(|before| before.slots_of(endpoint).any(lost)) {
                node.forget_near();
            }
        }
    }

    /// Finds a node, or makes one of so many: they share the memory for the near cache.
    fn node(&self, endpoint: &Endpoint, of: usize) -> Arc<Node> {
        let mut nodes = self.nodes();
        let known = nodes.known.entry(endpoint.clone()).or_insert_with(|| Known {
            node: Arc::new(Node::new(self.settings_of_one(of), endpoint.clone(), &self.journal)),
            asked: Instant::now(),
        });
        known.asked = Instant::now();
        Arc::clone(&known.node)
    }

    fn settings_of_one(&self, of: usize) -> Arc<Settings> {
        let NearPlan::Wanted(near) = self.settings.near else {
            return Arc::clone(&self.settings);
        };
        let near = NearPlan::Wanted(NearSettings {
            bytes: near.bytes / of.max(1),
            ..near
        });
        Arc::new(Settings {
            near,
            ..Settings::clone(&self.settings)
        })
    }

    /// Lets nodes go that serve no slots any more. Their calls under way are answered first.
    fn retire(&self) {
        let Some(map) = self.map.load_full() else { return };
        let is_owner = |endpoint: &Endpoint| map.owners().iter().any(|(owner, _)| owner == endpoint);
        let mut nodes = self.nodes();
        let leaving = nodes
            .known
            .extract_if(|endpoint, known| !is_owner(endpoint) && known.asked.elapsed() > LINGER);
        let leaving: Vec<_> = leaving.map(|(_, known)| known.node).collect();
        for node in leaving {
            nodes.past = nodes.past.plus(node.metrics());
            node.retire();
            tokio::spawn(async move { node.disconnect().await });
        }
    }

    /// Never held while something is awaited.
    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
