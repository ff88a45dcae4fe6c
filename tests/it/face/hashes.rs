//! `hset`, `hset_many` and `hget`.

use std::collections::BTreeMap;

use redis_manager::RedisManager;
use tracing::Level;

use super::assert_told;
use crate::support::logs::Logs;

on_both_backends! {
    a_field_comes_back,
    a_missing_field_and_a_missing_hash_are_none,
    only_new_fields_are_counted,
    fields_of_any_map_are_set,
    a_field_that_is_given_twice_is_counted_once_and_the_last_wins,
    fields_and_values_are_any_bytes,
    a_field_and_a_value_may_be_empty,
    numbers_are_fields_and_values,
    a_field_that_is_not_utf8_text_is_none_and_told_of,
    a_thousand_fields_are_set_at_once,
}

async fn a_field_comes_back(redis: &RedisManager) {
    assert_eq!(redis.hset("h", "f", "v").await, 1);
    assert_eq!(redis.hget("h", "f").await.as_deref(), Some("v"));
}

async fn a_missing_field_and_a_missing_hash_are_none(redis: &RedisManager) {
    assert_eq!(redis.hget("h", "f").await, None);
    redis.hset("h", "f", "v").await;
    assert_eq!(redis.hget("h", "g").await, None);
}

async fn only_new_fields_are_counted(redis: &RedisManager) {
    assert_eq!(redis.hset("h", "a", "1").await, 1);
    assert_eq!(redis.hset("h", "a", "2").await, 0);
    assert_eq!(redis.hset_many("h", [("a", "3"), ("b", "4"), ("c", "5")]).await, 2);
    assert_eq!(redis.hget("h", "a").await.as_deref(), Some("3"));
}

async fn fields_of_any_map_are_set(redis: &RedisManager) {
    let map = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    assert_eq!(redis.hset_many("h", &map).await, 2);
    assert_eq!(redis.hset_many("h", map).await, 0);
    assert_eq!(redis.hset_many("h", (0..3).map(|n| (n, n * n))).await, 3);
    assert_eq!(redis.hget("h", "b").await.as_deref(), Some("2"));
    assert_eq!(redis.hget("h", 2).await.as_deref(), Some("4"));
}

async fn a_field_that_is_given_twice_is_counted_once_and_the_last_wins(redis: &RedisManager) {
    assert_eq!(redis.hset_many("h", [("a", "1"), ("b", "2"), ("a", "3")]).await, 2);
    assert_eq!(redis.hget("h", "a").await.as_deref(), Some("3"));
}

async fn fields_and_values_are_any_bytes(redis: &RedisManager) {
    for field in [&b"\xff\x00"[..], b"a field", b"\r\n", "fëld 🦀".as_bytes()] {
        assert_eq!(redis.hset("h", field, "v").await, 1, "{field:?}");
        assert_eq!(redis.hget("h", field).await.as_deref(), Some("v"), "{field:?}");
    }
    for value in ["\0", "\r\n", "*3\r\n$7\r\nmessage\r\n", "wért 🦀"] {
        redis.hset("h", "f", value).await;
        assert_eq!(redis.hget("h", "f").await.as_deref(), Some(value));
    }
}

async fn a_field_and_a_value_may_be_empty(redis: &RedisManager) {
    assert_eq!(redis.hset("h", "", "v").await, 1);
    assert_eq!(redis.hset("h", "f", "").await, 1);
    assert_eq!(redis.hget("h", "").await.as_deref(), Some("v"));
    assert_eq!(redis.hget("h", "f").await.as_deref(), Some(""));
}

async fn numbers_are_fields_and_values(redis: &RedisManager) {
    assert_eq!(redis.hset("h", 7, i64::MIN).await, 1);
    assert_eq!(redis.hget("h", "7").await, Some(i64::MIN.to_string()));
    assert_eq!(redis.hget("h", 7_u8).await, Some(i64::MIN.to_string()));
}

async fn a_field_that_is_not_utf8_text_is_none_and_told_of(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.hset("the-key", "the-field", b"sesame\xff").await;
    assert_eq!(redis.hget("the-key", "the-field").await, None);
    assert_told(&logs, "not UTF-8", "the-key");
    assert_eq!(logs.count("sesame") + logs.count("the-field"), 0, "{}", logs.text());
}

async fn a_thousand_fields_are_set_at_once(redis: &RedisManager) {
    assert_eq!(redis.hset_many("h", (0..1_000).map(|n| (n, n))).await, 1_000);
    assert_eq!(redis.hset_many("h", (500..1_500).map(|n| (n, n))).await, 500);
    assert_eq!(redis.hget("h", 1_234).await.as_deref(), Some("1234"));
}
