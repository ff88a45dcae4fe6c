//! Calls that are wrong in themselves: the neutral value, the reason logged, and nothing sent.

use std::time::Duration;

use redis_manager::{ErrorKind, Lookup, RedisManager, SetRequest};
use tracing::Level;

use super::patient;
use crate::support::{RedisServer, is_surveyed, logs::Logs};

on_both_backends! {
    two_expiries_are_refused,
    the_same_expiry_twice_is_refused,
    keep_ttl_beside_an_expiry_is_refused,
    nx_beside_xx_is_refused,
    an_expiry_of_zero_is_refused,
    an_expiry_that_overflows_is_refused,
    json_refuses_what_set_refuses,
    many_with_two_expiries_are_refused,
    many_with_an_expiry_of_zero_or_beyond_are_refused,
    an_expire_of_zero_or_less_or_beyond_is_refused_and_deletes_nothing,
    an_empty_key_is_refused_everywhere,
    an_empty_key_among_others_refuses_the_whole_call,
    a_lookup_of_an_empty_key_says_why,
    empty_lists_are_answered_without_asking,
    a_refused_call_is_no_outage,
}

type Options = for<'a> fn(SetRequest<'a>) -> SetRequest<'a>;

/// Refused: `false`, the value as it was, and one line that gives the reason.
async fn assert_refused(redis: &RedisManager, reason: &str, cases: &[Options]) {
    let logs = Logs::collect(Level::INFO);
    redis.set("k", "before").await;
    for (n, options) in cases.iter().enumerate() {
        assert!(!options(redis.set("k", "after")).await, "case {n}");
        assert_eq!(redis.get("k").await.as_deref(), Some("before"), "case {n}");
        assert_eq!(redis.ttl("k").await, -1, "case {n}");
    }
    assert!(logs.count(reason) >= 1, "{reason:?} is not in {:?}", logs.text());
}

async fn two_expiries_are_refused(redis: &RedisManager) {
    let cases: [Options; 4] = [
        |set| set.ex(60).px(60_000),
        |set| set.px(60_000).ex(60),
        |set| set.ttl(Duration::from_secs(60)).ex(60),
        |set| set.px(60_000).ttl(Duration::from_secs(60)),
    ];
    assert_refused(redis, "more than one of ex, px, ttl, expire_at and keep_ttl", &cases).await;
}

async fn the_same_expiry_twice_is_refused(redis: &RedisManager) {
    let cases: [Options; 2] = [|set| set.ex(60).ex(60), |set| set.keep_ttl().keep_ttl()];
    assert_refused(redis, "more than one of ex, px, ttl, expire_at and keep_ttl", &cases).await;
}

async fn keep_ttl_beside_an_expiry_is_refused(redis: &RedisManager) {
    let cases: [Options; 3] = [
        |set| set.keep_ttl().ex(60),
        |set| set.ex(60).keep_ttl(),
        |set| set.ttl(Duration::from_secs(60)).xx().keep_ttl(),
    ];
    assert_refused(redis, "more than one of ex, px, ttl, expire_at and keep_ttl", &cases).await;
}

async fn nx_beside_xx_is_refused(redis: &RedisManager) {
    let cases: [Options; 2] = [|set| set.nx().xx(), |set| set.xx().ex(60).nx()];
    assert_refused(redis, "both nx and xx", &cases).await;
}

async fn an_expiry_of_zero_is_refused(redis: &RedisManager) {
    let cases: [Options; 3] = [|set| set.ex(0), |set| set.px(0), |set| set.ttl(Duration::ZERO)];
    assert_refused(redis, "a time to live of zero", &cases).await;
}

async fn an_expiry_that_overflows_is_refused(redis: &RedisManager) {
    let cases: [Options; 5] = [
        |set| set.ex(u64::MAX),
        |set| set.ex(i64::MAX as u64 / 1_000),
        |set| set.px(u64::MAX),
        |set| set.px(i64::MAX as u64),
        |set| set.ttl(Duration::MAX),
    ];
    assert_refused(redis, "a time to live that overflows", &cases).await;
}

