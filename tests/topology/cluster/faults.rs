//! Nodes that die, hang and hand over, while the cluster is used.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use redis_manager::{HealthState, RedisManager};
use tokio::task::JoinSet;

use super::manager;
use crate::{
    deployment::Cluster,
    support::{DEADLINE, SLACK, eventually},
};

/// What callers have seen of one node's key.
#[derive(Default)]
struct Seen {
    calls: AtomicU64,
    failures: AtomicU64,
    worst_millis: AtomicU64,
}

/// Calls that go on all the time, to one key of each node.
struct Traffic {
    seen: Vec<Arc<Seen>>,
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Traffic {
    fn start(redis: &Arc<RedisManager>, keys: &[String]) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let mut tasks = JoinSet::new();
        let mut seen = Vec::new();
        for key in keys {
            let own = Arc::<Seen>::default();
            for _ in 0..4 {
                tasks.spawn(call(
                    Arc::clone(redis),
                    key.clone(),
                    Arc::clone(&own),
                    Arc::clone(&is_over),
                ));
            }
            seen.push(own);
        }
        Self { seen, is_over, tasks }
    }

    /// Forgets what was seen.
    fn reset(&self) {
        for seen in &self.seen {
            seen.calls.store(0, SeqCst);
            seen.failures.store(0, SeqCst);
        }
    }

    fn failures(&self, node: usize) -> u64 {
        self.seen[node].failures.load(SeqCst)
    }

    fn calls(&self, node: usize) -> u64 {
        self.seen[node].calls.load(SeqCst)
    }

    async fn end(mut self) {
        self.is_over.store(true, SeqCst);
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap();
        }
        let worst = self
            .seen
            .iter()
            .map(|seen| seen.worst_millis.load(SeqCst))
            .max()
            .unwrap();
        assert!(
            u128::from(worst) < (2 * DEADLINE + SLACK).as_millis(),
            "a call took {worst} ms"
        );
    }
}

