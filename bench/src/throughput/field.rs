//! Everybody who takes part.

use crate::{
    peers::{self, Ours, Peer, Scribe, Visitor},
    race::lane::{Entrant, Lane},
    report,
};

/// All contenders, connected. The first is ours.
pub(super) struct Field {
    /// Ours, and those that send a command for each call and do little else.
    clients: Vec<Box<dyn Lane>>,
    /// The others.
    caches: Vec<Box<dyn Lane>>,
}

/// Connects those that it meets.
struct Host {
    /// Where the server listens.
    port: u16,
    /// Who is connected.
    lanes: Vec<Box<dyn Lane>>,
}

impl Field {
    /// Connects everybody.
    pub(super) async fn of_all(port: u16, ours: Box<dyn Lane>) -> Self {
        let mut caches = Host {
            port,
            lanes: Vec::new(),
        };
        peers::introduce_caches(&mut caches).await;
        Self {
            caches: caches.lanes,
            ..Self::of_clients(port, ours).await
        }
    }

    /// Connects the plain clients only.
    pub(super) async fn of_clients(port: u16, ours: Box<dyn Lane>) -> Self {
        let mut clients = Host {
            port,
            lanes: vec![ours],
        };
        peers::introduce_clients(&mut clients).await;
        Self {
            clients: clients.lanes,
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

impl Visitor for Host {
    async fn meet<P: Peer>(&mut self) {
        match P::connect(self.port).await {
            Ok(peer) => self.lanes.push(Box::new(Entrant(peer))),
            Err(error) => report::remark(&format!("{} does not take part: {error}", P::NAME)),
        }
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
