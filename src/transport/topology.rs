//! Which servers there are. For now: one.

use std::{pin::Pin, sync::Arc, task::Waker};

use fred::clients::Client;

use super::{
    failure::Failure,
    gate::Attempt,
    generation::{Number, Permit},
    node::{Condition, Entered, Node},
    tracking::Tracking,
};
use crate::{
    capabilities::Capabilities,
    command::Command,
    config::{Endpoint, Settings},
    error::Result,
    metrics::Metrics,
    near,
};

/// Keeps fred's deeply nested futures out of the types of whoever awaits them.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The servers that together are "Redis".
#[derive(Debug)]
pub(crate) struct Topology {
    node: Node,
}

impl Topology {
    pub(super) fn single(settings: Settings, endpoint: Endpoint) -> Self {
        Self {
            node: Node::new(Arc::new(settings), endpoint),
        }
    }

    /// Sends a call without waiting for anything, if that is possible.
    pub(super) fn enter<B: FnOnce() -> Result<Command>>(&self, build: B, waker: &Waker) -> Result<Entered<B>> {
        self.node.enter(build, waker)
    }

    /// Says whether calls of this runtime pass, as far as is known without waiting.
    pub(super) fn is_open(&self) -> bool {
        self.node.is_open()
    }

    /// Admits a call to the server, or refuses it at once.
    pub(super) async fn admit(&self) -> Result<Permit> {
        self.node.admit().await
    }

    /// Notes that a call was answered in time.
    pub(super) fn answered(&self) {
        self.node.answered();
    }

    /// Notes what became of a call that was not answered well.
    pub(super) fn failed(&self, generation: Number, failure: &Failure, attempt: Attempt) {
        self.node.failed(generation, failure, attempt);
    }

    /// Says whether a call would be refused at once, and counts it as refused if so.
    pub(super) fn refuses(&self) -> bool {
        self.node.refuses()
    }

    /// Returns the near cache of the server, if there is to be one.
    pub(super) fn tracking(&self) -> Option<&Tracking> {
        self.node.tracking()
    }

    /// Says how the near cache is, if there is to be one.
    pub(crate) fn near_condition(&self) -> Option<near::Condition> {
        self.node.near_condition()
    }

    /// Connects now, or proves the connection.
    pub(crate) fn try_now(&self) -> Boxed<'_, bool> {
        Box::pin(self.node.try_now())
    }

    /// Closes all connections. The next call opens new ones.
    pub(crate) fn disconnect(&self) -> Boxed<'_, ()> {
        Box::pin(self.node.disconnect())
    }

    pub(crate) fn condition(&self) -> Condition {
        self.node.condition()
    }

    /// Returns what the server can, as far as that was found out.
    pub(crate) fn capabilities(&self) -> Capabilities {
        self.node.capabilities()
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.node.is_usable()
    }

    pub(crate) fn client(&self) -> Option<Client> {
        self.node.client()
    }

    /// Returns the name of the server, without user and password.
    pub(crate) fn server(&self) -> String {
        self.node.endpoint().to_string()
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.node.metrics()
    }
}
