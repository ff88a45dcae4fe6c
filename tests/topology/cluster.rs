//! A Redis Cluster: every operation on it, and what is done to it while it is used.

mod answers;
mod faults;
mod journal;
mod moves;
#[cfg(feature = "near-cache")]
mod near;

use std::time::Duration;

use redis_manager::{Config, RedisManager};

use crate::deployment::Cluster;

pub fn manager(cluster: &Cluster) -> RedisManager {
    RedisManager::new(Config::from_url(cluster.url())).unwrap()
}

/// One whose deadline a busy machine does not miss.
pub fn patient_manager(cluster: &Cluster) -> RedisManager {
    let mut config = Config::from_url(cluster.url());
    config.socket_timeout = Duration::from_secs(5);
    RedisManager::new(config).unwrap()
}

/// Keys on every node, so many for each.
pub fn keys_everywhere(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}:{at}")).collect()
}
