//! The nodes of a Redis Cluster, and which of them serves a key.
//!
//! Each node is supervised by itself, with a breaker of its own: a dead one makes only its own keys unavailable. Which slots are whose is asked by
//! [`survey`], in the house's runtime, and corrected by every redirection.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
    time::timeout,
};

use super::{
    super::{
        call::settle,
        failure::Failure,
        gate::Attempt,
        generation::Number,
        house,
        node::{Condition, Node},
    },
    map::SlotMap,
    survey,
    view::View,
};
use crate::{
    config::{Endpoint, NearPlan, Settings},
    error::{Error, ErrorKind, Result},
    metrics::{Counter, Metrics},
    near,
    reply::Reply,
};

/// A cluster as this process sees it.
#[derive(Debug)]
pub(crate) struct Cluster {
    atlas: Arc<Atlas>,
    surveyor: Mutex<Option<AbortHandle>>,
}

/// What calls and the surveyor share.
#[derive(Debug)]
pub(super) struct Atlas {
    pub(super) settings: Arc<Settings>,
    pub(super) seeds: Vec<Endpoint>,
    map: ArcSwapOption<SlotMap<Arc<Node>>>,
    nodes: Mutex<Nodes>,
    /// What the last survey has found, and how many there were.
    progress: watch::Sender<Progress>,
    /// Somebody asks for a survey now.
    wanted: Notify,
    refused: Counter,
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

#[derive(Debug, Default)]
struct Progress {
    surveys: u64,
    failure: Option<(Arc<str>, SystemTime)>,
}

/// For so long a node without slots stays connected after the last call that was redirected there.
const LINGER: Duration = Duration::from_secs(10);

/// For callers.
impl Cluster {
    pub(super) fn new(settings: Settings, seeds: Vec<Endpoint>) -> Self {
        Self {
            atlas: Arc::new(Atlas {
                settings: Arc::new(settings),
                seeds,
                map: ArcSwapOption::empty(),
                nodes: Mutex::default(),
                progress: watch::Sender::default(),
                wanted: Notify::new(),
                refused: Counter::default(),
            }),
            surveyor: Mutex::new(None),
        }
    }

    /// Returns the deadline of a call that begins now.
    pub(in super::super) fn deadline(&self) -> Instant {
        Instant::now() + self.atlas.settings.deadline
    }

    /// Shows the node that serves a slot, as far as that is known without waiting.
    pub(in super::super) fn peek<T>(&self, slot: u16, look: impl FnOnce(&Node) -> T) -> Option<T> {
        let map = self.atlas.map.load();
        Some(look(map.as_ref()?.owner(slot)?))
    }

    /// Counts what came of a call that was sent to the node of a slot.
    pub(in super::super) fn settle<T>(&self, slot: u16, generation: Number, answer: Result<T, Failure>) -> Result<T> {
        let map = self.atlas.map.load();
        match map.as_ref().and_then(|map| map.owner(slot)) {
            Some(node) => settle(node, generation, answer, Attempt::default()),
            None => answer.map_err(Failure::into_error),
        }
    }

    /// Returns the node that serves a slot. Before the first survey is done, waits for it until the deadline.
    ///
    /// # Errors
    ///
    /// - No node has told of the cluster, or nobody serves the slot.
    pub(in super::super) async fn owner(&self, slot: u16, until: Instant) -> Result<Arc<Node>> {
        match self.map(until).await?.owner(slot) {
            Some(node) => Ok(Arc::clone(node)),
            None => {
                self.suspect();
                Err(self.refuse(format!("no node of the cluster serves the slot {slot}")))
            }
        }
    }

    /// Returns every node that serves slots, in a fixed order.
    pub(in super::super) async fn owners(&self, until: Instant) -> Result<Vec<Arc<Node>>> {
        let map = self.map(until).await?;
        Ok(map.owners().iter().map(|(_, node)| Arc::clone(node)).collect())
    }

    /// Returns a node for what any node can answer.
    pub(in super::super) async fn anybody(&self, until: Instant) -> Result<Arc<Node>> {
        let owners = self.owners(until).await?;
        let usable = owners.iter().find(|node| node.is_usable());
        match usable.or(owners.first()) {
            Some(node) => Ok(Arc::clone(node)),
            None => Err(self.refuse("no node of the cluster serves any slot")),
        }
    }

    /// Returns the member of the cluster that a redirection names; nobody else is ever connected to.
    pub(in super::super) async fn member(&self, endpoint: &Endpoint, until: Instant) -> Option<Arc<Node>> {
        if !self.knows(endpoint) {
            self.survey(until).await;
        }
        let node = self.knows(endpoint).then(|| self.atlas.node(endpoint))?;
        self.atlas.wanted.notify_one();
        Some(node)
    }

