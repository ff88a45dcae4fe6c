//! `string()`.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis_manager::{ErrorKind, KeyTtl, RedisManager, Result};

use super::{HOSTILE, assert_in_step, assert_refused, assert_told, hostile_lists};
use crate::support::eventually;

on_both_backends! {
    a_value_comes_back_as_what_is_asked_for,
    what_cannot_be_read_is_a_decode_error,
    nx_and_xx_decide_whether_to_set,
    set_get_answers_the_old_value_whether_or_not_it_sets,
    getset_answers_the_old_value_and_takes_the_expiry_off,
    every_expiry_of_set_counts_to_the_millisecond,
    a_value_that_expires_in_the_past_is_gone,
    keep_ttl_keeps_the_expiry_and_plain_set_drops_it,
    options_that_contradict_each_other_are_refused,
    getex_changes_the_expiry_and_nothing_else,
    getex_at_a_past_time_reads_once_more,
    getex_and_getdel_of_nothing_are_none,
    getdel_reads_once,
    append_and_strlen_count_bytes,
    append_keeps_the_expiry,
    many_values_are_set_and_read,
    many_values_are_set_with_an_expiry,
    counters_count_up_and_down,
    counters_never_wrap_around,
    decimal_numbers_add_up,
    a_step_that_is_not_finite_is_refused,
    incr_with_ttl_sets_the_expiry_only_at_creation,
    a_value_that_is_no_number_is_an_error_of_the_server,
    nothing_to_ask_is_not_asked,
    another_type_is_refused_by_every_operation,
    hostile_values_come_back_from_every_operation,
}

async fn ttl(redis: &RedisManager, key: &str) -> KeyTtl {
    redis.service().keys().ttl(key).await.unwrap()
}

/// At most so long, and not much shorter on a busy machine.
fn assert_about(ttl: KeyTtl, expected: Duration) {
    let KeyTtl::Expires(left) = ttl else { panic!("{ttl:?}") };
    let slack = Duration::from_secs(20);
    assert!(
        left <= expected && left + slack > expected,
        "{left:?} is not about {expected:?}"
    );
}

const MINUTE: Duration = Duration::from_secs(60);

async fn a_value_comes_back_as_what_is_asked_for(redis: &RedisManager) {
    let string = redis.service().string();
    assert!(string.set("k", 42).await.unwrap());
    assert_eq!(string.get::<u8>("k").await.unwrap(), Some(42));
    assert_eq!(string.get::<String>("k").await.unwrap().as_deref(), Some("42"));
    assert_eq!(string.get::<f64>("k").await.unwrap(), Some(42.0));
    assert_eq!(string.get_bytes("k").await.unwrap(), Some(Bytes::from_static(b"42")));
    assert_eq!(string.get::<u8>("nobody").await.unwrap(), None);
}

async fn what_cannot_be_read_is_a_decode_error(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("the-key", b"sesame\xff").await.unwrap();
    assert_told(
        &string.get::<String>("the-key").await.unwrap_err(),
        ErrorKind::Decode,
        "GET",
    );
    assert_told(
        &string.get::<u8>("the-key").await.unwrap_err(),
        ErrorKind::Decode,
        "GET",
    );
}

async fn nx_and_xx_decide_whether_to_set(redis: &RedisManager) {
    let string = redis.service().string();
    assert!(!string.set("k", 1).xx().await.unwrap());
    assert!(string.set("k", 1).nx().await.unwrap());
    assert!(!string.set_nx("k", 2).await.unwrap());
    assert!(string.set("k", 3).xx().await.unwrap());
    assert_eq!(string.get("k").await.unwrap(), Some(3));
}

async fn set_get_answers_the_old_value_whether_or_not_it_sets(redis: &RedisManager) {
    let string = redis.service().string();
    assert_eq!(string.set("k", 1).get::<u8>().await.unwrap(), None);
    assert_eq!(string.set("k", 2).xx().get().await.unwrap(), Some(1));
    assert_eq!(string.set("k", 3).nx().get().await.unwrap(), Some(2));
    assert_eq!(string.get("k").await.unwrap(), Some(2));
    assert_eq!(string.set("k", 4).ex(60).get().await.unwrap(), Some(2));
    assert_about(ttl(redis, "k").await, MINUTE);
}

