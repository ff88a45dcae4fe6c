//! The nodes of a Redis Cluster, and which of them serves a key.
//!
//! Each node is supervised by itself, with a breaker of its own: a dead one makes only its own keys unavailable. Which slots are whose is asked by
//! [`survey`], in the house's runtime, and corrected by every redirection.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Instant,
};

use futures_util::future::join_all;
use tokio::{runtime::Handle, task::AbortHandle, time::timeout};

use super::{
    super::{
        batch::UnderWay,
        failure::Failure,
        gate::Attempt,
        generation::Number,
        house,
        node::{Condition, Entered, Node},
    },
    atlas::{Atlas, Map},
    route, survey,
    view::View,
};
use crate::{
    capabilities::Capabilities,
    command::Command,
    config::{Endpoint, NearPlan, Settings, Target},
    error::{Error, ErrorKind, Result},
    journal::Journal,
    metrics::Metrics,
    near,
    reply::Reply,
};

/// A cluster as this process sees it.
#[derive(Debug)]
pub(crate) struct Cluster {
    atlas: Arc<Atlas>,
    surveyor: Mutex<Option<AbortHandle>>,
}

/// The slots that a node serves, and those of them that it is giving away, with whom each goes to.
pub(in super::super) type SlotsAt = (Vec<u16>, Vec<(u16, Endpoint)>);

/// For callers.
impl Cluster {
    pub(super) fn new(settings: Settings, seeds: Vec<Endpoint>, journal: &Arc<Journal>) -> Self {
        Self {
            atlas: Arc::new(Atlas::new(settings, seeds, journal)),
            surveyor: Mutex::new(None),
        }
    }

    /// Returns the deadline of a call that begins now.
    pub(in super::super) fn deadline(&self) -> Instant {
        Instant::now() + self.atlas.settings.deadline
    }

    /// Shows the node that serves a slot, as far as that is known without waiting.
    pub(in super::super) fn peek<T>(&self, slot: u16, look: impl FnOnce(&Node) -> T) -> Option<T> {
        let map = self.atlas.map();
        Some(look(map.as_ref()?.owner(slot)?))
    }

    /// Counts what came of a call that was sent to the node of a slot.
    pub(in super::super) fn settle<T>(&self, slot: u16, generation: Number, answer: Result<T, Failure>) -> Result<T> {
        let map = self.atlas.map();
        match map.as_ref().and_then(|map| map.owner(slot)) {
            Some(node) => node.settle(generation, answer, Attempt::default()),
            None => answer.map_err(Failure::into_error),
        }
    }

