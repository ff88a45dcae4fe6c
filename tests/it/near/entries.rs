//! What is kept, and for how long.

use std::time::Duration;

use redis_manager::{Lookup, NearCacheState};
use tokio::time::sleep;

use super::{asked, is_near, manager, manager_of, manager_with, serves};
use crate::support::{RedisServer, eventually};

#[tokio::test]
async fn a_key_that_is_near_is_read_without_a_command() {
    let server = RedisServer::start();
    let redis = manager(&server);
    assert_eq!(redis.health().near_cache.state, NearCacheState::Idle);
    assert!(redis.set("k", "v").await);
    assert!(redis.set_json("j", &[1, 2]).await);
    is_near(&redis, "k").await;
    is_near(&redis, "j").await;
    let (before, hits) = (asked(&server), redis.metrics().near_hits);
    let strings = redis.service().string();
    for _ in 0..100 {
        assert_eq!(redis.get("k").await.as_deref(), Some("v"));
        assert_eq!(redis.get_bytes("k").await.as_deref(), Some(&b"v"[..]));
        assert!(matches!(redis.lookup("k").await, Lookup::Hit(value) if value == "v"));
        assert_eq!(redis.get_json::<Vec<u8>>("j").await, Some(vec![1, 2]));
        assert_eq!(strings.get("k").await.unwrap(), Some("v".to_owned()));
        assert_eq!(
            redis.service().json().get::<Vec<u8>>("j").await.unwrap(),
            Some(vec![1, 2])
        );
        assert_eq!(redis.get_many(["j", "k"]).await[1].as_deref(), Some("v"));
    }
    assert_eq!(asked(&server), before, "no command was sent");
    assert_eq!(redis.metrics().near_hits, hits + 800);
}

#[tokio::test]
async fn pipelines_and_transactions_always_ask_the_server() {
    let server = RedisServer::start();
    let redis = manager(&server);
    assert!(redis.set("k", "v").await);
    is_near(&redis, "k").await;
    let before = asked(&server);
    let service = redis.service();
    let strings = service.string();
    let (one, two): (Option<String>, Option<String>) =
        service.pipeline((strings.get("k"), strings.get("k"))).await.unwrap();
    let (three,): (Option<String>,) = service.transaction((strings.get("k"),)).await.unwrap();
    assert!([one, two, three].iter().all(|value| value.as_deref() == Some("v")));
    assert_eq!(asked(&server), before + 3);
}

#[tokio::test]
async fn an_absent_key_is_remembered_until_somebody_creates_it() {
    let server = RedisServer::start();
    let redis = manager(&server);
    is_near(&redis, "k").await;
    let before = asked(&server);
    assert_eq!(redis.get("k").await, None);
    assert_eq!(asked(&server), before);
    server.command(&["SET", "k", "v"]);
    eventually("the new value is seen", || async {
        redis.get("k").await.as_deref() == Some("v")
    })
    .await;
}

#[tokio::test]
async fn several_keys_are_asked_for_as_far_as_they_are_not_near() {
    let server = RedisServer::start();
    let redis = manager(&server);
    server.command(&["MSET", "a", "1", "b", "2", "c", "3"]);
    server.command(&["RPUSH", "list", "x"]);
    is_near(&redis, "b").await;
    is_near(&redis, "none").await;
    let before = redis.metrics();
    let right = [Some("1"), Some("2"), None, None, Some("3"), Some("1")].map(|value| value.map(str::to_owned));
    let keys = ["a", "b", "list", "none", "c", "a"];
    assert_eq!(redis.get_many(keys).await, right);
    let after = redis.metrics();
    assert_eq!(after.near_hits, before.near_hits + 2);
    assert_eq!(after.near_misses, before.near_misses + 4);
    let asked_before = asked(&server);
    let near: Vec<Option<String>> = redis.service().string().get_many(["c", "a", "b"]).await.unwrap();
    assert_eq!(near, ["3", "1", "2"].map(|value| Some(value.to_owned())));
    assert_eq!(asked(&server), asked_before);
}

#[tokio::test]
async fn a_key_of_another_type_is_the_error_that_it_was() {
    let server = RedisServer::start();
    let redis = manager(&server);
    server.command(&["RPUSH", "list", "x"]);
    serves(&redis).await;
    for _ in 0..3 {
        let error = redis.service().string().get::<String>("list").await.unwrap_err();
        assert_eq!(error.code(), "wrong_type");
        assert_eq!(error.server_code(), Some("WRONGTYPE"));
        assert!(error.to_string().contains("GET"), "{error}");
        assert_eq!(redis.get("list").await, None);
    }
}