    /// Returns the slots that a node serves.
    pub(in super::super) fn slots_of(&self, endpoint: &Endpoint) -> Vec<u16> {
        let map = self.atlas.map.load();
        map.iter().flat_map(|map| map.slots_of(endpoint)).collect()
    }

    /// Takes in what a node itself says of its slots, and returns those that it serves and is not giving away.
    ///
    /// # Errors
    ///
    /// - Its reply cannot be read.
    pub(in super::super) fn still_at(node: &Node, slots: Reply, nodes: Option<&Reply>) -> Result<Vec<u16>> {
        let endpoint = node.endpoint();
        let view = View::read(slots, nodes, endpoint);
        let view = view.ok_or_else(|| Error::decode("the reply to CLUSTER SLOTS has an unexpected shape"))?;
        let leaving = nodes.map_or_else(Vec::new, |nodes| View::leaving(nodes, endpoint));
        let own = view.ranges.iter().filter(|range| range.owner == *endpoint);
        let slots = own.flat_map(|range| range.first..=range.last);
        Ok(slots.filter(|slot| !leaving.contains(slot)).collect())
    }

    /// Notes that a slot belongs to another node from now on, if that is a member.
    pub(in super::super) async fn moved(&self, slot: u16, to: &Endpoint, until: Instant) {
        let is_told = self.peek(slot, |node| node.endpoint() == to);
        if is_told == Some(true) {
            return;
        }
        if self.member(to, until).await.is_some() {
            self.atlas.move_slot(slot, to);
        }
    }

    /// Has the nodes asked soon: one of them does not answer, or not as expected.
    pub(in super::super) fn suspect(&self) {
        self.atlas.wanted.notify_one();
    }

    /// Says whether every call would be refused at once, and counts one as refused if so.
    pub(in super::super) fn refuses(&self) -> bool {
        let refuses = match &*self.atlas.map.load() {
            Some(map) => !map.owners().is_empty() && map.owners().iter().all(|(_, node)| node.is_refusing()),
            None => self.atlas.progress.borrow().failure.is_some(),
        };
        if refuses {
            self.atlas.refused.add(1);
            self.suspect();
        }
        refuses
    }

    /// Says whether there is to be a near cache.
    pub(in super::super) fn has_near(&self) -> bool {
        matches!(self.atlas.settings.near, NearPlan::Wanted(_))
    }

    async fn map(&self, until: Instant) -> Result<Arc<SlotMap<Arc<Node>>>> {
        if let Some(map) = self.atlas.map.load_full() {
            return Ok(map);
        }
        self.start();
        let mut progress = self.atlas.progress.subscribe();
        let left = until.saturating_duration_since(Instant::now());
        let decided = timeout(left, progress.wait_for(|progress| progress.surveys > 0)).await;
        let reason = match (decided, self.atlas.map.load_full()) {
            (_, Some(map)) => return Ok(map),
            (Ok(Ok(progress)), None) => progress.failure.as_ref().map(|(reason, _)| Arc::clone(reason)),
            _ => None,
        };
        Err(self.refuse(match reason {
            Some(reason) => reason.to_string(),
            None => "no node of the cluster has told in time which slots are whose".to_owned(),
        }))
    }

    fn refuse(&self, reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        self.atlas.refused.add(1);
        Error::new(ErrorKind::Unavailable, reason).unsent()
    }

    /// Says whether a node belongs to the cluster, as far as is known.
    pub(in super::super) fn knows(&self, endpoint: &Endpoint) -> bool {
        let map = self.atlas.map.load();
        map.as_ref().is_some_and(|map| map.members().contains(endpoint))
    }

    /// Waits for a survey that begins after this was called, or until the deadline.
    async fn survey(&self, until: Instant) {
        self.start();
        let mut progress = self.atlas.progress.subscribe();
        // The one under way may have begun before.
        let enough = progress.borrow_and_update().surveys + 2;
        let surveyed = async {
            while progress.borrow_and_update().surveys < enough {
                self.atlas.wanted.notify_one();
                if progress.changed().await.is_err() {
                    return;
                }
            }
        };
        let left = until.saturating_duration_since(Instant::now());
        drop(timeout(left, surveyed).await);
    }

    fn start(&self) {
        let mut surveyor = self.surveyor();
        if surveyor.as_ref().is_none_or(AbortHandle::is_finished)
            && let Some(runtime) = house::runtime().or_else(|| Handle::try_current().ok())
        {
            let surveying = runtime.spawn(survey::supervise(Arc::clone(&self.atlas)));
            *surveyor = Some(surveying.abort_handle());
        }
    }

