//! The near cache: what it answers, and that it never answers what is not so any more.

mod coherence;
mod entries;
mod outage;
mod refusal;

use std::{sync::Arc, time::Duration};

use redis_manager::{Config, NearCacheState, RedisManager};

use crate::support::{RedisServer, checks, eventually};

/// A manager with a near cache of one megabyte.
fn manager(server: &RedisServer) -> Arc<RedisManager> {
    manager_with(server, |_config| {})
}

fn manager_with(server: &RedisServer, change: impl FnOnce(&mut Config)) -> Arc<RedisManager> {
    manager_of(&server.url(), change)
}

fn manager_of(url: &str, change: impl FnOnce(&mut Config)) -> Arc<RedisManager> {
    let mut config = Config::from_url(url);
    config.near_cache_mb = 1;
    change(&mut config);
    Arc::new(RedisManager::new(config).unwrap())
}

/// Reads until the near cache serves.
async fn serves(redis: &RedisManager) -> Duration {
    eventually("the near cache serves", || async {
        redis.get("probe").await;
        redis.health().near_cache.state == NearCacheState::On
    })
    .await
}

/// Reads a key until the near cache answers for it.
async fn is_near(redis: &RedisManager, key: &str) {
    serves(redis).await;
    checks::is_near(redis, key).await;
}

/// How often the server was asked for values, by scripts as well.
fn asked(server: &RedisServer) -> u64 {
    let statistics = server.command(&["INFO", "commandstats"]);
    let reads = statistics.lines().filter(|line| {
        ["cmdstat_get:", "cmdstat_mget:"]
            .iter()
            .any(|command| line.starts_with(command))
    });
    let calls = |line: &str| {
        let calls = line.split("calls=").nth(1).unwrap();
        calls.split(',').next().unwrap().parse::<u64>().unwrap()
    };
    reads.map(calls).sum()
}

/// Kills the connection on which the server tells of changes.
fn kill_feed(server: &RedisServer) {
    let killed = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(killed, ":1");
}
