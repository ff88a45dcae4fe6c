//! A key that holds another type: the neutral value, and no outage.

use redis_manager::{ErrorKind, HealthState, Lookup, RedisManager};
use tracing::Level;

use super::assert_told;
use crate::support::logs::Logs;

on_both_backends! {
    a_hash_is_no_text,
    a_hash_is_no_counter,
    a_hash_is_no_json,
    a_lookup_of_a_hash_says_why,
    text_is_no_hash,
    what_every_type_has_works_on_a_hash,
    the_wrong_type_is_told_of_by_the_hash_of_its_key,
    many_wrong_types_are_told_of_once_a_second,
    the_wrong_type_is_no_outage,
}

async fn a_hash_is_no_text(redis: &RedisManager) {
    redis.hset("h", "f", "v").await;
    assert_eq!(redis.get("h").await, None);
    assert_eq!(redis.get_bytes("h").await, None);
    assert_eq!(redis.get_many(["h"]).await, [None]);
}

async fn a_hash_is_no_counter(redis: &RedisManager) {
    redis.hset("h", "f", "1").await;
    assert_eq!(redis.incr("h").await, None);
    assert_eq!(redis.decr("h").by(2).await, None);
    assert_eq!(redis.hget("h", "f").await.as_deref(), Some("1"));
}

async fn a_hash_is_no_json(redis: &RedisManager) {
    redis.hset("h", "f", "v").await;
    assert_eq!(redis.get_json::<serde_json::Value>("h").await, None);
}

async fn a_lookup_of_a_hash_says_why(redis: &RedisManager) {
    redis.hset("h", "f", "v").await;
    let found = redis.lookup("h").await;
    let Lookup::Unavailable(error) = found else {
        panic!("{found:?}")
    };
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert_eq!(error.code(), "wrong_type");
    assert!(error.to_string().starts_with("GET on key #"), "{error}");
}

async fn text_is_no_hash(redis: &RedisManager) {
    redis.set("k", "v").await;
    assert_eq!(redis.hset("k", "f", "w").await, 0);
    assert_eq!(redis.hset_many("k", [("f", "w"), ("g", "x")]).await, 0);
    assert_eq!(redis.hget("k", "f").await, None);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
}

async fn what_every_type_has_works_on_a_hash(redis: &RedisManager) {
    redis.hset("h", "f", "v").await;
    assert!(redis.exists("h").await);
    assert_eq!(redis.ttl("h").await, -1);
    assert!(redis.expire("h", 1_000).await);
    assert!(redis.ttl("h").await > 0);
    assert_eq!(redis.delete("h").await, 1);
}

async fn the_wrong_type_is_told_of_by_the_hash_of_its_key(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.hset("the-key", "the-field", "sesame").await;
    redis.get("the-key").await;
    assert_told(&logs, "WRONGTYPE", "the-key");
    assert_eq!(logs.count("sesame") + logs.count("the-field"), 0, "{}", logs.text());
}

async fn many_wrong_types_are_told_of_once_a_second(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.hset("h", "f", "v").await;
    let began = std::time::Instant::now();
    for _ in 0..100 {
        redis.get("h").await;
    }
    let lines = logs.count("WRONGTYPE") as u64;
    assert!((1..=began.elapsed().as_secs() + 2).contains(&lines), "{lines} lines");
}

async fn the_wrong_type_is_no_outage(redis: &RedisManager) {
    redis.hset("h", "f", "v").await;
    redis.set("k", "v").await;
    for _ in 0..50 {
        redis.get("h").await;
        redis.incr("h").await;
        redis.hset("k", "f", "v").await;
        redis.get_json::<u8>("h").await;
    }
    assert_eq!(redis.health().state, HealthState::Ready);
    assert!(redis.is_enabled());
    assert_eq!(redis.metrics().outages, 0);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert!(redis.set("k", "w").await);
}