async fn json_refuses_what_set_refuses(redis: &RedisManager) {
    assert!(!redis.set_json("k", &1).ex(0).await);
    assert!(!redis.set_json("k", &1).nx().xx().await);
    assert!(!redis.set_json("k", &1).ex(60).keep_ttl().await);
    assert!(!redis.exists("k").await);
}

async fn many_with_two_expiries_are_refused(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    assert!(!redis.set_many([("k", "v")]).ex(60).px(60_000).await);
    assert!(!redis.set_many([("k", "v")]).ttl(Duration::from_secs(60)).ex(60).await);
    assert!(!redis.exists("k").await);
    assert_eq!(logs.count("more than one of ex, px and ttl"), 1, "{}", logs.text());
}

async fn many_with_an_expiry_of_zero_or_beyond_are_refused(redis: &RedisManager) {
    assert!(!redis.set_many([("k", "v")]).ex(0).await);
    assert!(!redis.set_many([("k", "v")]).px(0).await);
    assert!(!redis.set_many([("k", "v")]).ttl(Duration::ZERO).await);
    assert!(!redis.set_many([("k", "v")]).ex(u64::MAX).await);
    assert!(!redis.set_many([("k", "v")]).ttl(Duration::MAX).await);
    assert!(!redis.exists("k").await);
}

async fn an_expire_of_zero_or_less_or_beyond_is_refused_and_deletes_nothing(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.set("k", "v").await;
    assert!(!redis.expire("k", 0).await);
    assert!(!redis.expire("k", -1).await);
    assert!(!redis.expire("k", i64::MIN).await);
    assert!(!redis.expire("k", i64::MAX).await);
    assert!(!redis.expire("k", u64::MAX).await);
    assert!(!redis.expire("k", Duration::ZERO).await);
    assert!(!redis.expire("k", Duration::MAX).await);
    assert_eq!(redis.ttl("k").await, -1);
    assert!(logs.count("a time to live of zero") >= 1, "{}", logs.text());
}

async fn an_empty_key_is_refused_everywhere(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    ask_with_an_empty_key(redis).await;
    assert!(logs.count("an empty key") >= 1, "{}", logs.text());
}

/// Every method, each with its neutral value.
async fn ask_with_an_empty_key(redis: &RedisManager) {
    assert!(!redis.set("", "v").await);
    assert!(!redis.set_json("", &1).ex(60).await);
    assert!(!redis.set_many([("", "v")]).await);
    assert!(!redis.set_many([("", "v")]).ex(60).await);
    assert_eq!(redis.get("").await, None);
    assert_eq!(redis.get_bytes("").await, None);
    assert_eq!(redis.get_json::<u8>("").await, None);
    assert_eq!(redis.get_many([""]).await, [None]);
    assert_eq!(redis.delete("").await, 0);
    assert!(!redis.exists("").await);
    assert!(!redis.expire("", 60).await);
    assert_eq!(redis.ttl("").await, -2);
    assert_eq!(redis.incr("").await, None);
    assert_eq!(redis.decr("").by(2).await, None);
    assert_eq!(redis.hset("", "f", "v").await, 0);
    assert_eq!(redis.hset_many("", [("f", "v")]).await, 0);
    assert_eq!(redis.hget("", "f").await, None);
}

async fn an_empty_key_among_others_refuses_the_whole_call(redis: &RedisManager) {
    redis.set("a", 1).await;
    assert_eq!(redis.delete(["a", ""]).await, 0);
    assert_eq!(redis.get_many(["a", ""]).await, [None, None]);
    assert!(!redis.set_many([("a", 2), ("", 2)]).await);
    assert!(!redis.set_many([("a", 2), ("", 2)]).ex(60).await);
    assert_eq!(redis.get("a").await.as_deref(), Some("1"));
}

