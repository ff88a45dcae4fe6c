//! Where a server is: in one place for good, or wherever somebody finds out that it is.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use super::{connection::Refusal, failure::Failure};
use crate::config::Endpoint;

/// Where a server is.
#[derive(Debug, Clone)]
pub(super) enum Whereabouts {
    Fixed(Endpoint),
    /// Where the master is that Sentinels watch.
    Master(Arc<dyn Guide>),
}

/// Whoever finds out where the master is.
pub(super) trait Guide: fmt::Debug + fmt::Display + Send + Sync {
    /// Begins to find it out, unless that has begun.
    fn start(&self);

    /// Ends that, and forgets what was found out.
    fn stop(&self);

    fn known(&self) -> watch::Receiver<Known>;

    /// Has it found out anew: the server did not behave as a master does.
    fn doubt(&self);
}

/// What is known.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// Nothing yet.
    Asked,
    At(Endpoint),
    /// Nobody says, for this reason.
    Nowhere(Refusal),
}

/// Where nothing is.
static NOBODY: Endpoint = Endpoint::Tcp {
    host: String::new(),
    port: 0,
};

/// For whoever connects.
impl Whereabouts {
    /// Returns where the server is, as soon as that has been found out.
    pub(super) async fn find(&self) -> Result<Endpoint, Refusal> {
        let mut known = match self {
            Self::Fixed(endpoint) => return Ok(endpoint.clone()),
            Self::Master(guide) => guide.known(),
        };
        let found = known.wait_for(|known| !matches!(known, Known::Asked)).await;
        match found.as_deref() {
            Ok(Known::At(endpoint)) => Ok(endpoint.clone()),
            Ok(Known::Nowhere(refusal)) => Err(refusal.clone()),
            Ok(Known::Asked) | Err(_) => Err(Refusal::passing("nobody finds out any more where the server is")),
        }
    }

    /// Waits until the server is elsewhere, and returns where.
    pub(super) async fn moved(&self, from: &Endpoint) -> Endpoint {
        if let Self::Master(guide) = self {
            let mut known = guide.known();
            loop {
                if let Known::At(endpoint) = &*known.borrow_and_update()
                    && endpoint != from
                {
                    return endpoint.clone();
                }
                if known.changed().await.is_err() {
                    break;
                }
            }
        }
        std::future::pending().await
    }

    /// Says whether who is there has to call itself a master.
    pub(super) fn is_of_master(&self) -> bool {
        matches!(self, Self::Master(_))
    }

    /// Has it found out anew where the server is: it did not behave as a master does.
    pub(super) fn doubt(&self) {
        if let Self::Master(guide) = self {
            guide.doubt();
        }
    }

    /// Says whether a failure makes it doubtful that the server is still there. If so, that is found out anew.
    pub(super) fn is_doubted_for(&self, failure: &Failure) -> bool {
        let is_doubted = self.is_of_master() && failure.is_read_only();
        if is_doubted {
            self.doubt();
        }
        is_doubted
    }
}

/// For the node.
impl Whereabouts {
    /// Begins to find out where the server is, unless that has begun.
    pub(super) fn start(&self) {
        if let Self::Master(guide) = self {
            guide.start();
        }
    }

    /// Ends that, and forgets what was found out.
    pub(super) fn stop(&self) {
        if let Self::Master(guide) = self {
            guide.stop();
        }
    }

    /// Returns what a cluster names the server by; nobody's endpoint for a master, which is no part of one.
    pub(super) fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Fixed(endpoint) => endpoint,
            Self::Master(_) => &NOBODY,
        }
    }
}

impl From<Endpoint> for Whereabouts {
    fn from(endpoint: Endpoint) -> Self {
        Self::Fixed(endpoint)
    }
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(endpoint) => endpoint.fmt(f),
            Self::Master(guide) => guide.fmt(f),
        }
    }
}
