//! `get_many` and `set_many`.

use std::collections::BTreeMap;

use redis_manager::{Key, RedisManager};
use tracing::Level;

use super::assert_told;
use crate::support::logs::Logs;

on_both_backends! {
    values_come_in_the_order_of_their_keys_and_as_many,
    a_key_that_is_named_twice_is_answered_twice,
    one_key_alone_may_be_asked_for,
    any_list_of_keys_is_taken,
    all_may_be_missing,
    a_first_value_that_looks_like_a_message_disturbs_nobody,
    messages_as_values_come_back_in_every_place,
    an_element_of_another_type_is_none,
    an_element_that_is_not_utf8_is_none_and_told_of,
    a_thousand_keys_are_asked_for_at_once,
    many_are_set_at_once,
    many_without_expiry_have_none,
    many_share_an_expiry,
    many_replace_values_of_any_type_and_their_time_to_live,
    of_a_key_that_is_given_twice_the_last_value_wins,
    of_a_key_that_is_given_twice_the_last_value_wins_with_an_expiry_too,
    pairs_of_any_map_are_set,
    a_thousand_pairs_are_set_at_once,
}

/// Every word that a pub/sub frame begins with.
const MESSAGES: [&str; 12] = [
    "message",
    "pmessage",
    "smessage",
    "subscribe",
    "psubscribe",
    "ssubscribe",
    "unsubscribe",
    "punsubscribe",
    "sunsubscribe",
    "pubsub",
    "invalidate",
    "monitor",
];

fn some(text: impl ToString) -> Option<String> {
    Some(text.to_string())
}

async fn values_come_in_the_order_of_their_keys_and_as_many(redis: &RedisManager) {
    redis.set("a", 1).await;
    redis.set("c", 3).await;
    assert_eq!(redis.get_many(["c", "b", "a"]).await, [some(3), None, some(1)]);
}

async fn a_key_that_is_named_twice_is_answered_twice(redis: &RedisManager) {
    redis.set("a", 1).await;
    let found = redis.get_many(["a", "b", "a", "b", "a"]).await;
    assert_eq!(found, [some(1), None, some(1), None, some(1)]);
}

async fn one_key_alone_may_be_asked_for(redis: &RedisManager) {
    redis.set("a", "").await;
    assert_eq!(redis.get_many("a").await, [some("")]);
    assert_eq!(redis.get_many(["a"]).await, [some("")]);
}

async fn any_list_of_keys_is_taken(redis: &RedisManager) {
    redis.set_many([("a", 1), ("b", 2)]).await;
    let both = [some(1), some(2)];
    let owned = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(redis.get_many(vec!["a", "b"]).await, both);
    assert_eq!(redis.get_many(&owned).await, both);
    assert_eq!(redis.get_many(owned.as_slice()).await, both);
    assert_eq!(redis.get_many(owned).await, both);
    assert_eq!(redis.get_many([Key::from(&b"a"[..]), Key::from("b")]).await, both);
}

async fn all_may_be_missing(redis: &RedisManager) {
    assert_eq!(redis.get_many(["a", "b", "c"]).await, [None, None, None]);
}

async fn a_first_value_that_looks_like_a_message_disturbs_nobody(redis: &RedisManager) {
    redis.set("own", "own").await;
    for word in MESSAGES {
        for length in 1..=6 {
            redis.set("first", word).await;
            let keys = ["first", "own", "own", "own", "own", "own"];
            let found = redis.get_many(&keys[..length]).await;
            assert_eq!(found.len(), length);
            assert_eq!(found[0].as_deref(), Some(word), "{length} keys");
            assert!(found[1..].iter().all(|value| value.as_deref() == Some("own")), "{word}");
            assert_eq!(redis.get("own").await.as_deref(), Some("own"), "after {word}");
        }
    }
}

async fn messages_as_values_come_back_in_every_place(redis: &RedisManager) {
    redis.set_many(MESSAGES.map(|word| (word, word))).await;
    for start in 0..MESSAGES.len() {
        let mut keys = MESSAGES;
        keys.rotate_left(start);
        assert_eq!(redis.get_many(keys).await, keys.map(some));
    }
}

