//! Where topics are listened to: at the one server, at any node of a cluster, or at the node of a channel's slot.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Instant,
};

use super::super::{
    node::Node,
    topology::{Cluster, Topology, slot_of},
};
use crate::{
    config::Endpoint,
    error::{Error, ErrorKind, Result},
    messages::{Kind, Topic},
};

/// The servers.
#[derive(Debug, Clone)]
pub(super) enum Directory {
    One(Arc<Node>),
    Cluster(Arc<Cluster>),
}

impl Directory {
    pub(super) fn of(topology: &Topology) -> Self {
        match topology {
            Topology::One(node) => Self::One(Arc::clone(node)),
            Topology::Cluster(cluster) => Self::Cluster(Arc::clone(cluster)),
        }
    }

    /// Says whether the one server is known to be unavailable.
    pub(super) fn is_refusing(&self) -> bool {
        match self {
            Self::One(node) => node.is_refusing(),
            Self::Cluster(_) => false,
        }
    }

    /// Returns the slot where a topic is listened to; `None` if that is anywhere.
    pub(super) fn slot(&self, topic: &Topic) -> Option<u16> {
        let is_sharded = matches!(self, Self::Cluster(_)) && topic.kind == Kind::Shard;
        is_sharded.then(|| slot_of(&topic.name))
    }

    /// Returns the deadline of what begins now.
    pub(super) fn deadline(&self) -> Instant {
        match self {
            Self::One(node) => Instant::now() + node.deadline(),
            Self::Cluster(cluster) => cluster.deadline(),
        }
    }

    /// Returns the node that serves a slot.
    ///
    /// # Errors
    ///
    /// - Nobody is known to serve it.
    pub(super) async fn owner(&self, slot: u16, until: Instant) -> Result<Arc<Node>> {
        match self {
            Self::One(node) => Ok(Arc::clone(node)),
            Self::Cluster(cluster) => cluster.owner(slot, until).await,
        }
    }

    /// Returns a node for what is listened to anywhere: this one if it is still there, or else any that is not avoided. All nodes of a cluster hear
    /// of every message, so different processes listen at different ones.
    ///
    /// # Errors
    ///
    /// - No node is known.
    pub(super) async fn anybody(
        &self,
        preferred: Option<&Endpoint>,
        is_avoided: impl Fn(&Endpoint) -> bool,
        until: Instant,
    ) -> Result<Arc<Node>> {
        let cluster = match self {
            Self::One(node) => return Ok(Arc::clone(node)),
            Self::Cluster(cluster) => cluster,
        };
        let mut owners = cluster.owners(until).await?;
        owners.sort_by_cached_key(|node| {
            let endpoint = node.endpoint();
            let is_other = Some(endpoint) != preferred;
            let chance = RandomState::new().hash_one(0);
            (is_avoided(endpoint), is_other, !node.is_usable(), chance)
        });
        let nobody = || Error::new(ErrorKind::Unavailable, "no node of the cluster serves any slot").unsent();
        owners.into_iter().next().ok_or_else(nobody)
    }

    /// Says whether a server still hears of what is published. A node that has left its cluster does not, although it answers.
    pub(super) fn hears(&self, endpoint: &Endpoint) -> bool {
        match self {
            Self::One(_) => true,
            Self::Cluster(cluster) => cluster.knows(endpoint),
        }
    }

    /// Has the nodes asked soon which slots are whose.
    pub(super) fn suspect(&self) {
        if let Self::Cluster(cluster) = self {
            cluster.suspect();
        }
    }

    /// Notes that a slot belongs to another node, if that is a member of the cluster.
    pub(super) async fn moved(&self, slot: u16, to: &Endpoint, until: Instant) {
        if let Self::Cluster(cluster) = self {
            cluster.moved(slot, to, until).await;
        }
    }
}