async fn getset_answers_the_old_value_and_takes_the_expiry_off(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("k", "OK").ex(60).await.unwrap();
    assert_eq!(
        string.getset::<String>("k", "new").await.unwrap().as_deref(),
        Some("OK")
    );
    assert_eq!(ttl(redis, "k").await, KeyTtl::Persistent);
}

async fn every_expiry_of_set_counts_to_the_millisecond(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("ex", 1).ex(60).await.unwrap();
    string.set("px", 1).px(60_500).await.unwrap();
    string.set("ttl", 1).ttl(MINUTE).await.unwrap();
    string.set("at", 1).expire_at(SystemTime::now() + MINUTE).await.unwrap();
    for key in ["ex", "ttl"] {
        assert_about(ttl(redis, key).await, MINUTE);
    }
    assert_about(ttl(redis, "px").await, Duration::from_millis(60_500));
    // The two clocks are read at different moments.
    assert_about(ttl(redis, "at").await, MINUTE + Duration::from_secs(1));
    string.set("short", 1).px(30).await.unwrap();
    eventually("it has expired", || async {
        string.get::<u8>("short").await.unwrap().is_none()
    })
    .await;
}

async fn a_value_that_expires_in_the_past_is_gone(redis: &RedisManager) {
    let string = redis.service().string();
    assert!(string.set("k", 1).expire_at(SystemTime::now() - MINUTE).await.unwrap());
    assert_eq!(string.get::<u8>("k").await.unwrap(), None);
}

async fn keep_ttl_keeps_the_expiry_and_plain_set_drops_it(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("k", 1).ex(60).await.unwrap();
    string.set("k", 2).keep_ttl().await.unwrap();
    assert_about(ttl(redis, "k").await, MINUTE);
    string.set("k", 3).await.unwrap();
    assert_eq!(ttl(redis, "k").await, KeyTtl::Persistent);
}

async fn options_that_contradict_each_other_are_refused(redis: &RedisManager) {
    let string = redis.service().string();
    assert_refused(string.set("k", 1).nx().xx().await, "both nx and xx");
    let why = "more than one of ex, px, ttl, expire_at and keep_ttl";
    assert_refused(string.set("k", 1).ex(1).px(1).await, why);
    assert_refused(string.set("k", 1).keep_ttl().expire_at(SystemTime::now()).await, why);
    assert_refused(string.set("k", 1).ex(0).await, "a time to live of zero");
    assert_refused(
        string.getex("k").ex(1).persist().read::<u8>().await,
        "both an expiry and persist",
    );
    assert_refused(string.set("", 1).await, "an empty key");
    assert!(!redis.exists("k").await);
}

async fn getex_changes_the_expiry_and_nothing_else(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("k", "v").await.unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(string.getex("k").read::<String>().await.unwrap().as_deref(), Some("v"));
    assert_eq!(ttl(redis, "k").await, KeyTtl::Persistent);
    for (command, expected) in [
        (string.getex("k").ex(60), MINUTE),
        (string.getex("k").px(3_600_000), hour),
        (string.getex("k").ttl(MINUTE), MINUTE),
        (
            string.getex("k").expire_at(SystemTime::now() + hour),
            hour + Duration::from_secs(1),
        ),
        // Without an option the expiry stays.
        (string.getex("k"), hour + Duration::from_secs(1)),
    ] {
        assert_eq!(command.read::<String>().await.unwrap().as_deref(), Some("v"));
        assert_about(ttl(redis, "k").await, expected);
    }
    assert_eq!(
        string.getex("k").persist().read::<String>().await.unwrap().as_deref(),
        Some("v")
    );
    assert_eq!(ttl(redis, "k").await, KeyTtl::Persistent);
}

async fn getex_at_a_past_time_reads_once_more(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("k", 1).await.unwrap();
    let past = SystemTime::now() - MINUTE;
    assert_eq!(string.getex("k").expire_at(past).read().await.unwrap(), Some(1));
    assert_eq!(string.get::<u8>("k").await.unwrap(), None);
}

async fn getex_and_getdel_of_nothing_are_none(redis: &RedisManager) {
    let string = redis.service().string();
    assert_eq!(string.getex("k").ex(60).read::<String>().await.unwrap(), None);
    assert_eq!(string.getdel::<String>("k").await.unwrap(), None);
    assert!(!redis.exists("k").await);
}