    /// Never held while something is awaited.
    fn surveyor(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.surveyor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the manager.
impl Cluster {
    /// Finds the nodes and connects to all of them; says whether any answers.
    pub(super) async fn try_now(&self) -> bool {
        let until = self.deadline() + self.atlas.settings.connect_timeout;
        self.suspect();
        let Ok(owners) = self.owners(until).await else {
            return false;
        };
        let tried = join_all(owners.iter().map(|node| node.try_now())).await;
        tried.contains(&true)
    }

    /// Closes all connections, and forgets which slots are whose.
    pub(super) async fn disconnect(&self) {
        if let Some(surveyor) = self.surveyor().take() {
            surveyor.abort();
        }
        self.atlas.map.store(None);
        self.atlas.progress.send_replace(Progress::default());
        let known = std::mem::take(&mut self.atlas.nodes().known);
        join_all(known.values().map(|known| known.node.disconnect())).await;
        let mut nodes = self.atlas.nodes();
        for known in known.values() {
            nodes.past = nodes.past.plus(known.node.metrics());
        }
    }

    /// Ready as long as any node is; then the reason names those that are not.
    pub(super) fn condition(&self) -> Condition {
        let map = self.atlas.map.load();
        let Some(map) = map.as_ref() else {
            return match &self.atlas.progress.borrow().failure {
                Some((reason, since)) => Condition::Unavailable {
                    reason: Arc::clone(reason),
                    since: *since,
                },
                None if self.surveyor().is_some() => Condition::Connecting,
                None => Condition::Idle,
            };
        };
        Condition::of_all(map.owners().iter().map(|(endpoint, node)| (endpoint, node.condition())))
    }

    /// On while any node's is.
    pub(super) fn near_condition(&self) -> Option<near::Condition> {
        if !self.has_near() {
            return None;
        }
        let map = self.atlas.map.load();
        let owners = map.iter().flat_map(|map| map.owners());
        let mut condition = near::Condition::Idle;
        for (_, node) in owners {
            match node.near_condition() {
                Some(near::Condition::Serving) => return Some(near::Condition::Serving),
                Some(unavailable @ near::Condition::Unavailable(_)) => condition = unavailable,
                Some(near::Condition::Idle) | None => {}
            }
        }
        Some(condition)
    }

    pub(super) fn metrics(&self) -> Metrics {
        let nodes = self.atlas.nodes();
        let mut metrics = nodes.past;
        metrics.refused += self.atlas.refused.get();
        let present = nodes.known.values().map(|known| known.node.metrics());
        present.fold(metrics, Metrics::plus)
    }
}

/// For the surveyor.
impl Atlas {
    /// Takes in what nodes have told.
    pub(super) fn learn(&self, views: &[View]) {
        let map = SlotMap::of(views, |endpoint| self.node(endpoint));
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

    /// Says whether the slots may soon be others': a node is down, or some have none.
    pub(super) fn is_troubled(&self) -> bool {
        let map = self.map.load();
        let is_whole =
            |map: &Arc<SlotMap<Arc<Node>>>| !map.has_holes() && map.owners().iter().all(|(_, node)| node.is_usable());
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

    fn move_slot(&self, slot: u16, to: &Endpoint) {
        let node = self.node(to);
        let _nodes = self.nodes();
        if let Some(before) = self.map.load_full() {
            let map = before.moved(slot, to, || node);
            self.publish(Arc::new(map), Some(&before));
        }
    }

    /// Who has lost slots forgets what is near: it would not be told of changes.
    fn publish(&self, map: Arc<SlotMap<Arc<Node>>>, before: Option<&SlotMap<Arc<Node>>>) {
        self.map.store(Some(Arc::clone(&map)));
        for (endpoint, node) in before.iter().flat_map(|before| before.owners()) {
            let lost = |slot| map.owner(slot).is_none_or(|owner| owner.endpoint() != endpoint);
            if node.tracking().is_some() && before.is_some_and(|before| before.slots_of(endpoint).any(lost)) {
                node.forget_near();
            }
        }
    }

    /// Finds a node, or makes one.
    fn node(&self, endpoint: &Endpoint) -> Arc<Node> {
        let mut nodes = self.nodes();
        let known = nodes.known.entry(endpoint.clone()).or_insert_with(|| Known {
            node: Arc::new(Node::new(Arc::clone(&self.settings), endpoint.clone())),
            asked: Instant::now(),
        });
        known.asked = Instant::now();
        Arc::clone(&known.node)
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

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cluster of ")?;
        let map = self.atlas.map.load();
        let owners = map.iter().flat_map(|map| map.owners()).map(|(endpoint, _)| endpoint);
        let endpoints: Vec<_> = if map.is_some() {
            owners.collect()
        } else {
            self.atlas.seeds.iter().collect()
        };
        endpoints.iter().enumerate().try_for_each(|(at, endpoint)| {
            f.write_str(if at > 0 { "," } else { "" })?;
            endpoint.fmt(f)
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(surveyor) = self.surveyor().take() {
            surveyor.abort();
        }
    }
}