    /// Sends a command for one key to the node of its slot without waiting for anything, and returns that slot with it. `None` if that is not
    /// possible, or a near cache may know the answer.
    ///
    /// # Errors
    ///
    /// - The node is known to be unavailable.
    pub(in super::super) fn enter(&self, command: &Command, waker: &Waker) -> Option<Result<(u16, UnderWay, Number)>> {
        let slot = route::of_one_key(command).filter(|_| !self.has_near())?;
        match self.peek(slot, |node| node.enter(|| Ok(command.clone()), waker))? {
            Ok(Entered::Sent(call, generation, _)) => Some(Ok((slot, call, generation))),
            Ok(Entered::Waits(_)) => None,
            Err(refused) => {
                self.suspect();
                Some(Err(refused))
            }
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

    /// Returns the node at an endpoint, if it serves slots.
    pub(in super::super) async fn owner_at(&self, endpoint: &Endpoint, until: Instant) -> Result<Option<Arc<Node>>> {
        let owners = self.owners(until).await?;
        Ok(owners.into_iter().find(|node| node.endpoint() == endpoint))
    }

    /// Returns a node for what any node can answer.
    pub(in super::super) async fn anybody(&self, until: Instant) -> Result<Arc<Node>> {
        let owners = self.owners(until).await?;
        let usable = owners.iter().find(|node| node.is_usable());
        match usable.or_else(|| owners.first()) {
            Some(node) => Ok(Arc::clone(node)),
            None => Err(self.refuse("no node of the cluster serves any slot")),
        }
    }

    /// Returns the member of the cluster that a redirection names; nobody else is ever connected to.
    pub(in super::super) async fn member(&self, endpoint: &Endpoint, until: Instant) -> Option<Arc<Node>> {
        if !self.knows(endpoint) {
            self.survey(until).await;
        }
        self.suspect();
        self.knows(endpoint).then(|| self.atlas.member(endpoint))
    }

    /// Returns the slots that a node serves.
    pub(in super::super) fn slots_of(&self, endpoint: &Endpoint) -> Vec<u16> {
        let map = self.atlas.map();
        map.iter().flat_map(|map| map.slots_of(endpoint)).collect()
    }

    /// Takes in what a node itself says of its slots: returns those that it serves, and those that it is giving away, and to whom.
    ///
    /// # Errors
    ///
    /// - Its reply cannot be read.
    pub(in super::super) fn slots_at(node: &Node, slots: Reply, nodes: Option<&Reply>) -> Result<SlotsAt> {
        let endpoint = node.endpoint();
        let view = View::read(slots, nodes, endpoint);
        let view = view.ok_or_else(|| Error::decode("the reply to CLUSTER SLOTS has an unexpected shape"))?;
        let leaving = nodes.map_or_else(Vec::new, |nodes| View::leaving(nodes, endpoint));
        let own = view.ranges.iter().filter(|range| range.owner == *endpoint);
        Ok((own.flat_map(|range| range.first..=range.last).collect(), leaving))
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

    /// Has the nodes asked soon: one of them does not answer, or not as expected. If the surveyor is on its guard already, it goes on as it does.
    pub(in super::super) fn suspect(&self) {
        self.atlas.doubt();
    }

    /// Says whether every call would be refused at once, and counts one as refused if so.
    pub(in super::super) fn refuses(&self) -> bool {
        let refuses = self.is_refusing();
        if refuses {
            self.atlas.refused();
            self.suspect();
        }
        refuses
    }

    /// Says the same, and counts nothing.
    pub(super) fn is_refusing(&self) -> bool {
        match &*self.atlas.map() {
            Some(map) => !map.owners().is_empty() && map.owners().iter().all(|(_, node)| node.is_refusing()),
            None => self.atlas.failure().is_some(),
        }
    }

    /// Says whether there is to be a near cache.
    pub(in super::super) fn has_near(&self) -> bool {
        matches!(self.atlas.settings.near, NearPlan::Wanted(_))
    }

    /// Says whether some reads may be answered by what was near before an outage.
    pub(in super::super) fn may_be_stale(&self) -> bool {
        let map = self.atlas.map();
        self.has_near()
            && map
                .iter()
                .flat_map(|map| map.owners())
                .any(|(_, node)| node.may_be_stale())
    }

    async fn map(&self, until: Instant) -> Result<Arc<Map>> {
        if let Some(map) = self.atlas.map().clone() {
            return Ok(map);
        }
        self.start();
        let mut progress = self.atlas.progress();
        let left = until.saturating_duration_since(Instant::now());
        let decided = timeout(left, progress.wait_for(|progress| progress.surveys > 0)).await;
        let reason = match (decided, self.atlas.map().clone()) {
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
        self.atlas.refused();
        Error::new(ErrorKind::Unavailable, reason).unsent()
    }

    /// Says whether a node belongs to the cluster, as far as is known.
    pub(in super::super) fn knows(&self, endpoint: &Endpoint) -> bool {
        let map = self.atlas.map();
        map.as_ref().is_some_and(|map| map.members().contains(endpoint))
    }

    /// Waits for a survey that begins after this was called, or until the deadline.
    async fn survey(&self, until: Instant) {
        self.start();
        let mut progress = self.atlas.progress();
        // The one under way may have begun before.
        let enough = progress.borrow_and_update().surveys + 2;
        let surveyed = async {
            while progress.borrow_and_update().surveys < enough {
                self.atlas.want();
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
        self.atlas.want();
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
        let nodes = self.atlas.forget();
        join_all(nodes.iter().map(|node| node.disconnect())).await;
        self.atlas.remember(&nodes);
    }

    /// Ready as long as any node is; then the reason names those that are not.
    pub(super) fn condition(&self) -> Condition {
        let map = self.atlas.map();
        let Some(map) = map.as_ref() else {
            return match self.atlas.failure() {
                Some((reason, since)) => Condition::Unavailable { reason, since },
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
        let map = self.atlas.map();
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

    /// What all nodes can, as far as that was found out.
    pub(super) fn capabilities(&self) -> Capabilities {
        let map = self.atlas.map();
        let owners = map.iter().flat_map(|map| map.owners());
        let all = owners.map(|(_, node)| node.capabilities());
        // Of a node that was never asked anything nothing is known.
        let known = all.filter(|capabilities| *capabilities != Capabilities::default());
        known.reduce(Capabilities::least).unwrap_or_default()
    }

    pub(super) fn metrics(&self) -> Metrics {
        self.atlas.metrics()
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = match &*self.atlas.map() {
            Some(map) => map.owners().iter().map(|(endpoint, _)| endpoint.clone()).collect(),
            None => self.atlas.seeds.clone(),
        };
        Target::Cluster(endpoints).fmt(f)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(surveyor) = self.surveyor().take() {
            surveyor.abort();
        }
    }
}
