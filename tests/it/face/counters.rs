//! `incr` and `decr`.

use redis_manager::RedisManager;
use tracing::Level;

use super::assert_told;
use crate::support::logs::Logs;

on_both_backends! {
    a_missing_key_counts_from_zero,
    counting_by_a_step_of_any_sign,
    a_step_of_zero_makes_the_key,
    a_number_that_was_set_is_counted_on,
    a_count_is_read_as_text,
    counting_keeps_the_time_to_live,
    the_ends_of_the_range_are_reached,
    an_overflow_is_none_and_changes_nothing,
    an_underflow_is_none_and_changes_nothing,
    an_overflow_is_told_of,
    what_is_not_an_integer_is_none_and_stays_as_it_is,
    what_is_not_an_integer_is_told_of,
    a_step_down_that_has_no_negative_is_refused,
}

async fn a_missing_key_counts_from_zero(redis: &RedisManager) {
    assert_eq!(redis.incr("up").await, Some(1));
    assert_eq!(redis.incr("up").await, Some(2));
    assert_eq!(redis.decr("down").await, Some(-1));
    assert_eq!(redis.ttl("up").await, -1);
}

async fn counting_by_a_step_of_any_sign(redis: &RedisManager) {
    assert_eq!(redis.incr("k").by(5).await, Some(5));
    assert_eq!(redis.incr("k").by(-7).await, Some(-2));
    assert_eq!(redis.decr("k").by(3).await, Some(-5));
    assert_eq!(redis.decr("k").by(-6).await, Some(1));
}

async fn a_step_of_zero_makes_the_key(redis: &RedisManager) {
    assert_eq!(redis.incr("k").by(0).await, Some(0));
    assert_eq!(redis.get("k").await.as_deref(), Some("0"));
}

async fn a_number_that_was_set_is_counted_on(redis: &RedisManager) {
    redis.set("number", 41).await;
    redis.set("text", "41").await;
    redis.set_json("json", &41).await;
    for key in ["number", "text", "json"] {
        assert_eq!(redis.incr(key).await, Some(42), "{key}");
    }
}

async fn a_count_is_read_as_text(redis: &RedisManager) {
    redis.decr("k").by(12).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("-12"));
    assert_eq!(redis.get_json::<i64>("k").await, Some(-12));
}

async fn counting_keeps_the_time_to_live(redis: &RedisManager) {
    redis.set("k", 1).ex(1_000).await;
    assert_eq!(redis.incr("k").await, Some(2));
    assert!(redis.ttl("k").await > 0);
    assert_eq!(redis.decr("k").by(9).await, Some(-7));
    assert!(redis.ttl("k").await > 0);
}

async fn the_ends_of_the_range_are_reached(redis: &RedisManager) {
    redis.set("max", i64::MAX - 1).await;
    assert_eq!(redis.incr("max").await, Some(i64::MAX));
    assert_eq!(redis.incr("min").by(i64::MIN).await, Some(i64::MIN));
    assert_eq!(redis.decr("other").by(i64::MAX).await, Some(-i64::MAX));
}

async fn an_overflow_is_none_and_changes_nothing(redis: &RedisManager) {
    redis.set("k", i64::MAX).ex(1_000).await;
    assert_eq!(redis.incr("k").await, None);
    assert_eq!(redis.incr("k").by(i64::MAX).await, None);
    assert_eq!(redis.decr("k").by(-1).await, None);
    assert_eq!(redis.get("k").await, Some(i64::MAX.to_string()));
    assert!(redis.ttl("k").await > 0);
}

async fn an_underflow_is_none_and_changes_nothing(redis: &RedisManager) {
    redis.set("k", i64::MIN).await;
    assert_eq!(redis.decr("k").await, None);
    assert_eq!(redis.incr("k").by(i64::MIN).await, None);
    assert_eq!(redis.get("k").await, Some(i64::MIN.to_string()));
}

async fn an_overflow_is_told_of(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.set("the-key", i64::MAX).await;
    redis.incr("the-key").await;
    assert_told(&logs, "would overflow", "the-key");
}

async fn what_is_not_an_integer_is_none_and_stays_as_it_is(redis: &RedisManager) {
    let long = "1".repeat(100);
    for text in [
        "abc",
        "",
        " 1",
        "1 ",
        "+1",
        "01",
        "-0",
        "-",
        "1.0",
        "1e3",
        "0x10",
        "1\0",
        "18446744073709551615",
        "9223372036854775808",
        "-9223372036854775809",
        "١",
        &long,
    ] {
        redis.set("k", text).await;
        assert_eq!(redis.incr("k").await, None, "{text:?}");
        assert_eq!(redis.decr("k").await, None, "{text:?}");
        assert_eq!(redis.get("k").await.as_deref(), Some(text));
    }
}

async fn what_is_not_an_integer_is_told_of(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.set("the-key", "sesame").await;
    redis.incr("the-key").await;
    assert_told(&logs, "not an integer", "the-key");
    assert_eq!(logs.count("sesame"), 0, "{}", logs.text());
}

async fn a_step_down_that_has_no_negative_is_refused(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.set("k", 5).await;
    assert_eq!(redis.decr("k").by(i64::MIN).await, None);
    assert_eq!(redis.get("k").await.as_deref(), Some("5"));
    assert_eq!(logs.count("overflows"), 1, "{}", logs.text());
}
