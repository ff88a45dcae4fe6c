//! Deletes that an outage prevented, with servers whose data survives it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use redis_manager::{Config, RedisManager};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

#[cfg(feature = "near-cache")]
use crate::support::checks::is_near;
use crate::support::{Proxy, RedisServer, SLACK, eventually, is_back, is_refusing, wait_until};

/// One that sends later what it could not delete.
fn replaying(url: String) -> RedisManager {
    let mut config = Config::from_url(url);
    config.replay_deletes = true;
    RedisManager::new(config).unwrap()
}

/// The same with a deadline that a test can wait for.
fn impatient(url: String) -> RedisManager {
    let mut config = Config::from_url(url);
    config.replay_deletes = true;
    config.socket_timeout = Duration::from_millis(50);
    RedisManager::new(config).unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// How many `DEL`s the server has executed.
fn deletes(server: &RedisServer) -> u64 {
    let statistics = server.command(&["INFO", "commandstats"]);
    let del = statistics
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_del:calls="));
    del.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

/// Tasks that ask for a key all the time, and have to find nothing.
struct Readers {
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<u64>,
}

impl Readers {
    fn of(redis: &Arc<RedisManager>, key: &'static str) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let (redis, is_over) = (Arc::clone(redis), Arc::clone(&is_over));
            tasks.spawn(async move {
                let mut asked = 0;
                while !is_over.load(SeqCst) {
                    assert_eq!(redis.get(key).await, None, "what was deleted is served");
                    asked += 1;
                    tokio::task::yield_now().await;
                }
                asked
            });
        }
        Self { is_over, tasks }
    }

    async fn end(self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.is_over.store(true, SeqCst);
        assert!(self.tasks.join_all().await.into_iter().all(|asked| asked > 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_deleted_in_an_outage_is_never_served_after_it() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = Arc::new(replaying(proxy.url()));
    for round in 0..5 {
        assert!(redis.set("k", "old").await, "{round}");
        proxy.stall();
        is_refusing(&redis).await;
        assert_eq!(redis.delete(["k", "another"]).await, 0);
        let readers = Readers::of(&redis, "k");
        proxy.cut();
        proxy.restore();
        is_back(&redis).await;
        assert_eq!(redis.get("k").await, None);
        readers.end().await;
        assert_eq!(server.command(&["EXISTS", "k"]), ":0");
    }
    assert_eq!(redis.metrics().replayed, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_comes_back_with_its_data_never_serves_what_was_deleted_meanwhile() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let redis = Arc::new(replaying(server.url()));
    assert!(redis.set("k", "old").await && redis.set("kept", "v").await);
    server.kill();
    is_refusing(&redis).await;
    assert_eq!(redis.delete("k").await, 0);
    let readers = Readers::of(&redis, "k");
    server.restart();
    eventually("the data is back", || async { redis.get("kept").await.is_some() }).await;
    readers.end().await;
    assert_eq!(redis.metrics().replayed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletes_until_the_very_end_of_an_outage_are_sent_before_the_next_get_of_their_caller() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = Arc::new(replaying(proxy.url()));
    assert!(redis.initialize().await);
    for _ in 0..5 {
        let keys: Vec<_> = (0..8).map(|caller| format!("k:{caller}")).collect();
        for key in &keys {
            server.command(&["SET", key, "old"]);
        }
        proxy.stall();
        is_refusing(&redis).await;
        let mut callers = JoinSet::new();
        for key in keys {
            let redis = Arc::clone(&redis);
            callers.spawn(async move {
                while !redis.is_enabled() {
                    redis.delete(key.as_str()).await;
                    assert_eq!(redis.get(key.as_str()).await, None);
                    tokio::task::yield_now().await;
                }
                assert_eq!(redis.get(key.as_str()).await, None);
            });
        }
        proxy.cut();
        proxy.restore();
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
    }
}

#[tokio::test]
async fn deletes_are_not_sent_later_unless_that_was_asked_for() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    assert!(redis.set("k", "kept").await);
    proxy.stall();
    is_refusing(&redis).await;
    assert_eq!(redis.delete("k").await, 0);
    proxy.cut();
    proxy.restore();
    is_back(&redis).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("kept"));
    assert_eq!(redis.metrics().replayed, 0);
}

#[tokio::test]
async fn the_honest_face_is_told_and_nothing_is_sent_later() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = replaying(proxy.url());
    assert!(redis.set("k", "kept").await);
    proxy.stall();
    is_refusing(&redis).await;
    assert!(redis.service().keys().delete("k").await.unwrap_err().is_unavailable());
    proxy.cut();
    proxy.restore();
    is_back(&redis).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_delete_that_timed_out_while_other_calls_pass_is_sent_again() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = impatient(proxy.url());
    assert!(redis.set("k", "old").await);
    proxy.stall();
    assert_eq!(redis.delete("k").await, 0);
    proxy.restore();
    eventually("it is sent again", || async { redis.metrics().replayed == 1 }).await;
    assert_eq!(deletes(&server), 2, "once late, once again");
    assert_eq!(redis.get("k").await, None);
}

#[tokio::test]
async fn a_delete_whose_caller_has_gone_is_sent_again() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = replaying(proxy.url());
    assert!(redis.set("k", "old").await);
    proxy.stall();
    let delete = tokio::time::timeout(Duration::from_millis(20), redis.delete("k"));
    assert!(delete.await.is_err());
    proxy.restore();
    eventually("it is sent again", || async { redis.metrics().replayed == 1 }).await;
    assert_eq!(redis.get("k").await, None);
}

#[tokio::test]
async fn a_delete_that_is_answered_is_not_noted() {
    let server = RedisServer::start();
    let redis = replaying(server.url());
    assert!(redis.set("k", "v").await);
    assert_eq!(redis.delete(["k", "nobody"]).await, 1);
    assert_eq!(redis.delete(Vec::<String>::new()).await, 0);
    assert_eq!(redis.delete("").await, 0, "an empty key is refused");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(deletes(&server), 1);
    assert_eq!(redis.metrics().replayed, 0);
}

#[tokio::test]
async fn of_very_many_deletes_in_an_outage_the_last_are_kept() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = replaying(proxy.url());
    assert!(redis.set("k:0", "v").await && redis.set("k:99999", "v").await);
    proxy.stall();
    is_refusing(&redis).await;
    let began = Instant::now();
    for number in 0..100_000 {
        assert_eq!(redis.delete(format!("k:{number}")).await, 0);
    }
    assert!(began.elapsed() < 5 * SLACK, "{:?}", began.elapsed());
    assert_eq!(redis.metrics().replays_dropped, 100_000 - 4096);
    proxy.cut();
    proxy.restore();
    is_back(&redis).await;
    assert_eq!(redis.get("k:99999").await, None);
    assert_eq!(redis.get("k:0").await.as_deref(), Some("v"));
    assert_eq!(redis.metrics().replayed, 4096);
}

#[test]
fn what_one_runtime_could_not_delete_another_does_not_find() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let redis = replaying(server.url());
    assert!(runtime().block_on(async { redis.set("k", "old").await }));
    server.kill();
    runtime().block_on(async {
        is_refusing(&redis).await;
        assert_eq!(redis.delete("k").await, 0);
    });
    server.restart();
    runtime().block_on(async {
        assert_eq!(redis.get("k").await, None);
        assert_eq!(redis.metrics().replayed, 1);
    });
}

