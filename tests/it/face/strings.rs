//! `get`, `get_bytes`, `lookup`, `set` with its conditions.

use redis_manager::{ErrorKind, Lookup, RedisManager};
use tracing::Level;

use super::assert_told;
use crate::support::logs::Logs;

on_both_backends! {
    a_missing_key_is_none,
    what_was_set_comes_back,
    setting_again_replaces_the_value,
    an_empty_value_is_a_value,
    a_lookup_tells_a_hit_from_a_miss,
    bytes_come_back_as_they_were,
    what_is_not_utf8_is_bytes_but_no_text,
    what_is_not_utf8_is_told_of_by_the_hash_of_its_key,
    a_lookup_says_what_is_wrong_with_a_value,
    nx_sets_an_absent_key_only,
    xx_sets_a_present_key_only,
    a_refused_condition_leaves_the_value_and_its_time_to_live,
    nx_goes_with_an_expiry,
    xx_goes_with_keep_ttl,
    a_plain_set_ends_the_time_to_live,
    keep_ttl_keeps_the_time_to_live,
    keep_ttl_on_an_absent_key_sets_without_expiry,
    a_set_replaces_a_hash,
    nx_respects_a_hash,
}

async fn a_missing_key_is_none(redis: &RedisManager) {
    assert_eq!(redis.get("k").await, None);
    assert_eq!(redis.get_bytes("k").await, None);
}

async fn what_was_set_comes_back(redis: &RedisManager) {
    assert!(redis.set("k", "v").await);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
}

async fn setting_again_replaces_the_value(redis: &RedisManager) {
    assert!(redis.set("k", "a longer value than the next").await);
    assert!(redis.set("k", "v").await);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
}

async fn an_empty_value_is_a_value(redis: &RedisManager) {
    assert!(redis.set("k", "").await);
    assert_eq!(redis.get("k").await.as_deref(), Some(""));
    assert_eq!(redis.get_bytes("k").await.as_deref(), Some(&[][..]));
    assert!(redis.exists("k").await);
}

async fn a_lookup_tells_a_hit_from_a_miss(redis: &RedisManager) {
    assert!(matches!(redis.lookup("k").await, Lookup::Miss));
    redis.set("k", "v").await;
    let found = redis.lookup("k").await;
    assert!(matches!(&found, Lookup::Hit(text) if text == "v"), "{found:?}");
}

async fn bytes_come_back_as_they_were(redis: &RedisManager) {
    let every_byte: Vec<u8> = (0..=255).collect();
    assert!(redis.set("k", every_byte.as_slice()).await);
    assert_eq!(redis.get_bytes("k").await.as_deref(), Some(every_byte.as_slice()));
}

async fn what_is_not_utf8_is_bytes_but_no_text(redis: &RedisManager) {
    redis.set("k", b"caf\xe9").await;
    assert_eq!(redis.get_bytes("k").await.as_deref(), Some(&b"caf\xe9"[..]));
    assert_eq!(redis.get("k").await, None, "never lossy");
    assert_eq!(redis.get_many(["k"]).await, [None], "never lossy");
}

async fn what_is_not_utf8_is_told_of_by_the_hash_of_its_key(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.set("the-key", b"sesame\xff").await;
    assert_eq!(redis.get("the-key").await, None);
    assert_told(&logs, "not UTF-8", "the-key");
    assert_eq!(logs.count("sesame"), 0, "{}", logs.text());
}

async fn a_lookup_says_what_is_wrong_with_a_value(redis: &RedisManager) {
    redis.set("k", b"\xff").await;
    redis.hset("h", "f", "v").await;
    for (key, kind) in [("k", ErrorKind::Decode), ("h", ErrorKind::WrongType)] {
        let found = redis.lookup(key).await;
        let Lookup::Unavailable(error) = found else {
            panic!("{found:?}")
        };
        assert_eq!(error.kind(), kind);
        assert!(!error.is_unavailable(), "the server answered");
    }
}

async fn nx_sets_an_absent_key_only(redis: &RedisManager) {
    assert!(redis.set("k", "first").nx().await);
    assert!(!redis.set("k", "second").nx().await);
    assert_eq!(redis.get("k").await.as_deref(), Some("first"));
}

async fn xx_sets_a_present_key_only(redis: &RedisManager) {
    assert!(!redis.set("k", "first").xx().await);
    assert_eq!(redis.get("k").await, None);
    redis.set("k", "second").await;
    assert!(redis.set("k", "third").xx().await);
    assert_eq!(redis.get("k").await.as_deref(), Some("third"));
}

async fn a_refused_condition_leaves_the_value_and_its_time_to_live(redis: &RedisManager) {
    redis.set("k", "v").ex(1_000).await;
    assert!(!redis.set("k", "other").ex(5).nx().await);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert!(redis.ttl("k").await > 5);
}

async fn nx_goes_with_an_expiry(redis: &RedisManager) {
    assert!(redis.set("k", "v").ex(1_000).nx().await);
    assert!(redis.ttl("k").await > 0);
    assert!(redis.set("l", "v").nx().px(1_000_000).await);
    assert!(redis.ttl("l").await > 0);
}

async fn xx_goes_with_keep_ttl(redis: &RedisManager) {
    redis.set("k", "v").ex(1_000).await;
    assert!(redis.set("k", "w").xx().keep_ttl().await);
    assert_eq!(redis.get("k").await.as_deref(), Some("w"));
    assert!(redis.ttl("k").await > 0);
}

async fn a_plain_set_ends_the_time_to_live(redis: &RedisManager) {
    redis.set("k", "v").ex(1_000).await;
    assert!(redis.set("k", "w").await);
    assert_eq!(redis.ttl("k").await, -1);
}

async fn keep_ttl_keeps_the_time_to_live(redis: &RedisManager) {
    redis.set("k", "v").ex(1_000).await;
    assert!(redis.set("k", "w").keep_ttl().await);
    assert_eq!(redis.get("k").await.as_deref(), Some("w"));
    assert!(redis.ttl("k").await > 0);
}

async fn keep_ttl_on_an_absent_key_sets_without_expiry(redis: &RedisManager) {
    assert!(redis.set("k", "v").keep_ttl().await);
    assert_eq!(redis.ttl("k").await, -1);
}

async fn a_set_replaces_a_hash(redis: &RedisManager) {
    redis.hset("k", "f", "v").await;
    assert!(redis.set("k", "text").await);
    assert_eq!(redis.get("k").await.as_deref(), Some("text"));
    assert_eq!(redis.hget("k", "f").await, None);
}

async fn nx_respects_a_hash(redis: &RedisManager) {
    redis.hset("k", "f", "v").await;
    assert!(!redis.set("k", "text").nx().await);
    assert_eq!(redis.hget("k", "f").await.as_deref(), Some("v"));
}
