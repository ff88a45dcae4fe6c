//! What is known of the master, for all who have to do with it.

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
};

use tokio::sync::watch;

use super::super::super::{connection::Refusal, node::Node, whereabouts::Known};
use crate::config::{Endpoint, Sentinels, Settings, Target};

/// The master that Sentinels watch.
#[derive(Debug)]
pub(super) struct Master {
    sentinels: Sentinels,
    /// How Sentinels are connected to: as the master, but by a user of their own.
    settings: Settings,
    known: watch::Sender<Known>,
    /// Grows whenever somebody wants Sentinels to be asked.
    doubts: watch::Sender<u64>,
    /// By which it is reached.
    node: OnceLock<Weak<Node>>,
}

impl Master {
    pub(super) fn new(settings: &Settings, sentinels: Sentinels) -> Self {
        Self {
            settings: Settings {
                username: sentinels.username.clone(),
                password: sentinels.password.clone(),
                db: 0,
                ..settings.clone()
            },
            sentinels,
            known: watch::Sender::new(Known::Asked),
            doubts: watch::Sender::new(0),
            node: OnceLock::new(),
        }
    }

    /// Notes by which node it is reached.
    pub(super) fn is_reached_by(&self, node: &Arc<Node>) {
        drop(self.node.set(Arc::downgrade(node)));
    }

    pub(super) fn name(&self) -> &str {
        &self.sentinels.master
    }

    /// Returns the Sentinels that are configured.
    pub(super) fn sentinels(&self) -> &[Endpoint] {
        &self.sentinels.endpoints
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn known(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// Has Sentinels asked at once.
    pub(super) fn doubt(&self) {
        self.doubts.send_modify(|count| *count += 1);
    }

    pub(super) fn doubts(&self) -> watch::Receiver<u64> {
        self.doubts.subscribe()
    }

    /// Says whether it answers calls.
    pub(super) fn is_answering(&self) -> bool {
        self.node().is_some_and(|node| node.is_answering())
    }

    /// Says whether somebody waits for it.
    pub(super) fn is_missed(&self) -> bool {
        self.node().is_some_and(|node| node.is_missed())
    }

    /// Notes where it is.
    pub(super) fn is_at(&self, endpoint: &Endpoint) {
        if matches!(&*self.known.borrow(), Known::At(known) if known == endpoint) {
            return;
        }
        let Some(node) = self.node() else { return };
        let publish = || self.known.send_replace(Known::At(endpoint.clone()));
        if let Known::At(before) = node.move_to(endpoint, publish) {
            tracing::info!(master = self.name(), from = %before, to = %endpoint, "the master has moved");
        }
    }

    /// Notes that no Sentinel says where it is.
    pub(super) fn is_nowhere(&self, refusal: Refusal) {
        self.known.send_if_modified(|known| {
            let is_news = !matches!(known, Known::Nowhere(known) if *known == refusal);
            if is_news {
                *known = Known::Nowhere(refusal);
            }
            is_news
        });
    }

    /// Forgets where it is.
    pub(super) fn forget(&self) {
        self.known.send_replace(Known::Asked);
    }

    fn node(&self) -> Option<Arc<Node>> {
        self.node.get()?.upgrade()
    }
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.known.borrow() {
            Known::At(endpoint) => write!(f, "{} at {endpoint}", self.name()),
            Known::Asked | Known::Nowhere(_) => Target::Sentinel(self.sentinels.clone()).fmt(f),
        }
    }
}
