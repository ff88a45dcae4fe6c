//! Who else can be asked: clients and caches that use Redis, each as its own documentation says.

/// For a peer that is another one, made differently.
macro_rules! as_the_one_inside {
    () => {
        async fn get(&mut self, key: &str) -> Option<usize> {
            self.0.get(key).await
        }

        async fn set(&mut self, key: &str, value: &str) -> bool {
            self.0.set(key, value).await
        }

        async fn set_px(&mut self, key: &str, value: &str) -> bool {
            self.0.set_px(key, value).await
        }
    };
}

mod bb8;
mod cached;
mod cachekit;
mod clustered;
mod deadpool;
mod fred;
mod hitbox;
mod multi_tier;
mod ours;
mod redis_rs;
mod rustis;

use std::time::Duration;

pub(crate) use self::{
    bb8::Bb8,
    cached::{Cached, CachedManaged},
    cachekit::{Cachekit, Production},
    clustered::{FredCluster, OursCluster, RedisCluster, RustisCluster},
    deadpool::Deadpool,
    fred::{Fred, Hurried, Patient, Pooled},
    hitbox::Hitbox,
    multi_tier::MultiTier,
    ours::{Near, Ours},
    redis_rs::{Lazy, Managed, Multiplexed},
    rustis::Rustis,
};
use crate::Outcome;

/// How long what is stored with an expiry lives.
pub(crate) const EXPIRY: Duration = Duration::from_secs(60);

/// The same in milliseconds.
pub(crate) const EXPIRY_MILLIS: u32 = 60_000;

/// Somebody who keeps values. Each task has a clone of its own.
pub(crate) trait Peer: Clone + Send + Sync + 'static {
    /// Its name in the figures.
    const NAME: &'static str;
    /// How it talks to the server.
    const WIRING: &'static str;

    /// Connects to the server on a port of this machine.
    fn connect(port: u16) -> impl Future<Output = Outcome<Self>> + Send;

    /// Reads a text and returns how long it is, or `None` if there is none, or no answer.
    fn get(&mut self, key: &str) -> impl Future<Output = Option<usize>> + Send;

    /// Stores a text for ever, and says whether that was done.
    fn set(&mut self, key: &str, value: &str) -> impl Future<Output = bool> + Send;

    /// Stores a text for a while ([`EXPIRY`]), and says whether that was done.
    fn set_px(&mut self, key: &str, value: &str) -> impl Future<Output = bool> + Send;
}

/// Somebody who wants to know every peer, one after the other.
pub(crate) trait Visitor {
    /// Meets one of them.
    fn meet<P: Peer>(&mut self) -> impl Future<Output = ()>;
}

/// Writes down how those talk to the server that it meets.
#[derive(Debug, Default)]
pub(crate) struct Scribe(Vec<String>);

impl Scribe {
    /// Returns a line for each.
    pub(crate) fn lines(&self) -> String {
        self.0.join("\n")
    }
}

impl Visitor for Scribe {
    async fn meet<P: Peer>(&mut self) {
        self.0.push(format!("{}: {}", P::NAME, P::WIRING));
    }
}

/// Introduces those that send a command for each call and do little else.
pub(crate) async fn introduce_clients(visitor: &mut impl Visitor) {
    visitor.meet::<Fred>().await;
    visitor.meet::<Multiplexed>().await;
    visitor.meet::<Managed>().await;
    visitor.meet::<Rustis>().await;
}

/// Introduces those that do more: pools that ask a connection whether it lives, and caches.
pub(crate) async fn introduce_caches(visitor: &mut impl Visitor) {
    visitor.meet::<Deadpool>().await;
    visitor.meet::<Bb8>().await;
    visitor.meet::<Cached>().await;
    visitor.meet::<MultiTier>().await;
    visitor.meet::<Hitbox>().await;
    visitor.meet::<Cachekit>().await;
}

/// Introduces those that can be clients of a cluster, but for ours. They find it by the node on their port.
pub(crate) async fn introduce_clients_of_clusters(visitor: &mut impl Visitor) {
    visitor.meet::<FredCluster>().await;
    visitor.meet::<RedisCluster>().await;
    visitor.meet::<RustisCluster>().await;
}

/// Returns the URL of the server on a port of this machine.
fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}