#[tokio::test]
async fn values_that_look_like_messages_are_values() {
    let server = RedisServer::start();
    let redis = manager(&server);
    let values = [
        "message",
        "subscribe",
        "invalidate",
        "MOVED 1 h:1",
        "ASK 1 h:1",
        "pmessage",
        "",
    ];
    for value in values {
        assert!(redis.set(value.to_owned() + "key", value).await);
    }
    serves(&redis).await;
    let keys: Vec<_> = values.iter().map(|value| value.to_string() + "key").collect();
    for _ in 0..3 {
        for (key, value) in keys.iter().zip(values) {
            assert_eq!(redis.get(key).await.as_deref(), Some(value));
        }
        let all = redis.get_many(&keys).await;
        assert!(all.iter().zip(values).all(|(got, value)| got.as_deref() == Some(value)));
        server.command(&["SET", "message", "x"]);
    }
    assert_eq!(redis.metrics().broken, 0);
}

#[tokio::test]
async fn an_entry_never_outlives_the_key_at_the_server() {
    let server = RedisServer::start();
    // Without the server's own cleaning nobody tells that the key has expired.
    server.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let redis = manager(&server);
    serves(&redis).await;
    for _ in 0..20 {
        server.command(&["SET", "k", "v", "PX", "60"]);
        if redis.get("k").await.is_none() {
            // What was remembered of before: it was not told of the new one yet.
            continue;
        }
        eventually("it expires", || async { redis.get("k").await.is_none() }).await;
        assert_eq!(server.command(&["EXISTS", "k"]), ":0", "the server has none either");
    }
}

#[tokio::test]
async fn an_entry_lives_no_longer_than_the_configuration_permits() {
    let server = RedisServer::start();
    let redis = manager_with(&server, |config| config.near_cache_ttl = Duration::from_millis(100));
    assert!(redis.set("k", "v").await);
    is_near(&redis, "k").await;
    sleep(Duration::from_millis(150)).await;
    let before = asked(&server);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert_eq!(asked(&server), before + 1);
}

#[tokio::test]
async fn memory_stays_within_the_bound() {
    let server = RedisServer::start();
    let redis = manager(&server);
    serves(&redis).await;
    let value = "v".repeat(1000);
    let keys: Vec<_> = (0..4_000).map(|n| format!("k{n}")).collect();
    for chunk in keys.chunks(500) {
        let pairs = chunk.iter().map(|key| (key.as_str(), value.as_str()));
        assert!(redis.set_many(pairs).await);
    }
    for chunk in keys.chunks(500) {
        assert!(redis.get_many(chunk).await.iter().all(Option::is_some));
    }
    let before = redis.metrics();
    for chunk in keys.chunks(1) {
        assert!(redis.get_many(chunk).await.iter().all(Option::is_some));
    }
    let hits = redis.metrics().near_hits - before.near_hits;
    assert!(hits < 1_048, "{hits} entries of a thousand bytes in a megabyte");
    assert!(redis.metrics().near_stored > 3_000);
}

#[tokio::test]
async fn a_large_value_is_not_kept() {
    let server = RedisServer::start();
    let redis = manager(&server);
    serves(&redis).await;
    assert!(redis.set("large", "v".repeat(200_000)).await);
    let before = redis.metrics().near_hits;
    for _ in 0..3 {
        assert_eq!(redis.get("large").await.map(|value| value.len()), Some(200_000));
    }
    assert_eq!(redis.metrics().near_hits, before);
}

#[tokio::test]
async fn disconnecting_empties_it_and_the_next_read_begins_anew() {
    let server = RedisServer::start();
    let redis = manager(&server);
    assert!(redis.set("k", "v").await);
    is_near(&redis, "k").await;
    redis.disconnect().await;
    assert_eq!(redis.health().near_cache.state, NearCacheState::Idle);
    server.command(&["SET", "k", "w"]);
    assert_eq!(redis.get("k").await.as_deref(), Some("w"));
    is_near(&redis, "k").await;
    assert_eq!(redis.get("k").await.as_deref(), Some("w"));
}

#[tokio::test]
async fn it_has_no_effect_before_the_embedded_store() {
    let redis = manager_of("memory://", |_config| {});
    assert!(redis.set("k", "v").await);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    let near = redis.health().near_cache;
    assert_eq!(near.state, NearCacheState::Off);
    assert!(near.reason.unwrap().contains("memory://"));
    assert_eq!(redis.metrics().near_hits, 0);
}

#[test]
fn several_runtimes_share_one() {
    let server = RedisServer::start();
    let redis = manager(&server);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    runtime().block_on(async {
        assert!(redis.set("k", "v").await);
        is_near(&redis, "k").await;
    });
    let before = asked(&server);
    runtime().block_on(async {
        assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    });
    assert_eq!(asked(&server), before, "the second runtime sent nothing");
    runtime().block_on(async {
        server.command(&["SET", "k", "w"]);
        eventually("the change is seen", || async {
            redis.get("k").await.as_deref() == Some("w")
        })
        .await;
    });
}
