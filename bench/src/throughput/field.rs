//! Everybody who takes part.

use crate::{
    peers::{self, Ours, Scribe, Visitor},
    race::{host::Host, lane::Lane},
};

/// All contenders, connected. The first is ours.
pub(super) struct Field {
    /// Ours, and those that send a command for each call and do little else.
    clients: Vec<Box<dyn Lane>>,
    /// The others.
    caches: Vec<Box<dyn Lane>>,
}

impl Field {
    /// Connects everybody.
    pub(super) async fn of_all(port: u16, ours: Box<dyn Lane>) -> Self {
        let mut caches = Host::at(port);
        peers::introduce_caches(&mut caches).await;
        Self {
            caches: caches.into_lanes(),
            ..Self::of_clients(port, ours).await
        }
    }

    /// Connects the plain clients only.
    pub(super) async fn of_clients(port: u16, ours: Box<dyn Lane>) -> Self {
        let mut clients = Host::at(port).with(ours);
        peers::introduce_clients(&mut clients).await;
        Self {
            clients: clients.into_lanes(),
            caches: Vec::new(),
        }
    }

    /// Returns ours and the plain clients.
    pub(super) fn clients(&self) -> Vec<&dyn Lane> {
        self.clients.iter().map(|lane| &**lane).collect()
    }

    /// Returns everybody.
    pub(super) fn all(&self) -> Vec<&dyn Lane> {
        self.clients.iter().chain(&self.caches).map(|lane| &**lane).collect()
    }
}

/// Returns a line for each contender: how it talks to the server.
pub(super) async fn wirings() -> String {
    let mut scribe = Scribe::default();
    scribe.meet::<Ours>().await;
    peers::introduce_clients(&mut scribe).await;
    peers::introduce_caches(&mut scribe).await;
    scribe.lines()
}
