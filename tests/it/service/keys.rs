//! `keys()`.

use std::time::{Duration, SystemTime};

use redis_manager::{ErrorKind, KeyTtl, KeyType, RedisManager};

use super::{HOSTILE, assert_in_step, assert_refused, assert_told};
use crate::{face::Shared, support::eventually};

on_both_backends! {
    keys_are_deleted_and_unlinked,
    keys_that_exist_are_counted,
    a_ttl_has_three_states_to_the_millisecond,
    an_expiry_is_set_changed_and_taken_off,
    an_expiry_in_the_past_deletes,
    each_type_has_its_name,
    a_key_is_renamed_with_its_expiry,
    a_missing_key_cannot_be_renamed,
    a_key_is_renamed_only_to_a_free_name,
    a_key_is_copied_with_its_expiry,
    a_key_is_not_copied_to_itself,
    nothing_to_ask_is_not_asked,
    wrong_calls_are_refused,
    hostile_names_are_keys_like_others,
    the_server_answers,
}

const MINUTE: Duration = Duration::from_secs(60);

fn left(ttl: KeyTtl) -> Duration {
    match ttl {
        KeyTtl::Expires(left) => left,
        other => panic!("{other:?}"),
    }
}

async fn keys_are_deleted_and_unlinked(redis: &RedisManager) {
    let keys = redis.service().keys();
    redis.set_many([("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]).await;
    assert_eq!(keys.delete(["a", "b", "a", "nobody"]).await.unwrap(), 2);
    assert_eq!(keys.unlink(["c", "nobody", "c"]).await.unwrap(), 1);
    assert_eq!(keys.unlink("d").await.unwrap(), 1);
    assert_eq!(keys.exists(["a", "b", "c", "d"]).await.unwrap(), 0);
}

async fn keys_that_exist_are_counted(redis: &RedisManager) {
    let keys = redis.service().keys();
    redis.set("a", 1).await;
    redis.hset("b", "f", "v").await;
    assert_eq!(keys.exists("a").await.unwrap(), 1);
    assert_eq!(keys.exists("nobody").await.unwrap(), 0);
    assert_eq!(keys.exists(["a", "b", "nobody"]).await.unwrap(), 2);
    assert_eq!(keys.exists(["a", "a"]).await.unwrap(), 2);
    assert_eq!(keys.touch(["a", "b", "nobody"]).await.unwrap(), 2);
}

async fn a_ttl_has_three_states_to_the_millisecond(redis: &RedisManager) {
    let keys = redis.service().keys();
    assert_eq!(keys.ttl("k").await.unwrap(), KeyTtl::Missing);
    redis.set("k", 1).await;
    assert_eq!(keys.ttl("k").await.unwrap(), KeyTtl::Persistent);
    assert!(keys.pexpire("k", 59_999).await.unwrap());
    assert!(left(keys.ttl("k").await.unwrap()) <= Duration::from_millis(59_999));
    // In whole seconds it would never be.
    eventually("it is told in milliseconds", || async {
        left(keys.ttl("k").await.unwrap()).subsec_millis() != 0
    })
    .await;
}

async fn an_expiry_is_set_changed_and_taken_off(redis: &RedisManager) {
    let keys = redis.service().keys();
    redis.set("k", 1).await;
    assert!(keys.expire("k", 10).await.unwrap());
    assert!(keys.expire("k", MINUTE).await.unwrap());
    assert!(left(keys.ttl("k").await.unwrap()) > Duration::from_secs(10));
    assert!(keys.expire_at("k", SystemTime::now() + 10 * MINUTE).await.unwrap());
    assert!(left(keys.ttl("k").await.unwrap()) > 5 * MINUTE);
    assert!(keys.persist("k").await.unwrap());
    assert!(!keys.persist("k").await.unwrap());
    assert_eq!(keys.ttl("k").await.unwrap(), KeyTtl::Persistent);
    for missing in [
        keys.expire("nobody", 10),
        keys.pexpire("nobody", 10),
        keys.expire_at("nobody", SystemTime::now() + MINUTE),
        keys.persist("nobody"),
    ] {
        assert!(!missing.await.unwrap());
    }
}

async fn an_expiry_in_the_past_deletes(redis: &RedisManager) {
    let keys = redis.service().keys();
    redis.hset("h", "f", "v").await;
    assert!(keys.expire_at("h", SystemTime::now() - MINUTE).await.unwrap());
    assert_eq!(keys.exists("h").await.unwrap(), 0);
    assert_eq!(keys.ttl("h").await.unwrap(), KeyTtl::Missing);
}

async fn each_type_has_its_name(redis: &RedisManager) {
    let service = redis.service();
    redis.set("string", 1).await;
    redis.hset("hash", "f", "v").await;
    service.zset().zadd("zset", [("m", 1)]).await.unwrap();
    for (key, expected) in [
        ("string", Some(KeyType::String)),
        ("hash", Some(KeyType::Hash)),
        ("zset", Some(KeyType::SortedSet)),
        ("nobody", None),
    ] {
        assert_eq!(service.keys().type_of(key).await.unwrap(), expected, "{key}");
    }
}

async fn a_key_is_renamed_with_its_expiry(redis: &RedisManager) {
    let keys = redis.service().keys();
    redis.set("a", "one").ex(60).await;
    redis.hset("b", "f", "replaced").await;
    keys.rename("a", "b").await.unwrap();
    assert_eq!(redis.get("b").await.as_deref(), Some("one"));
    assert!(left(keys.ttl("b").await.unwrap()) <= MINUTE);
    assert_eq!(keys.exists("a").await.unwrap(), 0);
    keys.rename("b", "b").await.unwrap();
    assert_eq!(redis.get("b").await.as_deref(), Some("one"));
}

async fn a_missing_key_cannot_be_renamed(redis: &RedisManager) {
    let keys = redis.service().keys();
    let error = keys.rename("the-key", "b").await.unwrap_err();
    assert_told(&error, ErrorKind::Server, "RENAME");
    assert_eq!(error.message(), "ERR no such key");
    let error = keys.rename_nx("the-key", "b").await.unwrap_err();
    assert_told(&error, ErrorKind::Server, "RENAMENX");
}

async fn a_key_is_renamed_only_to_a_free_name(redis: &RedisManager) {
    let keys = redis.service().keys();
    redis.set_many([("a", "one"), ("b", "two")]).await;
    assert!(!keys.rename_nx("a", "b").await.unwrap());
    assert!(!keys.rename_nx("a", "a").await.unwrap());
    assert!(keys.rename_nx("a", "c").await.unwrap());
    assert_eq!(
        redis.get_many(["a", "b", "c"]).await,
        [None, Some("two".to_owned()), Some("one".to_owned())]
    );
}

async fn a_key_is_copied_with_its_expiry(redis: &RedisManager) {
    let keys = redis.service().keys();
    redis.set("a", "one").ex(60).await;
    assert!(keys.copy("a", "b", false).await.unwrap());
    assert!(left(keys.ttl("b").await.unwrap()) <= MINUTE);
    redis.set("a", "two").await;
    assert!(!keys.copy("a", "b", false).await.unwrap());
    assert_eq!(redis.get("b").await.as_deref(), Some("one"));
    assert!(keys.copy("a", "b", true).await.unwrap());
    assert_eq!(redis.get("b").await.as_deref(), Some("two"));
    assert_eq!(keys.ttl("b").await.unwrap(), KeyTtl::Persistent);
    assert!(!keys.copy("nobody", "b", true).await.unwrap());
    assert_eq!(redis.get("b").await.as_deref(), Some("two"));
}

async fn a_key_is_not_copied_to_itself(redis: &RedisManager) {
    redis.set("the-key", "sesame").await;
    let error = redis
        .service()
        .keys()
        .copy("the-key", "the-key", true)
        .await
        .unwrap_err();
    assert_told(&error, ErrorKind::Server, "COPY");
}

async fn nothing_to_ask_is_not_asked(redis: &RedisManager) {
    let keys = redis.service().keys();
    let nothing: [&str; 0] = [];
    assert_eq!(keys.delete(nothing).await.unwrap(), 0);
    assert_eq!(keys.unlink(nothing).await.unwrap(), 0);
    assert_eq!(keys.exists(nothing).await.unwrap(), 0);
    assert_eq!(keys.touch(nothing).await.unwrap(), 0);
}

async fn wrong_calls_are_refused(redis: &RedisManager) {
    let keys = redis.service().keys();
    assert_refused(keys.delete(["a", ""]).await, "an empty key");
    assert_refused(keys.expire("a", 0).await, "a time to live of zero");
    assert_refused(keys.expire("a", -1).await, "a negative time to live");
    assert_refused(
        keys.expire_at("a", SystemTime::UNIX_EPOCH - MINUTE).await,
        "a time before 1970",
    );
    assert_refused(keys.info(Some("")).await, "an empty section");
}

async fn hostile_names_are_keys_like_others(redis: &RedisManager) {
    let keys = redis.service().keys();
    for name in HOSTILE.into_iter().filter(|name| !name.is_empty()) {
        assert!(redis.set(name, "v").await);
        assert_eq!(keys.type_of(name).await.unwrap(), Some(KeyType::String));
        keys.rename(name, "other").await.unwrap();
        assert!(keys.copy("other", name, false).await.unwrap());
        let name = redis_manager::Key::from(name);
        assert_eq!(keys.exists([&name, &name, &name]).await.unwrap(), 3);
        assert_eq!(keys.delete(&name).await.unwrap(), 1);
    }
    assert_in_step(redis).await;
}

async fn the_server_answers(redis: &RedisManager) {
    let keys = redis.service().keys();
    keys.ping().await.unwrap();
    redis.set("k", 1).await;
    assert!(keys.dbsize().await.unwrap() >= 1);
}

#[tokio::test]
async fn a_server_tells_of_itself() {
    let shared = Shared::join();
    let keys = shared.redis.service().keys();
    let all = keys.info(None).await.unwrap();
    assert!(all.contains("redis_version:") && all.contains("# Keyspace"), "{all}");
    let memory = keys.info(Some("memory")).await.unwrap();
    assert!(
        memory.starts_with("# Memory") && !memory.contains("redis_version:"),
        "{memory}"
    );
    shared.assert_undisturbed();
}

#[tokio::test]
async fn the_embedded_backend_has_nothing_to_tell_of_itself() {
    let error = crate::face::embedded().service().keys().info(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
