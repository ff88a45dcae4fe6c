//! `delete` and `exists`.

use redis_manager::{Key, RedisManager};

on_both_backends! {
    one_key_is_deleted,
    a_missing_key_is_not_counted,
    of_a_list_those_are_counted_that_were_there,
    a_key_that_is_named_twice_is_counted_once,
    any_list_of_keys_is_taken,
    a_hash_is_deleted_as_a_whole,
    a_deleted_key_begins_anew,
    exists_knows_every_type,
}

async fn one_key_is_deleted(redis: &RedisManager) {
    redis.set("k", "v").await;
    assert_eq!(redis.delete("k").await, 1);
    assert_eq!(redis.get("k").await, None);
}

async fn a_missing_key_is_not_counted(redis: &RedisManager) {
    assert_eq!(redis.delete("k").await, 0);
    assert_eq!(redis.delete(["k", "l"]).await, 0);
}

async fn of_a_list_those_are_counted_that_were_there(redis: &RedisManager) {
    redis.set_many([("a", 1), ("b", 2), ("c", 3)]).await;
    assert_eq!(redis.delete(["a", "missing", "c"]).await, 2);
    assert_eq!(redis.get_many(["a", "b", "c"]).await, [None, Some("2".into()), None]);
}

async fn a_key_that_is_named_twice_is_counted_once(redis: &RedisManager) {
    redis.set_many([("a", 1), ("b", 2)]).await;
    assert_eq!(redis.delete(["a", "a", "b", "a"]).await, 2);
}

async fn any_list_of_keys_is_taken(redis: &RedisManager) {
    let owned = || vec!["a".to_owned(), "b".to_owned()];
    let fill = || async { assert!(redis.set_many([("a", 1), ("b", 2)]).await) };
    fill().await;
    assert_eq!(redis.delete(["a", "b"]).await, 2);
    fill().await;
    assert_eq!(redis.delete(vec!["a", "b"]).await, 2);
    fill().await;
    assert_eq!(redis.delete(owned()).await, 2);
    fill().await;
    assert_eq!(redis.delete(&owned()).await, 2);
    fill().await;
    assert_eq!(redis.delete(owned().as_slice()).await, 2);
    fill().await;
    assert_eq!(redis.delete([Key::from("a"), Key::from("b")]).await, 2);
    fill().await;
    assert_eq!(redis.delete("a".to_owned()).await, 1);
    assert_eq!(redis.delete(Key::from("b")).await, 1);
}

async fn a_hash_is_deleted_as_a_whole(redis: &RedisManager) {
    redis.hset_many("h", [("a", 1), ("b", 2)]).await;
    assert_eq!(redis.delete("h").await, 1);
    assert_eq!(redis.hget("h", "a").await, None);
    assert!(!redis.exists("h").await);
}

async fn a_deleted_key_begins_anew(redis: &RedisManager) {
    redis.set("k", 41).ex(1_000).await;
    redis.delete("k").await;
    assert_eq!(redis.incr("k").await, Some(1));
    assert_eq!(redis.ttl("k").await, -1);
}

async fn exists_knows_every_type(redis: &RedisManager) {
    redis.set("text", "v").await;
    redis.incr("counter").await;
    redis.hset("hash", "f", "v").await;
    for key in ["text", "counter", "hash"] {
        assert!(redis.exists(key).await, "{key}");
    }
    assert!(!redis.exists("missing").await);
}