/// A manager with a connection in a runtime that lives on, and a key whose deletion timed out in one that has ended since.
fn abandoned(server: &RedisServer) -> (RedisManager, Runtime) {
    let redis = impatient(server.url());
    let living = runtime();
    living.block_on(is_back(&redis));
    let ending = runtime();
    ending.block_on(is_back(&redis));
    assert_eq!(server.command(&["SET", "k", "old"]), "+OK");
    server.stop();
    assert_eq!(ending.block_on(redis.delete("k")), 0);
    drop(ending);
    server.resume();
    // It was on its way already.
    wait_until("the server has executed it", || deletes(server) == 1);
    (redis, living)
}

#[test]
fn what_a_runtime_that_has_ended_left_behind_is_sent_by_the_next_that_writes() {
    let server = RedisServer::start();
    let (redis, living) = abandoned(&server);
    living.block_on(async {
        eventually("it is sent", || async {
            redis.set("probe", 1).await;
            redis.metrics().replayed == 1
        })
        .await;
    });
    assert_eq!(deletes(&server), 2);
}

#[test]
fn a_key_that_was_set_again_is_deleted_no_more() {
    let server = RedisServer::start();
    let (redis, living) = abandoned(&server);
    living.block_on(async {
        assert!(redis.set("k", "new").await);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(redis.get("k").await.as_deref(), Some("new"));
    });
    assert_eq!(redis.metrics().replayed, 0);
    assert_eq!(deletes(&server), 1);
}

#[test]
fn a_manager_whose_deletes_wait_can_be_dropped() {
    let runtime = runtime();
    runtime.block_on(async {
        let redis = replaying(RedisServer::absent(&[]).url());
        assert_eq!(redis.delete("k").await, 0);
        drop(redis);
        eventually("its tasks end", || async {
            tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0
        })
        .await;
    });
}

#[tokio::test]
async fn no_connection_is_made_for_waiting_deletes_after_a_disconnect() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = impatient(proxy.url());
    assert!(redis.initialize().await);
    proxy.stall();
    assert_eq!(redis.delete("k").await, 0);
    redis.disconnect().await;
    proxy.restore();
    let before = proxy.accepted();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((proxy.accepted(), redis.metrics().replayed), (before, 0));
    is_back(&redis).await;
    assert_eq!(redis.metrics().replayed, 1, "with the next call");
}

#[cfg(feature = "near-cache")]
#[tokio::test]
async fn what_was_deleted_in_an_outage_is_not_served_stale_either() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let mut config = Config::from_url(proxy.url());
    config.replay_deletes = true;
    config.near_cache_mb = 8;
    config.serve_stale_in_outage = Duration::from_secs(60);
    let redis = RedisManager::new(config).unwrap();
    assert!(redis.set("k", "old").await && redis.set("kept", "v").await);
    is_near(&redis, "k").await;
    is_near(&redis, "kept").await;
    proxy.stall();
    is_refusing(&redis).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("old"));
    assert_eq!(redis.delete("k").await, 0);
    assert_eq!(redis.get("k").await, None);
    assert_eq!(redis.get("kept").await.as_deref(), Some("v"));
}
