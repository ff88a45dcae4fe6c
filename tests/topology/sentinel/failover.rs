//! Another master: because the old one died, hung, handed over, or was made a replica behind everybody's back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis_manager::{HealthState, RedisManager};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{assert_writes_to, fails_over, manager, manager_of};
use crate::{
    deployment::Sentinels,
    support::{DEADLINE, SLACK, eventually, logs::Logs},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_is_replaced() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    let server = format!("mymaster at 127.0.0.1:{}", sentinels.port(0));
    assert_eq!(redis.health().server, server);
    let old = sentinels.kill_master();
    fails_over(&sentinels, &redis, old, "kill").await;
    assert_writes_to(&sentinels, &redis, 1).await;
    sentinels.wait_until_settled().await;
    sentinels.restart(old).await;
    assert_writes_to(&sentinels, &redis, 1).await;
    sentinels.wait_until_replica(old).await;
    assert_writes_to(&sentinels, &redis, 1).await;
    assert_eq!(redis.metrics().outages, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hangs_is_replaced_and_no_call_outlives_its_deadline() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    let load = Load::begin(&redis, 64);
    sleep(Duration::from_millis(300)).await;
    let old = sentinels.stop_master();
    fails_over(&sentinels, &redis, old, "SIGSTOP under load").await;
    let slowest = load.end().await;
    assert!(slowest < DEADLINE + SLACK, "a call took {slowest:?}");
    sentinels.wait_until_settled().await;
    sentinels.resume(old);
    // Until the Sentinels make it a replica it would take everything.
    for _ in 0..50 {
        assert_writes_to(&sentinels, &redis, 1).await;
        sleep(Duration::from_millis(10)).await;
    }
    sentinels.wait_until_replica(old).await;
    assert_writes_to(&sentinels, &redis, 1).await;
    assert_eq!(redis.metrics().outages, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hands_over_is_left_at_once() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    let old = sentinels.failover().await;
    fails_over(&sentinels, &redis, old, "SENTINEL FAILOVER").await;
    assert_writes_to(&sentinels, &redis, 1).await;
    sentinels.wait_until_replica(old).await;
    let old = sentinels.failover().await;
    fails_over(&sentinels, &redis, old, "and back").await;
    assert_writes_to(&sentinels, &redis, 0).await;
}

#[tokio::test]
async fn a_master_that_is_none_any_more_is_left_even_if_no_sentinel_says_so() {
    let mut sentinels = Sentinels::start().await;
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    for sentinel in 0..3 {
        sentinels.stop_sentinel(sentinel);
    }
    sentinels
        .command(0, &["REPLICAOF", "127.0.0.1", &sentinels.port(1).to_string()])
        .ok();
    let began = Instant::now();
    assert!(!redis.set("k", 2).await);
    eventually("it is left", || async {
        redis.health().state == HealthState::Unavailable
    })
    .await;
    assert!(began.elapsed() < SLACK, "left after {:?}", began.elapsed());
    sentinels.command(0, &["REPLICAOF", "NO", "ONE"]).ok();
    for sentinel in 0..3 {
        sentinels.resume_sentinel(sentinel);
    }
    eventually("calls are answered", || redis.set("k", 3).into_future()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_executed_twice_and_nothing_later() {
    for how in [Sentinels::kill_master, Sentinels::stop_master] {
        let mut sentinels = Sentinels::start().await;
        let redis = manager(&sentinels);
        assert!(redis.set("k", 1).await);
        let counting = Counting::begin(&redis, 32);
        sleep(Duration::from_millis(300)).await;
        let old = how(&mut sentinels);
        fails_over(&sentinels, &redis, old, "INCR under load").await;
        sleep(Duration::from_millis(300)).await;
        let at_most = counting.end().await;
        let master = sentinels.master();
        let count = || sentinels.command(master, &["GET", "n"]).text().parse::<u64>().unwrap();
        let counted = count();
        assert!(counted > 0 && counted <= at_most, "{counted} of {at_most} at most");
        sleep(Duration::from_millis(500)).await;
        assert_eq!(count(), counted, "nothing comes later");
    }
}

#[tokio::test]
async fn a_failover_is_one_outage_and_is_told_of_once() {
    let logs = Logs::collect(tracing::Level::INFO);
    let mut sentinels = Sentinels::start().await;
    let redis = manager_of(sentinels.url(), |_config| {});
    assert!(redis.set("k", 1).await);
    let old = sentinels.kill_master();
    fails_over(&sentinels, &redis, old, "kill, one thread").await;
    sleep(Duration::from_millis(100)).await;
    for line in ["Redis is unavailable", "Redis is back"] {
        assert_eq!(logs.count(line), 1, "{line}: {}", logs.text());
    }
    assert!(redis.metrics().refused > 0);
    assert_eq!(redis.metrics().outages, 1);
}

/// Tasks that read and write without a pause.
struct Load {
    tasks: JoinSet<Duration>,
    end: watch::Sender<bool>,
}

impl Load {
    fn begin(redis: &Arc<RedisManager>, tasks: usize) -> Self {
        let mut load = Self {
            tasks: JoinSet::new(),
            end: watch::Sender::new(false),
        };
        for at in 0..tasks {
            let (redis, ended) = (Arc::clone(redis), load.end.subscribe());
            load.tasks.spawn(async move {
                let mut slowest = Duration::ZERO;
                while !*ended.borrow() {
                    let began = Instant::now();
                    redis.set(format!("load:{at}"), at).await;
                    slowest = slowest.max(began.elapsed());
                    let began = Instant::now();
                    redis.get(format!("load:{at}")).await;
                    slowest = slowest.max(began.elapsed());
                    tokio::task::yield_now().await;
                }
                slowest
            });
        }
        load
    }

    /// Returns how long the slowest call took.
    async fn end(self) -> Duration {
        self.end.send_replace(true);
        self.tasks.join_all().await.into_iter().max().unwrap()
    }
}

/// Tasks that count up without a pause.
struct Counting {
    tasks: JoinSet<()>,
    end: watch::Sender<bool>,
    /// How often it may have been counted up.
    at_most: Arc<AtomicU64>,
}

impl Counting {
    fn begin(redis: &Arc<RedisManager>, tasks: usize) -> Self {
        let mut counting = Self {
            tasks: JoinSet::new(),
            end: watch::Sender::new(false),
            at_most: Arc::default(),
        };
        for _ in 0..tasks {
            let (redis, ended) = (Arc::clone(redis), counting.end.subscribe());
            let at_most = Arc::clone(&counting.at_most);
            counting.tasks.spawn(async move {
                while !*ended.borrow() {
                    let answer = redis.service().string().incr("n").await;
                    // What may be tried again was certainly not executed.
                    if !answer.is_err_and(|error| error.is_retryable()) {
                        at_most.fetch_add(1, Relaxed);
                    }
                    sleep(Duration::from_millis(1)).await;
                }
            });
        }
        counting
    }

    async fn end(self) -> u64 {
        self.end.send_replace(true);
        self.tasks.join_all().await;
        self.at_most.load(Relaxed)
    }
}
