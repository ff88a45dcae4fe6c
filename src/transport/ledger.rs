//! What is known of a server's outages.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{findings::Findings, survey::Found, tracking::Tracking};
use crate::{
    capabilities::{Capabilities, Support},
    metrics::Counters,
};

/// The counts and the outages of one server, for all its links together: an outage begins and ends once, and is logged once.
#[derive(Debug)]
pub(super) struct Ledger {
    server: String,
    pub(super) counters: Counters,
    pub(super) findings: Findings,
    outage: Mutex<Option<Outage>>,
    /// The near cache, which an outage empties.
    tracking: Option<Arc<Tracking>>,
}

#[derive(Debug)]
struct Outage {
    began: Instant,
    refused_before: u64,
    is_announced: bool,
}

impl Ledger {
    pub(super) fn new(server: String, tracking: Option<Arc<Tracking>>) -> Self {
        Self {
            server,
            tracking,
            counters: Counters::default(),
            findings: Findings::default(),
            outage: Mutex::new(None),
        }
    }

    /// Notes that calls are refused from now on, if they were not already.
    pub(super) fn begin_outage(&self) {
        self.outage().get_or_insert_with(|| Outage {
            began: Instant::now(),
            refused_before: self.counters.refused.get(),
            is_announced: false,
        });
        if let Some(tracking) = &self.tracking {
            tracking.near().begin_outage();
        }
    }

    /// Notes that calls are about to be let through.
    pub(super) fn let_through(&self) {
        if let Some(tracking) = &self.tracking {
            tracking.near().end_outage();
            tracking.try_again();
        }
    }

    /// Tells of the outage, once.
    pub(super) fn announce_outage(&self, reason: &str) {
        let was_announced = match &mut *self.outage() {
            Some(outage) => std::mem::replace(&mut outage.is_announced, true),
            None => true,
        };
        if !was_announced {
            self.counters.outages.add(1);
            tracing::warn!(
                server = self.server,
                reason,
                "Redis is unavailable: calls answer neutrally until it is back"
            );
        }
    }

    pub(super) fn end_outage(&self) {
        let outage = self.outage().take();
        if let Some(outage) = outage.filter(|outage| outage.is_announced) {
            let refused = self.counters.refused.get().saturating_sub(outage.refused_before);
            let seconds = outage.began.elapsed().as_secs_f64();
            tracing::info!(server = self.server, seconds, refused, "Redis is back");
        }
        if let Some(tracking) = &self.tracking {
            tracking.near().tell();
        }
    }

    /// Ends an outage without its being over: the server is asked no more.
    pub(super) fn retire(&self) {
        let outage = self.outage().take();
        if outage.is_some_and(|outage| outage.is_announced) {
            tracing::info!(server = self.server, "the node has left the cluster");
        }
    }

    /// Notes what the server can.
    pub(super) fn surveyed(&self, found: &Found) {
        self.findings.note(&self.server, found);
        if let Some(tracking) = &self.tracking
            && found.capabilities.scripts == Support::No
        {
            tracking.go_without_scripts();
        }
    }

    /// Returns what the server can, as far as that was found out.
    pub(super) fn capabilities(&self) -> Capabilities {
        let found = self.findings.latest();
        match &self.tracking {
            // Who follows the changes knows.
            Some(tracking) => Capabilities {
                tracking: tracking.is_permitted(),
                ..found
            },
            None => found,
        }
    }

    pub(super) fn forget_outage(&self) {
        *self.outage() = None;
    }

    /// Never held while something is logged: a subscriber may ask the manager something.
    fn outage(&self) -> MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
