//! Clients of a whole cluster, each found by the node on its port.

use ::fred::clients::Pool;
use redis::{cluster::ClusterClient, cluster_async::ClusterConnection};
use redis_manager::Config;

use super::{Ours, Peer, Rustis, fred, redis_rs, url};
use crate::{Outcome, rival};

/// The manager with default settings.
#[derive(Debug, Clone)]
pub(crate) struct OursCluster(Ours);

/// The library that the manager is built on, in its own cluster mode.
#[derive(Debug, Clone)]
pub(crate) struct FredCluster(Pool);

/// The client that most services use.
#[derive(Clone)]
pub(crate) struct RedisCluster(ClusterConnection);

/// The client that batches what is to be written.
#[derive(Clone)]
pub(crate) struct RustisCluster(Rustis);

impl Peer for OursCluster {
    const NAME: &'static str = "ours";
    const WIRING: &'static str = "redis-manager, RESP3, 1 connection to each node";

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(Ours::configured(Config::from_url(cluster_url(port))).await?))
    }

    as_the_one_inside!();
}

impl Peer for FredCluster {
    const NAME: &'static str = "fred";
    const WIRING: &'static str = "fred 10.1.0 in its cluster mode, RESP3, 1 connection to each node, deadline 500 ms";

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(rival::cluster(port).await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        fred::get(self.0.next(), key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        fred::set(self.0.next(), key, value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        fred::set_px(self.0.next(), key, value).await
    }
}

impl Peer for RedisCluster {
    const NAME: &'static str = "redis_rs";
    const WIRING: &'static str = "redis-rs 1.8.1 ClusterConnection, RESP2, 1 connection to each node";

    async fn connect(port: u16) -> Outcome<Self> {
        let client = ClusterClient::new([url(port)])?;
        Ok(Self(client.get_async_connection().await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        redis_rs::get(&mut self.0, key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        redis_rs::set(&mut self.0, key, value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        redis_rs::set_px(&mut self.0, key, value).await
    }
}

impl Peer for RustisCluster {
    const NAME: &'static str = "rustis";
    const WIRING: &'static str = "rustis 0.27.2 in its cluster mode, RESP3, 1 connection to each node";

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(Rustis::connect_to(cluster_url(port)).await?))
    }

    as_the_one_inside!();
}

/// Returns the URL of the cluster that has a node on this port.
fn cluster_url(port: u16) -> String {
    format!("redis-cluster://127.0.0.1:{port}")
}
