//! Times to live: `ex`, `px`, `ttl`, `expire`, to the millisecond.

use std::time::{Duration, Instant};

use redis_manager::{RedisManager, Ttl};

use super::{Shared, gone};
use crate::support::eventually;

on_both_backends! {
    ex_counts_in_seconds,
    px_counts_in_milliseconds,
    ttl_takes_a_duration,
    a_key_without_expiry_has_minus_one,
    a_missing_key_has_minus_two,
    the_remaining_time_is_rounded_to_the_nearest_second,
    px_of_half_a_second_lasts_half_a_second,
    a_duration_of_half_a_second_lasts_half_a_second,
    many_with_px_of_half_a_second_last_half_a_second,
    an_expire_of_half_a_second_lasts_half_a_second,
    expire_takes_whole_seconds_of_any_integer_type,
    expire_shortens_and_lengthens,
    expire_of_a_missing_key_is_false,
    expire_works_on_a_hash,
    less_than_a_millisecond_is_still_a_time_to_live,
    the_longest_time_to_live_is_accepted,
    an_expired_key_is_as_if_it_had_never_been,
}

const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// A little less than half a second, since clocks count in whole milliseconds.
const NEARLY: Duration = Duration::from_millis(400);

async fn ex_counts_in_seconds(redis: &RedisManager) {
    assert!(redis.set("k", "v").ex(1_000).await);
    assert!((900..=1_000).contains(&redis.ttl("k").await));
}

async fn px_counts_in_milliseconds(redis: &RedisManager) {
    assert!(redis.set("k", "v").px(1_000_000).await);
    assert!((900..=1_000).contains(&redis.ttl("k").await));
}

async fn ttl_takes_a_duration(redis: &RedisManager) {
    assert!(redis.set("k", "v").ttl(Duration::from_secs(1_000)).await);
    assert!((900..=1_000).contains(&redis.ttl("k").await));
}

async fn a_key_without_expiry_has_minus_one(redis: &RedisManager) {
    redis.set("k", "v").await;
    redis.hset("h", "f", "v").await;
    assert_eq!(redis.ttl("k").await, -1);
    assert_eq!(redis.ttl("h").await, -1);
}

async fn a_missing_key_has_minus_two(redis: &RedisManager) {
    assert_eq!(redis.ttl("k").await, -2);
}

/// A slow round is thrown away: it says nothing.
async fn the_remaining_time_is_rounded_to_the_nearest_second(redis: &RedisManager) {
    for (millis, seconds) in [(60_700, 61), (60_300, 60)] {
        eventually("a round was quick enough", || async {
            let began = Instant::now();
            assert!(redis.set("k", "v").px(millis).await);
            let ttl = redis.ttl("k").await;
            let was_quick = began.elapsed() < Duration::from_millis(150);
            assert!(!was_quick || ttl == seconds, "{millis} ms gave {ttl} s");
            was_quick
        })
        .await;
    }
}

async fn px_of_half_a_second_lasts_half_a_second(redis: &RedisManager) {
    let began = Instant::now();
    assert!(redis.set("k", "v").px(500).await);
    assert!(gone(redis, "k", began).await >= NEARLY);
}

async fn a_duration_of_half_a_second_lasts_half_a_second(redis: &RedisManager) {
    let began = Instant::now();
    assert!(redis.set("k", "v").ttl(HALF_A_SECOND).await);
    assert!(gone(redis, "k", began).await >= NEARLY);
}

async fn many_with_px_of_half_a_second_last_half_a_second(redis: &RedisManager) {
    let began = Instant::now();
    assert!(redis.set_many([("k", "v"), ("l", "w")]).px(500).await);
    assert!(gone(redis, "k", began).await >= NEARLY);
    assert!(gone(redis, "l", began).await >= NEARLY);
}

async fn an_expire_of_half_a_second_lasts_half_a_second(redis: &RedisManager) {
    redis.set("k", "v").await;
    let began = Instant::now();
    assert!(redis.expire("k", HALF_A_SECOND).await);
    assert!(gone(redis, "k", began).await >= NEARLY);
}

async fn expire_takes_whole_seconds_of_any_integer_type(redis: &RedisManager) {
    redis.set("k", "v").await;
    assert!(redis.expire("k", 1_000).await);
    assert!(redis.expire("k", 1_000_i64).await);
    assert!(redis.expire("k", 1_000_u32).await);
    assert!(redis.expire("k", 1_000_u64).await);
    assert!(redis.expire("k", 1_000_usize).await);
    assert!((900..=1_000).contains(&redis.ttl("k").await));
}

