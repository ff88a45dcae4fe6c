//! The master that Sentinels watch: found, followed, and never two of them.

mod failover;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::{Config, RedisManager};

use crate::{deployment::Sentinels, support::eventually};

/// So soon after most Sentinels name another master calls are answered by it.
const HEALED: Duration = Duration::from_secs(2);

fn manager(sentinels: &Sentinels) -> Arc<RedisManager> {
    manager_of(sentinels.url(), |_config| {})
}

fn manager_of(url: String, change: impl FnOnce(&mut Config)) -> Arc<RedisManager> {
    let mut config = Config::from_url(url);
    change(&mut config);
    Arc::new(RedisManager::new(config).unwrap())
}

/// Waits until what is written arrives at another server than this one; returns when.
async fn is_healed(redis: &RedisManager, port: u16) -> Instant {
    eventually("calls are answered by another master", || async {
        redis.set("healed", 1).await && !redis.health().server.ends_with(&format!(":{port}"))
    })
    .await;
    Instant::now()
}

/// Checks how long after the switch calls were answered again, and prints it.
fn assert_soon(what: &str, switched: Instant, healed: Instant) {
    let took = healed.saturating_duration_since(switched);
    println!("{what}: healed {} ms after the switch", took.as_millis());
    assert!(took < HEALED, "{what}: healed only {took:?} after the switch");
}