async fn a_lookup_of_an_empty_key_says_why(redis: &RedisManager) {
    let found = redis.lookup("").await;
    let Lookup::Unavailable(error) = found else {
        panic!("{found:?}")
    };
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

async fn empty_lists_are_answered_without_asking(redis: &RedisManager) {
    assert_eq!(redis.delete(Vec::<String>::new()).await, 0);
    assert_eq!(redis.get_many(Vec::<String>::new()).await, Vec::<Option<String>>::new());
    assert!(redis.set_many(Vec::<(String, String)>::new()).await);
    assert!(redis.set_many(Vec::<(String, String)>::new()).ex(60).await);
    assert_eq!(redis.hset_many("h", Vec::<(String, String)>::new()).await, 0);
    assert!(!redis.exists("h").await);
}

async fn a_refused_call_is_no_outage(redis: &RedisManager) {
    redis.initialize().await;
    for _ in 0..50 {
        assert!(!redis.set("k", "v").ex(0).await);
        assert_eq!(redis.get("").await, None);
    }
    assert!(redis.is_enabled());
    assert_eq!(redis.metrics().outages, 0);
    assert!(redis.set("k", "v").await);
}

#[tokio::test]
async fn what_is_refused_is_not_sent() {
    let server = RedisServer::start();
    let redis = patient(&server.url(), "");
    only_callers_ask(&redis, &server).await;
    ask_what_is_refused(&redis).await;
    assert_eq!(server.executed(), Vec::<String>::new());
    assert_eq!(redis.metrics().answered, 0);
    redis.set("k", "v").await;
    assert_eq!(server.executed(), ["set:calls=1"], "the test would see it");
}

/// Connects, and forgets what belongs to that.
async fn only_callers_ask(redis: &RedisManager, server: &RedisServer) {
    assert!(redis.initialize().await);
    is_surveyed(redis).await;
    server.forget_executed();
}

async fn ask_what_is_refused(redis: &RedisManager) {
    let minute = Duration::from_secs(60);
    redis.set("k", "v").ex(60).px(60_000).await;
    redis.set("k", "v").ttl(minute).keep_ttl().await;
    redis.set("k", "v").nx().xx().await;
    redis.set("k", "v").ex(0).await;
    redis.set("k", "v").px(u64::MAX).await;
    redis.set("k", "v").ttl(Duration::MAX).nx().await;
    redis.set_json("k", &1).px(0).await;
    redis
        .set_json("k", &std::collections::HashMap::from([(vec![1], 2)]))
        .await;
    redis.set_many([("k", "v")]).ex(60).ttl(minute).await;
    redis.set_many([("k", "v")]).px(0).await;
    redis.set_many([("k", "v"), ("", "v")]).await;
    redis.expire("k", 0).await;
    redis.expire("k", -1).await;
    redis.expire("k", Duration::MAX).await;
    redis.decr("k").by(i64::MIN).await;
    ask_with_an_empty_key(redis).await;
    redis.delete(["k", ""]).await;
    redis.get_many(["k", ""]).await;
}

#[tokio::test]
async fn an_empty_list_is_not_sent() {
    let server = RedisServer::start();
    let redis = patient(&server.url(), "");
    only_callers_ask(&redis, &server).await;
    redis.delete(Vec::<String>::new()).await;
    redis.get_many(Vec::<String>::new()).await;
    redis.set_many(Vec::<(String, String)>::new()).await;
    redis.set_many(Vec::<(String, String)>::new()).px(5).await;
    redis.hset_many("h", Vec::<(String, String)>::new()).await;
    assert_eq!(server.executed(), Vec::<String>::new());
}

#[tokio::test]
async fn each_call_is_one_command() {
    let server = RedisServer::start();
    let redis = patient(&server.url(), "");
    only_callers_ask(&redis, &server).await;
    redis.set("k", 1).ex(60).nx().await;
    redis.get("k").await;
    redis.get_many(["k", "l"]).await;
    redis.set_many([("k", 1), ("l", 2)]).await;
    redis.delete(["k", "l"]).await;
    redis.exists("k").await;
    redis.expire("k", 5).await;
    redis.ttl("k").await;
    redis.incr("k").await;
    redis.hset_many("h", [("f", 1), ("g", 2)]).await;
    redis.hget("h", "f").await;
    let mut executed = server.executed();
    executed.sort();
    assert_eq!(
        executed,
        [
            "del:calls=1",
            "exists:calls=1",
            "get:calls=1",
            "hget:calls=1",
            "hset:calls=1",
            "incrby:calls=1",
            "mget:calls=1",
            "mset:calls=1",
            "pexpire:calls=1",
            "pttl:calls=1",
            "set:calls=1"
        ]
    );
}
