//! `redis-manager`, by its read-through cache.

use redis_manager::{Cache, CachePolicy, RedisManager};

use super::{LIFE, Reader, Source};
use crate::{
    Outcome,
    peers::{self, Near, Peer},
};

/// A cache with a time to live and otherwise default settings.
#[derive(Debug, Clone)]
pub(crate) struct Ours(Through<peers::Ours>);

/// One that loads once for all processes.
#[derive(Debug, Clone)]
pub(crate) struct Distributed(Through<peers::Ours>);

/// One of a manager with a near cache.
#[derive(Debug, Clone)]
pub(crate) struct OursNear(Through<Near>);

/// A cache.
#[derive(Debug, Clone)]
struct Through<P> {
    /// Whose cache it is.
    peer: P,
    /// The cache.
    cache: Cache,
}

impl<P> Through<P> {
    /// Makes a cache.
    fn new(peer: P, manager: fn(&P) -> &RedisManager, policy: CachePolicy) -> Self {
        let cache = manager(&peer).cache("ours").with(policy.ttl(LIFE));
        Self { peer, cache }
    }

    /// Reads through it.
    async fn read(&self, key: &str, source: &Source) -> Option<String> {
        let source = source.clone();
        self.cache.get_or_load(key, || source.load()).await.ok()
    }
}

impl OursNear {
    /// Says whether this build of the library has a near cache, and it answers.
    pub(crate) async fn is_at_work(&mut self) -> bool {
        self.0.peer.is_at_work().await
    }
}

impl Reader for Ours {
    const NAME: &'static str = "ours";
    const WIRING: &'static str = "redis-manager get_or_load, RESP3, 1 connection";

    type Value = String;

    async fn connect(port: u16) -> Outcome<Self> {
        let peer = peers::Ours::connect(port).await?;
        Ok(Self(Through::new(peer, peers::Ours::manager, CachePolicy::new())))
    }

    async fn read(&self, key: &str, source: &Source) -> Option<String> {
        self.0.read(key, source).await
    }
}

impl Reader for Distributed {
    const NAME: &'static str = "ours_distributed";
    const WIRING: &'static str = "the same with distributed(), which has a connection for messages too";

    type Value = String;

    async fn connect(port: u16) -> Outcome<Self> {
        let peer = peers::Ours::connect(port).await?;
        let policy = CachePolicy::new().distributed();
        Ok(Self(Through::new(peer, peers::Ours::manager, policy)))
    }

    async fn read(&self, key: &str, source: &Source) -> Option<String> {
        self.0.read(key, source).await
    }
}

impl Reader for OursNear {
    const NAME: &'static str = "ours_near";
    const WIRING: &'static str = "the same with a near cache of 64 MB";

    type Value = String;

    async fn connect(port: u16) -> Outcome<Self> {
        let peer = Near::connect(port).await?;
        Ok(Self(Through::new(peer, Near::manager, CachePolicy::new())))
    }

    async fn read(&self, key: &str, source: &Source) -> Option<String> {
        self.0.read(key, source).await
    }
}
