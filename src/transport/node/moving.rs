//! A server that may move: who reaches it, and what happens then.

use std::sync::PoisonError;

use super::{
    super::{connection::Refusal, gate::State},
    Node,
};
use crate::config::Endpoint;

/// For connections beside the links.
impl Node {
    /// Returns where it is, as soon as that is found out.
    pub(in super::super) async fn place(&self) -> Result<Endpoint, Refusal> {
        self.start_looking();
        self.whereabouts.find().await
    }

    /// Waits until it is elsewhere, and returns where.
    pub(in super::super) async fn moved(&self, from: &Endpoint) -> Endpoint {
        self.whereabouts.moved(from).await
    }

    /// Notes that it may have moved.
    pub(in super::super) fn doubt(&self) {
        self.whereabouts.doubt();
    }

    fn start_looking(&self) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.whereabouts.start();
    }
}

/// For whoever finds out where it is.
impl Node {
    /// Says whether it answers calls, of any runtime.
    pub(in super::super) fn is_answering(&self) -> bool {
        self.any(|state| matches!(state, State::Up { .. }))
    }

    /// Says whether calls of any runtime wait for it, or are refused.
    pub(in super::super) fn is_missed(&self) -> bool {
        self.any(|state| matches!(state, State::Starting | State::Down { .. }))
    }

    /// Leaves every place but that one, and connects there as soon as that is published. Before, nothing is left of another place: nothing near, and
    /// no open way there.
    pub(in super::super) fn move_to<T>(&self, endpoint: &Endpoint, publish: impl FnOnce() -> T) -> T {
        let links = self.links.load_full();
        let leave = || {
            for link in links.iter() {
                link.gate().leave_for(endpoint);
            }
            publish()
        };
        let published = match &self.tracking {
            Some(tracking) => tracking.stop_for_move(leave),
            None => leave(),
        };
        for link in links.iter() {
            link.gate().hurry();
        }
        published
    }

    fn any(&self, is: impl Fn(&State) -> bool) -> bool {
        self.links.load().iter().any(|link| is(&link.gate().state()))
    }
}
