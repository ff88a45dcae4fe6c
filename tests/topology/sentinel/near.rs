//! The near cache across a failover: nothing of the old master is served by it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use redis_manager::{NearCacheState, RedisManager};
use tokio::time::sleep;

use super::{fails_over, manager_of};
use crate::{deployment::Sentinels, support::eventually};

fn near(sentinels: &Sentinels) -> Arc<RedisManager> {
    manager_of(sentinels.url(), |config| config.near_cache_mb = 1)
}

/// Reads a key until the near cache answers for it.
async fn is_near(redis: &RedisManager, key: &str) {
    eventually("the key is near", || async {
        let before = redis.metrics().near_hits;
        redis.get(key).await;
        redis.health().near_cache.state == NearCacheState::On && redis.metrics().near_hits > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hands_over_is_not_read_any_more() {
    let mut sentinels = Sentinels::start().await;
    let redis = near(&sentinels);
    assert!(redis.set("k", "old").await);
    is_near(&redis, "k").await;
    let reading = Reading::begin(&redis);
    let old = sentinels.failover().await;
    fails_over(&sentinels, &redis, old, "near cache, handed over").await;
    // The old one is still there, takes writes for some seconds, and tells whoever tracks its keys.
    sentinels.command(1, &["SET", "k", "new"]).ok();
    sentinels.command(old, &["SET", "k", "zombie"]);
    reading.see_new_from_now_on(Duration::from_secs(3)).await;
    is_near(&redis, "k").await;
    assert_eq!(redis.get("k").await.as_deref(), Some("new"));
    // And it is told of changes at the new master.
    sentinels.command(1, &["SET", "k", "newer"]).ok();
    let took = eventually("the change is seen", || async {
        redis.get("k").await.as_deref() == Some("newer")
    })
    .await;
    assert!(took < Duration::from_millis(500), "seen after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hung_and_is_back_is_not_read_any_more() {
    let mut sentinels = Sentinels::start().await;
    let redis = near(&sentinels);
    assert!(redis.set("k", "old").await);
    is_near(&redis, "k").await;
    let old = sentinels.stop_master();
    fails_over(&sentinels, &redis, old, "near cache, hung").await;
    let reading = Reading::begin(&redis);
    sentinels.command(1, &["SET", "k", "new"]).ok();
    sentinels.wait_until_settled().await;
    sentinels.resume(old);
    reading.see_new_from_now_on(Duration::from_secs(2)).await;
    is_near(&redis, "k").await;
    assert_eq!(redis.get("k").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_grace_ends_with_the_switch() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager_of(sentinels.url(), |config| {
        config.near_cache_mb = 1;
        config.serve_stale_in_outage = Duration::from_secs(60);
    });
    assert!(redis.set("k", "old").await);
    is_near(&redis, "k").await;
    let old = sentinels.kill_master();
    eventually("it is bridged", || async {
        !redis.is_enabled() && redis.get("k").await.as_deref() == Some("old")
    })
    .await;
    sentinels.wait_for_switch().await;
    fails_over(&sentinels, &redis, old, "near cache, with a grace").await;
    sentinels.command(1, &["SET", "k", "new"]).ok();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("new"));
}

/// A task that reads without a pause.
struct Reading {
    task: tokio::task::JoinHandle<Option<String>>,
    is_new: Arc<AtomicBool>,
}

impl Reading {
    fn begin(redis: &Arc<RedisManager>) -> Self {
        let is_new = Arc::new(AtomicBool::new(false));
        let (redis, new) = (Arc::clone(redis), Arc::clone(&is_new));
        let task = tokio::spawn(async move {
            loop {
                let must_be_new = new.load(SeqCst);
                let seen = redis.get("k").await;
                if must_be_new && seen.as_deref().is_some_and(|seen| seen != "new") {
                    return seen;
                }
                sleep(Duration::from_micros(200)).await;
            }
        });
        Self { task, is_new }
    }

    /// Insists that for so long nothing but the new value is read, or nothing.
    async fn see_new_from_now_on(self, time: Duration) {
        // The message that tells of the change needs a moment.
        sleep(Duration::from_millis(100)).await;
        self.is_new.store(true, SeqCst);
        let until = Instant::now() + time;
        while Instant::now() < until {
            assert!(!self.task.is_finished(), "{:?} was read", self.task.await);
            sleep(Duration::from_millis(5)).await;
        }
        self.task.abort();
    }
}
