//! Whoever changes a key, and whatever gets lost: nothing stale is served.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis_manager::RedisManager;
use tokio::{task::JoinSet, time::sleep};

use super::{is_near, kill_feed, manager, manager_of, manager_with, serves};
use crate::support::{Proxy, RedisServer, eventually};

/// From then on after a change nobody may see what was before it, whatever was lost.
const BOUND: Duration = Duration::from_secs(1);

/// The deadline of calls where the machine is kept busy.
const PATIENT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_foreign_change_is_seen() {
    let server = RedisServer::start();
    let redis = manager(&server);
    server.command(&["SET", "k", "0"]);
    is_near(&redis, "k").await;
    let changes: [&[&str]; 4] = [
        &["SET", "k", "1"],
        &["APPEND", "k", "2"],
        &["DEL", "k"],
        &["EVAL", "return redis.call('SET', 'k', 'unnamed')", "0"],
    ];
    for (change, right) in changes.into_iter().zip([Some("1"), Some("12"), None, Some("unnamed")]) {
        is_near(&redis, "k").await;
        server.command(change);
        eventually("the change is seen", || async {
            redis.get("k").await.as_deref() == right
        })
        .await;
    }
    assert!(redis.metrics().near_invalidations >= 4);
}

#[tokio::test]
async fn a_change_of_the_time_to_live_is_seen() {
    let server = RedisServer::start();
    let redis = manager(&server);
    server.command(&["SET", "k", "v"]);
    is_near(&redis, "k").await;
    server.command(&["PEXPIRE", "k", "50"]);
    eventually("the key has expired here as well", || async {
        redis.get("k").await.is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_reads_what_it_has_written() {
    let server = RedisServer::start();
    let redis = manager_with(&server, |config| config.socket_timeout = PATIENT);
    serves(&redis).await;
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let redis = Arc::clone(&redis);
        tasks.spawn(async move {
            let key = format!("k{task}");
            let strings = redis.service().string();
            for round in 0..1_250_u32 {
                let value = round.to_string();
                match round % 5 {
                    0 => assert!(redis.set(&key, &value).await),
                    1 => assert!(redis.set_many([(&key, &value)]).await),
                    2 => drop(redis.service().pipeline((strings.set(&key, &value),)).await.unwrap()),
                    3 => drop(strings.getset::<String>(&key, &value).await.unwrap()),
                    _ => assert!(redis.set(&key, &value).ex(100).await),
                }
                // Once from the server, once from here.
                for _ in 0..2 {
                    assert_eq!(redis.get(&key).await.as_deref(), Some(&*value));
                }
            }
        });
    }
    tasks.join_all().await;
    assert!(redis.metrics().near_hits > 1_000);
}

#[tokio::test]
async fn whatever_writes_is_followed_by_what_it_has_written() {
    let server = RedisServer::start();
    let redis = manager(&server);
    let service = redis.service();
    let strings = service.string();
    is_near(&redis, "k").await;
    service.transaction((strings.set("k", "1"),)).await.unwrap();
    assert_eq!(redis.get("k").await.as_deref(), Some("1"));
    is_near(&redis, "k").await;
    let script = redis_manager::Script::new("return redis.call('SET', KEYS[1], ARGV[1])");
    service.scripts().run::<()>(&script, "k", ["2"]).await.unwrap();
    assert_eq!(redis.get("k").await.as_deref(), Some("2"));
    is_near(&redis, "k").await;
    service.keys().rename("k", "l").await.unwrap();
    assert_eq!(
        (redis.get("k").await, redis.get("l").await.as_deref()),
        (None, Some("2"))
    );
    is_near(&redis, "l").await;
    assert_eq!(redis.delete("l").await, 1);
    assert_eq!(redis.get("l").await, None);
    is_near(&redis, "list").await;
    service.list().rpush("list", ["x"]).await.unwrap();
    assert!(strings.get::<String>("list").await.is_err());
    service
        .list()
        .blpop("list", Duration::from_secs(1))
        .await
        .unwrap()
        .map(|(_, element): (_, String)| element);
    assert_eq!(strings.get::<String>("list").await.unwrap(), None);
    assert_eq!(redis.incr("n").await, Some(1));
    is_near(&redis, "n").await;
    assert_eq!(redis.incr("n").await, Some(2));
    assert_eq!(redis.get("n").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_write_that_its_caller_gave_up_is_not_hidden() {
    let server = RedisServer::start();
    let redis = manager(&server);
    for round in 0..100 {
        is_near(&redis, "k").await;
        // Polled once: it may have been sent, and what follows on that connection comes after it.
        drop(tokio::time::timeout(Duration::ZERO, redis.set("k", round).into_future()).await);
        let seen = redis.get("k").await;
        assert_eq!(
            seen.unwrap_or_else(|| "(nil)".to_owned()),
            server.command(&["GET", "k"])
        );
    }
}

/// Reads a counter from many tasks. Each checks that it never runs backwards, as an overtaken answer would make it.
struct Watchers {
    tasks: JoinSet<()>,
    ends: Arc<AtomicBool>,
    greatest: Arc<AtomicU64>,
}

impl Watchers {
    fn watch(redis: &Arc<RedisManager>, key: &'static str) -> Self {
        let (ends, greatest) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let (redis, ends, greatest) = (Arc::clone(redis), Arc::clone(&ends), Arc::clone(&greatest));
            tasks.spawn(async move {
                let mut last = 0;
                while !ends.load(Ordering::Relaxed) {
                    if let Some(seen) = redis.get(key).await.and_then(|value| value.parse::<u64>().ok()) {
                        assert!(seen >= last, "{seen} after {last}");
                        last = seen;
                        greatest.fetch_max(seen, Ordering::Relaxed);
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        Self { tasks, ends, greatest }
    }

    async fn end(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        self.greatest.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_overtaken_is_never_kept() {
    let server = Arc::new(RedisServer::start());
    let redis = manager_with(&server, |config| config.socket_timeout = PATIENT);
    server.command(&["SET", "n", "0"]);
    serves(&redis).await;
    let watchers = Watchers::watch(&redis, "n");
    let writer = Arc::clone(&server);
    let counted = tokio::task::spawn_blocking(move || {
        let increments = vec![&["INCR", "n"][..]; 20_000];
        writer.commands(&increments).pop().unwrap()
    });
    assert_eq!(counted.await.unwrap(), ":20000");
    eventually("the last value is seen", || async {
        redis.get("n").await.as_deref() == Some("20000")
    })
    .await;
    for _ in 0..1_000 {
        assert_eq!(redis.get("n").await.as_deref(), Some("20000"));
    }
    assert_eq!(watchers.end().await, 20_000);
    assert!(redis.metrics().near_hits > 1_000);
}

/// Writes as long as something disturbs the feed, and asserts that no read that begins later than the bound after a write sees less.
async fn never_stale(server: &Arc<RedisServer>, redis: &Arc<RedisManager>, disturb: impl Fn(u64)) {
    for round in 1..=8_u64 {
        let value = round.to_string();
        is_near(redis, "k").await;
        disturb(round);
        server.command(&["SET", "k", &value]);
        let written = Instant::now();
        while written.elapsed() < BOUND {
            redis.get("k").await;
            sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..100 {
            let seen = redis.get("k").await;
            assert!(
                seen.is_none() || seen.as_deref() == Some(&*value),
                "{seen:?} after {value} was written"
            );
        }
    }
}

#[tokio::test]
async fn nothing_stale_is_served_when_the_feed_is_killed() {
    let server = Arc::new(RedisServer::start());
    let redis = manager(&server);
    server.command(&["SET", "k", "0"]);
    never_stale(&server, &redis, |_round| kill_feed(&server)).await;
    assert!(redis.metrics().near_flushes >= 8);
    assert_eq!(redis.metrics().outages, 0);
}

#[tokio::test]
async fn once_a_killed_feed_was_noticed_nothing_of_before_is_served() {
    let server = RedisServer::start();
    let redis = manager(&server);
    for round in 0..20 {
        server.command(&["SET", "k", "old"]);
        eventually("the old value is near", || async {
            is_near(&redis, "k").await;
            redis.get("k").await.as_deref() == Some("old")
        })
        .await;
        let flushes = redis.metrics().near_flushes;
        let new = format!("new{round}");
        server.commands(&[&["CLIENT", "KILL", "TYPE", "pubsub"], &["SET", "k", &new]]);
        eventually("the loss is noticed", || async {
            redis.metrics().near_flushes > flushes
        })
        .await;
        for _ in 0..50 {
            assert_eq!(redis.get("k").await.as_deref(), Some(&*new));
        }
    }
}

#[tokio::test]
async fn nothing_stale_is_served_when_the_feed_falls_silent() {
    let server = Arc::new(RedisServer::start());
    let proxy = Proxy::before(&server).await;
    let redis = manager_of(&proxy.url(), |config| config.socket_timeout = Duration::from_secs(30));
    server.command(&["SET", "k", "old"]);
    is_near(&redis, "k").await;
    proxy.stall();
    server.command(&["SET", "k", "new"]);
    let written = Instant::now();
    // Nothing passes, so that whoever has to ask the server waits: whatever is answered comes from here.
    let stale = async {
        while redis.get("k").await.as_deref() == Some("old") {
            assert!(written.elapsed() < BOUND, "stale after {:?}", written.elapsed());
            sleep(Duration::from_millis(1)).await;
        }
    };
    drop(tokio::time::timeout(2 * BOUND, stale).await);
    proxy.restore();
    eventually("the new value is seen", || async {
        redis.get("k").await.as_deref() == Some("new")
    })
    .await;
}

#[tokio::test]
async fn flushing_a_database_empties_it() {
    let server = RedisServer::start();
    let redis = manager(&server);
    for flush in ["FLUSHALL", "FLUSHDB"] {
        server.command(&["SET", "k", "v"]);
        eventually("the value is near", || async {
            is_near(&redis, "k").await;
            redis.get("k").await.is_some()
        })
        .await;
        let flushes = redis.metrics().near_flushes;
        server.command(&[flush]);
        eventually("it is gone", || async { redis.get("k").await.is_none() }).await;
        assert!(redis.metrics().near_flushes > flushes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_changes_is_taken_in_whole() {
    let server = RedisServer::start();
    let redis = manager_with(&server, |config| {
        config.near_cache_mb = 64;
        config.socket_timeout = PATIENT;
    });
    let keys: Vec<_> = (0..100_000).map(|n| format!("k{n}")).collect();
    let write = |value: &str| {
        let words: Vec<_> = ["MSET"]
            .into_iter()
            .chain(keys.iter().flat_map(|key| [key.as_str(), value]))
            .collect();
        assert_eq!(server.command(&words), "+OK");
    };
    write("old");
    eventually("most keys are near", || async {
        serves(&redis).await;
        for chunk in keys.chunks(1_000) {
            redis.get_many(chunk).await;
        }
        redis.metrics().near_stored > 90_000
    })
    .await;
    write("new");
    sleep(BOUND).await;
    for chunk in keys.chunks(1_000) {
        let values = redis.get_many(chunk).await;
        assert!(values.iter().all(|value| value.as_deref() == Some("new")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_single_changes_at_once_are_taken_in_whole() {
    let server = Arc::new(RedisServer::start());
    let redis = manager_with(&server, |config| {
        config.near_cache_mb = 64;
        config.socket_timeout = PATIENT;
    });
    let keys: Vec<_> = (0..20_000).map(|n| format!("k{n}")).collect();
    serves(&redis).await;
    for round in ["1", "2", "3"] {
        for chunk in keys.chunks(1_000) {
            redis.get_many(chunk).await;
        }
        let (server, keys) = (Arc::clone(&server), keys.clone());
        let write = tokio::task::spawn_blocking(move || {
            let commands: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key.as_str(), round]).collect();
            let commands: Vec<&[&str]> = commands.iter().map(|words| &words[..]).collect();
            server.commands(&commands);
        });
        write.await.unwrap();
        sleep(BOUND).await;
        let keys: Vec<_> = (0..20_000).map(|n| format!("k{n}")).collect();
        for chunk in keys.chunks(1_000) {
            let values = redis.get_many(chunk).await;
            assert!(values.iter().all(|value| value.as_deref() == Some(round)));
        }
    }
}

#[tokio::test]
async fn only_what_is_under_the_prefix_is_told_of() {
    let server = RedisServer::start();
    let redis = manager_with(&server, |config| config.key_prefix = "app:".to_owned());
    server.command(&["SET", "app:k", "1"]);
    is_near(&redis, "k").await;
    let told = redis.metrics().near_invalidations;
    for _ in 0..100 {
        server.command(&["SET", "other:k", "x"]);
    }
    server.command(&["SET", "app:k", "2"]);
    eventually("the change is seen", || async {
        redis.get("k").await.as_deref() == Some("2")
    })
    .await;
    assert_eq!(redis.metrics().near_invalidations, told + 1);
}