async fn call(redis: Arc<RedisManager>, key: String, seen: Arc<Seen>, is_over: Arc<AtomicBool>) {
    while !is_over.load(SeqCst) {
        let began = Instant::now();
        let value = redis.get(key.as_str()).await;
        let took = u64::try_from(began.elapsed().as_millis()).unwrap();
        seen.worst_millis.fetch_max(took, SeqCst);
        match value {
            Some(value) => assert_eq!(value, key),
            None => {
                seen.failures.fetch_add(1, SeqCst);
            }
        }
        seen.calls.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// One key of each of the three masters, which are set.
async fn keys(cluster: &Cluster, redis: &RedisManager) -> Vec<String> {
    let keys: Vec<_> = (0..3).map(|node| cluster.key_on(node)).collect();
    for key in &keys {
        assert!(redis.set(key.as_str(), key.as_str()).await);
    }
    keys
}

/// Waits until a key is answered for, and returns how long that took.
async fn is_answered(redis: &RedisManager, key: &str) -> Duration {
    eventually("the key is answered for", || async { redis.get(key).await.is_some() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_makes_only_its_own_keys_unavailable() {
    let mut cluster = Cluster::start_with(3, 0, &["--cluster-require-full-coverage", "no"]).await;
    let redis = Arc::new(manager(&cluster));
    let keys = keys(&cluster, &redis).await;
    let traffic = Traffic::start(&redis, &keys);
    for hurt in ["killed", "stopped"] {
        eventually("all is well", || async {
            redis.get_many(keys.as_slice()).await.iter().all(Option::is_some)
        })
        .await;
        if hurt == "killed" {
            cluster.kill(0);
        } else {
            cluster.stop(0);
        }
        eventually("the node is known to be down", || async {
            redis.health().state == HealthState::Degraded
        })
        .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        traffic.reset();
        tokio::time::sleep(Duration::from_secs(2)).await;
        for node in [1, 2] {
            assert_eq!(traffic.failures(node), 0, "{hurt}: of {} calls", traffic.calls(node));
            assert!(traffic.calls(node) > 100, "{hurt}: {} calls", traffic.calls(node));
        }
        assert_eq!(traffic.failures(0), traffic.calls(0), "{hurt}");
        assert!(traffic.calls(0) > 100, "{hurt}: refused at once");
        let health = redis.health();
        let reason = health.reason.unwrap_or_default();
        assert!(reason.contains(&cluster.port(0).to_string()), "{reason}");
        assert!(redis.is_enabled());
        let values = redis.get_many(keys.as_slice()).await;
        assert_eq!(
            values.iter().map(Option::is_some).collect::<Vec<_>>(),
            [false, true, true]
        );
        let error = redis
            .service()
            .string()
            .get_many::<String>(keys.as_slice())
            .await
            .unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        if hurt == "killed" {
            cluster.restart(0).await;
            cluster.command(0, &["SET", &keys[0], &keys[0]]);
            eventually("it serves again", || async {
                redis.set(keys[0].as_str(), keys[0].as_str()).await
            })
            .await;
        } else {
            cluster.resume(0);
        }
        is_answered(&redis, &keys[0]).await;
    }
    traffic.end().await;
    assert_eq!(redis.health().state, HealthState::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_from_a_node_that_was_killed_or_hangs_or_hands_over() {
    let mut cluster = Cluster::start().await;
    let redis = Arc::new(manager(&cluster));
    let keys = keys(&cluster, &redis).await;
    let traffic = Traffic::start(&redis, &keys);
    let heal = async |what: &str, key: &str, promoted: Instant| {
        is_answered(&redis, key).await;
        let took = promoted.elapsed();
        assert!(took < Duration::from_secs(2) + SLACK, "{what}: {took:?}");
    };
    cluster.kill(0);
    cluster.wait_for_promotion(0).await;
    heal("killed", &keys[0], Instant::now()).await;
    cluster.stop(1);
    cluster.wait_for_promotion(1).await;
    heal("hung", &keys[1], Instant::now()).await;
    assert!(redis.set(keys[1].as_str(), keys[1].as_str()).await);
    cluster.resume(1);
    traffic.reset();
    cluster.failover(5);
    cluster.wait_for_promotion(2).await;
    heal("handed over", &keys[2], Instant::now()).await;
    traffic.end().await;
    eventually("all is well", || async { redis.health().state == HealthState::Ready }).await;
    for key in &keys {
        assert!(redis.set(key.as_str(), "new").await, "{key}");
        assert_eq!(redis.get(key.as_str()).await.as_deref(), Some("new"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_executed_twice_when_a_node_is_lost() {
    let mut cluster = Cluster::start_with(
        2,
        0,
        &[
            "--cluster-require-full-coverage",
            "no",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ],
    )
    .await;
    let redis = Arc::new(manager(&cluster));
    let key = cluster.key_on(0);
    let mut tasks = JoinSet::new();
    let is_over = Arc::<AtomicBool>::default();
    for _ in 0..16 {
        let (redis, key, is_over) = (Arc::clone(&redis), key.clone(), Arc::clone(&is_over));
        tasks.spawn(async move {
            let (mut done, mut doubtful) = (0, 0);
            while !is_over.load(SeqCst) {
                match redis.service().string().incr(key.as_str()).await {
                    Ok(_) => done += 1,
                    Err(error) if error.is_retryable() => {}
                    Err(_) => doubtful += 1,
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            (done, doubtful)
        });
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.kill(0);
        cluster.restart(0).await;
    }
    eventually("it serves again", || async {
        redis.incr(key.as_str()).by(0).await.is_some()
    })
    .await;
    is_over.store(true, SeqCst);
    let (mut done, mut doubtful) = (0, 0);
    while let Some(counted) = tasks.join_next().await {
        let (own, open) = counted.unwrap();
        done += own;
        doubtful += open;
    }
    let count: i64 = redis.get(key.as_str()).await.unwrap().parse().unwrap();
    assert!(
        done > 0 && (done..=done + doubtful).contains(&count),
        "{done} + {doubtful}: {count}"
    );
}

#[tokio::test]
async fn an_absent_cluster_is_refused_with_its_reason_and_found_when_it_comes() {
    let mut cluster = Cluster::start_with(2, 0, &["--cluster-require-full-coverage", "no"]).await;
    let key = cluster.key_on(1);
    cluster.kill(0);
    cluster.kill(1);
    let redis = manager(&cluster);
    let began = Instant::now();
    assert_eq!(redis.get(key.as_str()).await, None);
    assert!(began.elapsed() < DEADLINE + SLACK);
    eventually("it is known to be absent", || async {
        redis.health().state == HealthState::Unavailable
    })
    .await;
    let reason = redis.health().reason.unwrap_or_default();
    assert!(reason.contains("refused") && reason.contains("127.0.0.1"), "{reason}");
    let began = Instant::now();
    for _ in 0..1000 {
        assert!(!redis.set(key.as_str(), "v").await);
    }
    assert!(began.elapsed() < SLACK);
    assert!(redis.metrics().refused >= 1000);
    cluster.restart(0).await;
    cluster.restart(1).await;
    eventually("it is found", || async { redis.set(key.as_str(), "v").await }).await;
}

#[test]
fn a_manager_outlives_its_runtimes() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let cluster = first.block_on(Cluster::of_masters(2));
    let redis = manager(&cluster);
    for round in 0..3 {
        let runtime = runtime();
        runtime.block_on(async {
            for at in 0..20 {
                let key = format!("k:{at}");
                assert!(redis.set(key.as_str(), round).await, "{round} {key}");
                assert_eq!(redis.get(key.as_str()).await, Some(round.to_string()));
            }
        });
    }
}

#[tokio::test]
async fn a_single_server_is_no_cluster() {
    let server = crate::support::RedisServer::start();
    let url = server.url().replace("redis://", "redis-cluster://");
    let redis = RedisManager::new(redis_manager::Config::from_url(url)).unwrap();
    assert!(!redis.initialize().await);
    let reason = redis.health().reason.unwrap_or_default();
    assert!(reason.contains("cluster support disabled"), "{reason}");
}
