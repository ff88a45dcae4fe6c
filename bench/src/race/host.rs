//! Who brings the contenders together.

use super::lane::{Entrant, Lane};
use crate::{
    peers::{Peer, Visitor},
    report,
};

/// Connects those that it meets.
pub(crate) struct Host {
    /// Where the server listens.
    port: u16,
    /// Who is connected.
    lanes: Vec<Box<dyn Lane>>,
}

impl Host {
    /// Expects contenders for the server on that port.
    pub(crate) fn at(port: u16) -> Self {
        Self {
            port,
            lanes: Vec::new(),
        }
    }

    /// Takes one that is connected already.
    pub(crate) fn with(mut self, lane: Box<dyn Lane>) -> Self {
        self.lanes.push(lane);
        self
    }

    /// Returns those that are connected, in the order in which they were met.
    pub(crate) fn into_lanes(self) -> Vec<Box<dyn Lane>> {
        self.lanes
    }
}

impl Visitor for Host {
    async fn meet<P: Peer>(&mut self) {
        match P::connect(self.port).await {
            Ok(peer) => self.lanes.push(Box::new(Entrant(peer))),
            Err(error) => report::remark(&format!("{} does not take part: {error}", P::NAME)),
        }
    }
}
