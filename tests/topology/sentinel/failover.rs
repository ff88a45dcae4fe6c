//! Another master: because the old one died, hung, or handed over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::RedisManager;
use tokio::task::JoinSet;

use super::{assert_soon, is_healed, manager};
use crate::{
    deployment::Sentinels,
    support::{DEADLINE, SLACK},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_is_replaced() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    assert_eq!(
        redis.health().server,
        format!("mymaster at 127.0.0.1:{}", sentinels.port(0))
    );
    let began = Instant::now();
    sentinels.kill_master();
    let (switched, healed) = tokio::join!(sentinels.wait_for_switch(), is_healed(&redis, sentinels.port(0)));
    println!("switched after {:?}", switched - began);
    assert_soon("kill", switched, healed);
    assert!(redis.set("after", 1).await);
    assert_eq!(sentinels.command(1, &["GET", "after"]).text(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hangs_is_replaced_and_no_call_outlives_its_deadline() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    let load = Load::begin(&redis, 64);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    let old = sentinels.stop_master();
    let (switched, healed) = tokio::join!(sentinels.wait_for_switch(), is_healed(&redis, sentinels.port(0)));
    println!("switched after {:?}", switched - began);
    assert_soon("SIGSTOP under load", switched, healed);
    let slowest = load.end().await;
    assert!(slowest < DEADLINE + SLACK, "a call took {slowest:?}");
    println!("the slowest call took {slowest:?}");
    sentinels.resume(old);
    sentinels.wait_until_replica(old).await;
    for at in 0..50 {
        assert!(redis.set(format!("after:{at}"), at).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sentinels.command(1, &["GET", "after:49"]).text(), "49");
    assert_eq!(redis.metrics().outages, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hands_over_is_left() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    let old = sentinels.failover().await;
    let (switched, healed) = tokio::join!(sentinels.wait_for_switch(), is_healed(&redis, sentinels.port(old)));
    assert_soon("SENTINEL FAILOVER", switched, healed);
    assert!(redis.set("after", 1).await);
    assert_eq!(sentinels.command(1, &["GET", "after"]).text(), "1");
}

/// Tasks that read and write without a pause.
struct Load {
    redis: Arc<RedisManager>,
    tasks: JoinSet<Duration>,
    until: tokio::sync::watch::Sender<bool>,
}

impl Load {
    fn begin(redis: &Arc<RedisManager>, tasks: usize) -> Self {
        let until = tokio::sync::watch::Sender::new(false);
        let mut load = Self {
            redis: Arc::clone(redis),
            tasks: JoinSet::new(),
            until,
        };
        for at in 0..tasks {
            let (redis, ended) = (Arc::clone(&load.redis), load.until.subscribe());
            load.tasks.spawn(async move {
                let mut slowest = Duration::ZERO;
                while !*ended.borrow() {
                    let began = Instant::now();
                    redis.set(format!("load:{at}"), at).await;
                    redis.get(format!("load:{at}")).await;
                    slowest = slowest.max(began.elapsed() / 2);
                    tokio::task::yield_now().await;
                }
                slowest
            });
        }
        load
    }

    /// Returns how long the slowest call took.
    async fn end(self) -> Duration {
        self.until.send_replace(true);
        self.tasks.join_all().await.into_iter().max().unwrap()
    }
}
