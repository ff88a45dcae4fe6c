//! The master that Sentinels watch: found, followed, and never two of them.

mod after;
mod failover;
mod finding;
mod losing;
mod near;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::{Config, RedisManager};

use crate::{
    deployment::Sentinels,
    support::{eventually, logs},
};

/// So soon after most Sentinels name another master calls are answered by it.
const HEALED: Duration = Duration::from_secs(2);

fn manager(sentinels: &Sentinels) -> Arc<RedisManager> {
    manager_of(sentinels.url(), |_config| {})
}

fn manager_of(url: String, change: impl FnOnce(&mut Config)) -> Arc<RedisManager> {
    logs::be_undecided();
    let mut config = Config::from_url(url);
    change(&mut config);
    Arc::new(RedisManager::new(config).unwrap())
}

/// Waits until calls are answered by another server than this one; returns when.
async fn is_healed(redis: &RedisManager, lost: u16) -> Instant {
    eventually("calls are answered by another master", || async {
        redis.set("healed", 1).await && !redis.health().server.ends_with(&format!(":{lost}"))
    })
    .await;
    Instant::now()
}

/// Waits until calls are answered by another master than the one that was lost; checks, and tells, how long that took.
#[expect(clippy::print_stderr, reason = "it is what is measured")]
async fn fails_over(sentinels: &Sentinels, redis: &RedisManager, lost: usize, what: &str) {
    let (switched, healed) = tokio::join!(sentinels.wait_for_switch(), is_healed(redis, sentinels.port(lost)));
    let took = healed.saturating_duration_since(switched);
    let told = if took.is_zero() {
        format!("{:?} before most Sentinels had", switched - healed)
    } else {
        format!("{took:?} after most Sentinels had")
    };
    eprintln!("{what}: switched {told}");
    assert!(took < HEALED, "{what}: healed only {took:?} after the switch");
}

/// Checks that what is written arrives at that server.
async fn assert_writes_to(sentinels: &Sentinels, redis: &RedisManager, server: usize) {
    let written = format!("{:?}", Instant::now());
    // A server that was just promoted closes its clients' connections.
    eventually("it is written", || redis.set("written", &written).into_future()).await;
    assert_eq!(sentinels.command(server, &["GET", "written"]).text(), written);
}
