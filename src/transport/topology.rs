//! Which servers there are: one, the master that Sentinels watch, or the nodes of a cluster.
//!
//! - [`sentinel`]: where the master is;
//! - [`atlas`]: what is known of a cluster;
//! - [`cluster`]: the nodes of a cluster, and which of them serves a key;
//! - [`survey`]: the task that asks the nodes for that;
//! - [`map`]: slots and their owners;
//! - [`slot`]: which slot a key is in;
//! - [`view`]: what a node tells of its cluster;
//! - [`redirection`]: what it replies where another one has to be asked;
//! - [`route`]: which nodes a command concerns;
//! - [`cursor`]: how far an iteration over all nodes has come.

mod atlas;
pub(super) mod cluster;
pub(super) mod cursor;
mod map;
pub(super) mod redirection;
pub(super) mod route;
mod sentinel;
mod slot;
mod survey;
mod view;

use std::{pin::Pin, sync::Arc};

use fred::clients::Client;

pub(super) use self::{
    cluster::Cluster,
    slot::{slot_of, tags},
};
use super::node::{Condition, Node};
use crate::{
    capabilities::Capabilities,
    config::{Endpoint, Sentinels, Settings},
    journal::Journal,
    metrics::Metrics,
    near,
};

/// Keeps fred's deeply nested futures out of the types of whoever awaits them.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The servers that together are "Redis".
#[derive(Debug)]
pub(crate) enum Topology {
    One(Arc<Node>),
    Cluster(Arc<Cluster>),
}

impl Topology {
    pub(super) fn single(settings: Settings, endpoint: Endpoint, journal: &Arc<Journal>) -> Self {
        Self::One(Arc::new(Node::new(Arc::new(settings), endpoint, journal)))
    }

    pub(super) fn cluster(settings: Settings, seeds: Vec<Endpoint>, journal: &Arc<Journal>) -> Self {
        Self::Cluster(Arc::new(Cluster::new(settings, seeds, journal)))
    }

    /// The master that Sentinels watch, wherever that is.
    pub(super) fn of_master(settings: Settings, sentinels: Sentinels, journal: &Arc<Journal>) -> Self {
        Self::One(sentinel::node_of_master(settings, sentinels, journal))
    }

    /// Says whether every call would be refused at once, and counts one as refused if so.
    pub(super) fn refuses(&self) -> bool {
        match self {
            Self::One(node) => node.refuses(),
            Self::Cluster(cluster) => cluster.refuses(),
        }
    }

    /// Says the same, and counts nothing.
    pub(super) fn is_refusing(&self) -> bool {
        match self {
            Self::One(node) => node.is_refusing(),
            Self::Cluster(cluster) => cluster.is_refusing(),
        }
    }

    /// Says how the near cache is, if there is to be one.
    pub(crate) fn near_condition(&self) -> Option<near::Condition> {
        match self {
            Self::One(node) => node.near_condition(),
            Self::Cluster(cluster) => cluster.near_condition(),
        }
    }

    /// Connects now, or proves the connection.
    pub(crate) fn try_now(&self) -> Boxed<'_, bool> {
        match self {
            Self::One(node) => Box::pin(node.try_now()),
            Self::Cluster(cluster) => Box::pin(cluster.try_now()),
        }
    }

    /// Closes all connections. The next call opens new ones.
    pub(crate) fn disconnect(&self) -> Boxed<'_, ()> {
        match self {
            Self::One(node) => Box::pin(node.disconnect()),
            Self::Cluster(cluster) => Box::pin(cluster.disconnect()),
        }
    }

    pub(crate) fn condition(&self) -> Condition {
        match self {
            Self::One(node) => node.condition(),
            Self::Cluster(cluster) => cluster.condition(),
        }
    }

    /// Returns what the server can, as far as that was found out.
    pub(crate) fn capabilities(&self) -> Capabilities {
        match self {
            Self::One(node) => node.capabilities(),
            Self::Cluster(cluster) => cluster.capabilities(),
        }
    }

    pub(crate) fn is_usable(&self) -> bool {
        !matches!(self.condition(), Condition::Unavailable { .. })
    }

    /// Returns the client of the one server; a cluster has one for each node.
    pub(crate) fn client(&self) -> Option<Client> {
        match self {
            Self::One(node) => node.client(),
            Self::Cluster(_) => None,
        }
    }

    /// Returns the name of the server, or of the cluster's nodes, without user and password.
    pub(crate) fn server(&self) -> String {
        match self {
            Self::One(node) => node.server(),
            Self::Cluster(cluster) => cluster.to_string(),
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        match self {
            Self::One(node) => node.metrics(),
            Self::Cluster(cluster) => cluster.metrics(),
        }
    }
}