async fn expire_shortens_and_lengthens(redis: &RedisManager) {
    redis.set("k", "v").ex(1_000).await;
    assert!(redis.expire("k", 500).await);
    assert!((400..=500).contains(&redis.ttl("k").await));
    assert!(redis.expire("k", 2_000).await);
    assert!((1_900..=2_000).contains(&redis.ttl("k").await));
}

async fn expire_of_a_missing_key_is_false(redis: &RedisManager) {
    assert!(!redis.expire("k", 1_000).await);
    assert!(!redis.exists("k").await);
}

async fn expire_works_on_a_hash(redis: &RedisManager) {
    redis.hset("h", "f", "v").await;
    assert!(redis.expire("h", 1_000).await);
    redis.hset("h", "g", "w").await;
    assert!(redis.ttl("h").await > 0, "a new field does not end it");
}

async fn less_than_a_millisecond_is_still_a_time_to_live(redis: &RedisManager) {
    assert!(redis.set("k", "v").ttl(Duration::from_nanos(1)).await);
    gone(redis, "k", Instant::now()).await;
}

async fn the_longest_time_to_live_is_accepted(redis: &RedisManager) {
    let longest = Duration::from_millis(Ttl::MAX.as_millis());
    assert!(redis.set("k", "v").ttl(longest).await);
    assert!(redis.ttl("k").await > 1_000_000_000);
    assert!(redis.expire("k", longest).await);
    assert!(redis.ttl("k").await > 1_000_000_000);
    assert!(redis.set_many([("k", "w")]).ttl(longest).await);
    assert_eq!(redis.get("k").await.as_deref(), Some("w"));
}

async fn an_expired_key_is_as_if_it_had_never_been(redis: &RedisManager) {
    for key in ["a", "b", "c", "d", "e", "f"] {
        redis.set(key, 41).px(1).await;
        gone(redis, key, Instant::now()).await;
    }
    assert_eq!(redis.get("a").await, None);
    assert_eq!(redis.ttl("a").await, -2);
    assert_eq!(redis.delete("a").await, 0);
    assert!(!redis.expire("b", 1_000).await);
    assert_eq!(redis.incr("c").await, Some(1));
    assert_eq!(redis.ttl("c").await, -1, "the old time to live is gone as well");
    assert!(!redis.set("d", "v").xx().await);
    assert!(redis.set("e", "v").nx().keep_ttl().await);
    assert_eq!(redis.ttl("e").await, -1);
    assert_eq!(redis.hset("f", "field", "v").await, 1, "of another type even");
}

/// What the server says, past the crate, in milliseconds.
fn pttl(shared: &Shared, key: &str) -> i64 {
    let reply = shared.server.command(&["PTTL", &format!("{}{key}", shared.prefix)]);
    reply.strip_prefix(':').unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_way_to_say_half_a_second_arrives_at_the_server_as_half_a_second() {
    let shared = Shared::join();
    let redis = &shared.redis;
    redis.set("expired", "v").await;
    redis.set_json("json expired", &1).await;
    let keys = ["px", "ttl", "json px", "json ttl", "many px", "many ttl", "expired"];
    eventually("a round was quick enough", || async {
        let began = Instant::now();
        assert!(redis.set("px", "v").px(500).await);
        assert!(redis.set("ttl", "v").ttl(HALF_A_SECOND).await);
        assert!(redis.set_json("json px", &1).px(500).await);
        assert!(redis.set_json("json ttl", &1).ttl(HALF_A_SECOND).await);
        assert!(redis.set_many([("many px", "v")]).px(500).await);
        assert!(redis.set_many([("many ttl", "v")]).ttl(HALF_A_SECOND).await);
        redis.set("expired", "v").await;
        assert!(redis.expire("expired", HALF_A_SECOND).await);
        let remaining: Vec<_> = keys.iter().map(|key| pttl(&shared, key)).collect();
        let was_quick = began.elapsed() < Duration::from_millis(150);
        let are_right = remaining.iter().all(|millis| (300..=500).contains(millis));
        assert!(!was_quick || are_right, "{remaining:?}");
        was_quick
    })
    .await;
}

#[tokio::test]
async fn a_time_to_live_arrives_at_the_server_to_the_millisecond_rounded_up() {
    let shared = Shared::join();
    let redis = &shared.redis;
    eventually("a round was quick enough", || async {
        let began = Instant::now();
        assert!(redis.set("k", "v").ttl(Duration::from_micros(1_000_000_001)).await);
        let remaining = pttl(&shared, "k");
        let was_quick = began.elapsed() < Duration::from_millis(150);
        assert!(
            !was_quick || (999_800..=1_000_001).contains(&remaining),
            "{remaining} ms"
        );
        was_quick
    })
    .await;
}