async fn getdel_reads_once(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("k", 1).await.unwrap();
    assert_eq!(string.getdel("k").await.unwrap(), Some(1));
    assert_eq!(string.getdel::<u8>("k").await.unwrap(), None);
}

async fn append_and_strlen_count_bytes(redis: &RedisManager) {
    let string = redis.service().string();
    assert_eq!(string.strlen("k").await.unwrap(), 0);
    assert_eq!(string.append("k", "é").await.unwrap(), 2);
    assert_eq!(string.append("k", b"\xff").await.unwrap(), 3);
    assert_eq!(string.append("k", "").await.unwrap(), 3);
    assert_eq!(string.strlen("k").await.unwrap(), 3);
    assert_eq!(string.get_bytes("k").await.unwrap().unwrap(), &b"\xc3\xa9\xff"[..]);
}

async fn append_keeps_the_expiry(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("k", "a").ex(60).await.unwrap();
    string.append("k", "b").await.unwrap();
    assert_about(ttl(redis, "k").await, MINUTE);
}

async fn many_values_are_set_and_read(redis: &RedisManager) {
    let string = redis.service().string();
    assert!(string.set_many((0..1_000).map(|n| (format!("k{n}"), n))).await.unwrap());
    let keys: Vec<_> = (0..1_001).map(|n| format!("k{n}")).collect();
    let found: Vec<Option<u32>> = string.get_many(&keys).await.unwrap();
    assert!(found[..1_000].iter().copied().eq((0..1_000).map(Some)));
    assert_eq!(found[1_000], None);
    assert_eq!(ttl(redis, "k7").await, KeyTtl::Persistent);
}

async fn many_values_are_set_with_an_expiry(redis: &RedisManager) {
    let string = redis.service().string();
    assert!(
        string
            .set_many([("a", 1), ("b", 2), ("a", 3)])
            .px(60_000)
            .await
            .unwrap()
    );
    for key in ["a", "b"] {
        assert_about(ttl(redis, key).await, MINUTE);
    }
    assert_eq!(string.get("a").await.unwrap(), Some(3));
    assert_refused(string.set_many([("a", 4)]).ex(0).await, "a time to live of zero");
    assert_eq!(string.get("a").await.unwrap(), Some(3));
}

async fn counters_count_up_and_down(redis: &RedisManager) {
    let string = redis.service().string();
    assert_eq!(string.incr("n").await.unwrap(), 1);
    assert_eq!(string.incr_by("n", 10).await.unwrap(), 11);
    assert_eq!(string.decr("n").await.unwrap(), 10);
    assert_eq!(string.decr_by("n", 15).await.unwrap(), -5);
    assert_eq!(string.decr_by("n", -6).await.unwrap(), 1);
}

async fn counters_never_wrap_around(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("n", i64::MAX).await.unwrap();
    let error = string.incr("n").await.unwrap_err();
    assert_eq!((error.kind(), error.server_code()), (ErrorKind::Server, Some("ERR")));
    assert_eq!(error.message(), "ERR increment or decrement would overflow");
    string.set("n", i64::MIN).await.unwrap();
    assert_eq!(string.decr_by("n", 1).await.unwrap_err().kind(), ErrorKind::Server);
    assert_refused(string.decr_by("n", i64::MIN).await, "a step that overflows");
    assert_eq!(string.get("n").await.unwrap(), Some(i64::MIN));
}

async fn decimal_numbers_add_up(redis: &RedisManager) {
    let string = redis.service().string();
    assert_eq!(string.incr_by_float("n", 1.5).await.unwrap(), 1.5);
    assert_eq!(string.incr_by_float("n", -1.25).await.unwrap(), 0.25);
    assert_eq!(string.get::<String>("n").await.unwrap().as_deref(), Some("0.25"));
    assert_eq!(string.incr_by_float("n", 0.75).await.unwrap(), 1.0);
    assert_eq!(string.incr("n").await.unwrap(), 2);
}

async fn a_step_that_is_not_finite_is_refused(redis: &RedisManager) {
    let string = redis.service().string();
    for step in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_refused(string.incr_by_float("n", step).await, "a step that is not finite");
    }
    string.set("n", "inf").await.unwrap();
    let error = string.incr_by_float("n", 1.0).await.unwrap_err();
    assert_eq!(error.message(), "ERR increment would produce NaN or Infinity");
}