async fn an_element_of_another_type_is_none(redis: &RedisManager) {
    redis.set("text", "v").await;
    redis.hset("hash", "f", "v").await;
    assert_eq!(redis.get_many(["hash", "text", "hash"]).await, [None, some("v"), None]);
}

async fn an_element_that_is_not_utf8_is_none_and_told_of(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.set("the-key", b"sesame\xff").await;
    redis.set("other", "v").await;
    assert_eq!(redis.get_many(["other", "the-key"]).await, [some("v"), None]);
    assert_eq!(logs.count("sesame"), 0, "{}", logs.text());
    assert_told(&logs, "not UTF-8", "the-key");
}

async fn a_thousand_keys_are_asked_for_at_once(redis: &RedisManager) {
    redis.set_many((0..1_000).map(|n| (format!("k{n}"), n))).await;
    let keys: Vec<_> = (0..1_500).rev().map(|n| format!("k{n}")).collect();
    let found = redis.get_many(keys).await;
    let expected: Vec<_> = (0..1_500).rev().map(|n| (n < 1_000).then(|| n.to_string())).collect();
    assert_eq!(found, expected);
}

async fn many_are_set_at_once(redis: &RedisManager) {
    assert!(redis.set_many([("a", "1"), ("b", "2")]).await);
    assert_eq!(redis.get_many(["a", "b"]).await, [some(1), some(2)]);
}

async fn many_without_expiry_have_none(redis: &RedisManager) {
    redis.set_many([("a", 1), ("b", 2)]).await;
    assert_eq!((redis.ttl("a").await, redis.ttl("b").await), (-1, -1));
}

async fn many_share_an_expiry(redis: &RedisManager) {
    assert!(redis.set_many([("a", 1), ("b", 2)]).ex(1_000).await);
    assert!(redis.set_many([("c", 3)]).px(1_000_000).await);
    for key in ["a", "b", "c"] {
        assert!((900..=1_000).contains(&redis.ttl(key).await), "{key}");
    }
    assert_eq!(redis.get_many(["a", "b", "c"]).await, [some(1), some(2), some(3)]);
}

async fn many_replace_values_of_any_type_and_their_time_to_live(redis: &RedisManager) {
    redis.set("a", "old").ex(1_000).await;
    redis.hset("b", "f", "v").await;
    assert!(redis.set_many([("a", 1), ("b", 2)]).await);
    assert_eq!(redis.get_many(["a", "b"]).await, [some(1), some(2)]);
    assert_eq!(redis.ttl("a").await, -1);
    redis.hset("c", "f", "v").await;
    assert!(redis.set_many([("c", 3)]).ex(1_000).await);
    assert_eq!(redis.get("c").await.as_deref(), Some("3"));
}

async fn of_a_key_that_is_given_twice_the_last_value_wins(redis: &RedisManager) {
    assert!(redis.set_many([("a", 1), ("b", 2), ("a", 3)]).await);
    assert_eq!(redis.get_many(["a", "b"]).await, [some(3), some(2)]);
}

async fn of_a_key_that_is_given_twice_the_last_value_wins_with_an_expiry_too(redis: &RedisManager) {
    assert!(redis.set_many([("a", 1), ("b", 2), ("a", 3)]).ex(1_000).await);
    assert_eq!(redis.get_many(["a", "b"]).await, [some(3), some(2)]);
}

async fn pairs_of_any_map_are_set(redis: &RedisManager) {
    let map = BTreeMap::from([("a".to_owned(), vec![1_u8, 255]), ("b".to_owned(), Vec::new())]);
    assert!(redis.set_many(map).ex(1_000).await);
    assert_eq!(redis.get_bytes("a").await.as_deref(), Some(&[1, 255][..]));
    assert_eq!(redis.get("b").await.as_deref(), Some(""));
}

async fn a_thousand_pairs_are_set_at_once(redis: &RedisManager) {
    let pairs = |prefix| (0..1_000).map(move |n| (format!("{prefix}{n}"), n));
    assert!(redis.set_many(pairs("a")).await);
    assert!(redis.set_many(pairs("b")).ex(1_000).await);
    for key in ["a0", "a999", "b0", "b999"] {
        assert_eq!(redis.get(key).await.as_deref(), Some(&key[1..]));
    }
}