async fn incr_with_ttl_sets_the_expiry_only_at_creation(redis: &RedisManager) {
    let string = redis.service().string();
    assert_eq!(string.incr_with_ttl("n", 2, 60).await.unwrap(), 2);
    assert_about(ttl(redis, "n").await, MINUTE);
    assert_eq!(string.incr_with_ttl("n", 3, 3600).await.unwrap(), 5);
    assert_about(ttl(redis, "n").await, MINUTE);
    string.set("forever", 1).await.unwrap();
    assert_eq!(string.incr_with_ttl("forever", 1, 60).await.unwrap(), 2);
    assert_eq!(ttl(redis, "forever").await, KeyTtl::Persistent);
    assert_refused(string.incr_with_ttl("n", 1, 0).await, "a time to live of zero");
}

async fn a_value_that_is_no_number_is_an_error_of_the_server(redis: &RedisManager) {
    let string = redis.service().string();
    string.set("the-key", "sesame").await.unwrap();
    let error = string.incr("the-key").await.unwrap_err();
    assert_told(&error, ErrorKind::Server, "INCRBY");
    assert_eq!(error.message(), "ERR value is not an integer or out of range");
    let error = string.incr_by_float("the-key", 1.0).await.unwrap_err();
    assert_told(&error, ErrorKind::Server, "INCRBYFLOAT");
    assert_eq!(error.message(), "ERR value is not a valid float");
}

async fn nothing_to_ask_is_not_asked(redis: &RedisManager) {
    let string = redis.service().string();
    let (keys, pairs): ([&str; 0], [(&str, &str); 0]) = ([], []);
    assert_eq!(string.get_many::<String>(keys).await.unwrap(), []);
    assert!(string.set_many(pairs).await.unwrap());
}

async fn another_type_is_refused_by_every_operation(redis: &RedisManager) {
    redis.hset("the-key", "f", "sesame").await;
    let string = redis.service().string();
    let key = "the-key";
    let answers: [(&str, Result<()>); 9] = [
        ("GET", string.get::<String>(key).await.map(drop)),
        ("SET", string.set(key, "sesame").get::<String>().await.map(drop)),
        ("GETDEL", string.getdel::<String>(key).await.map(drop)),
        ("GETEX", string.getex(key).ex(1).read::<String>().await.map(drop)),
        ("APPEND", string.append(key, "sesame").await.map(drop)),
        ("STRLEN", string.strlen(key).await.map(drop)),
        ("INCRBY", string.incr(key).await.map(drop)),
        ("INCRBYFLOAT", string.incr_by_float(key, 1.0).await.map(drop)),
        ("EVAL", string.incr_with_ttl(key, 1, 60).await.map(drop)),
    ];
    for (operation, answer) in answers {
        assert_told(&answer.unwrap_err(), ErrorKind::WrongType, operation);
    }
    assert_eq!(string.get_many::<String>([key]).await.unwrap(), [None]);
    assert_eq!(redis.hget("the-key", "f").await.as_deref(), Some("sesame"));
}

async fn hostile_values_come_back_from_every_operation(redis: &RedisManager) {
    let string = redis.service().string();
    for list in hostile_lists() {
        let keys: Vec<_> = (0..list.len()).map(|at| format!("k{at}")).collect();
        string.set_many(keys.iter().zip(list.iter().copied())).await.unwrap();
        let found: Vec<Option<Bytes>> = string.get_many(&keys).await.unwrap();
        assert!(found.iter().flatten().eq(list.iter()));
        assert_in_step(redis).await;
    }
    for value in HOSTILE {
        string.set("k", value).await.unwrap();
        assert_eq!(string.get_bytes("k").await.unwrap().unwrap(), value);
        assert_eq!(string.getex("k").ex(60).read::<Bytes>().await.unwrap().unwrap(), value);
        assert_eq!(string.getset::<Bytes>("k", value).await.unwrap().unwrap(), value);
        assert_eq!(string.getdel::<Bytes>("k").await.unwrap().unwrap(), value);
    }
    assert_in_step(redis).await;
}
