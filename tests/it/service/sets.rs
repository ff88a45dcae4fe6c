//! `service().set()`.

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Debug,
};

use bytes::Bytes;
use redis_manager::{ErrorKind, IntoKeys, KeyType, RedisManager, Request, SetOperations};

use crate::face::Shared;

on_both_backends! {
    members_are_there_once,
    what_is_removed_is_gone,
    a_set_without_members_is_no_key,
    nothing_to_ask_sends_nothing,
    members_read_as_any_collection,
    several_members_are_looked_for_at_once,
    popping_takes_each_member_once,
    chance_returns_members_and_takes_none,
    chance_with_repetitions_returns_as_many_as_asked_for,
    too_many_repetitions_are_refused,
    sets_are_combined,
    a_missing_set_is_an_empty_one,
    a_combination_is_stored_and_replaces_what_was_there,
    a_combination_may_replace_one_of_its_own_sets,
    an_empty_combination_deletes_the_destination,
    common_members_are_counted_up_to_a_limit,
    a_member_moves_if_it_is_there,
    the_wrong_type_is_told_of_and_changes_nothing,
    hostile_members_come_back_and_disturb_nobody,
    an_empty_key_is_refused,
    a_thousand_members_are_added_at_once,
}

async fn all(redis: &RedisManager, key: &str) -> String {
    let members: BTreeSet<String> = redis.service().set().smembers(key).await.unwrap();
    members.into_iter().collect()
}

async fn make(redis: &RedisManager, key: &str, members: &str) {
    let members = members.split_whitespace();
    redis.service().set().sadd(key, members).await.unwrap();
}

async fn kind_of<T: Debug + Send>(request: Request<'_, T>) -> ErrorKind {
    request.await.unwrap_err().kind()
}

async fn sorted(request: Request<'_, BTreeSet<String>>) -> String {
    request.await.unwrap().into_iter().collect()
}

async fn members_are_there_once(redis: &RedisManager) {
    let set = redis.service().set();
    assert_eq!(set.sadd("s", ["a", "b", "a"]).await.unwrap(), 2);
    assert_eq!(set.sadd("s", ["b", "c"]).await.unwrap(), 1);
    assert_eq!(set.sadd("s", [1, -2]).await.unwrap(), 2);
    assert_eq!(set.scard("s").await.unwrap(), 5);
    assert_eq!(all(redis, "s").await, "-21abc");
    assert!(set.sismember("s", "a").await.unwrap());
    assert!(set.sismember("s", -2).await.unwrap());
    assert!(!set.sismember("s", "z").await.unwrap());
    assert!(!set.sismember("nobody", "a").await.unwrap());
    assert_eq!(redis.service().keys().type_of("s").await.unwrap(), Some(KeyType::Set));
}

async fn what_is_removed_is_gone(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "s", "a b c d").await;
    assert_eq!(set.srem("s", ["a", "d", "z", "a"]).await.unwrap(), 2);
    assert_eq!(all(redis, "s").await, "bc");
    assert_eq!(set.srem("nobody", ["a"]).await.unwrap(), 0);
}

async fn a_set_without_members_is_no_key(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "s", "a b").await;
    set.srem("s", ["a", "b"]).await.unwrap();
    assert!(!redis.exists("s").await);
    make(redis, "s", "a b").await;
    set.spop_many::<String>("s", 2).await.unwrap();
    assert!(!redis.exists("s").await);
    make(redis, "s", "a").await;
    assert!(set.smove("s", "t", "a").await.unwrap());
    assert!(!redis.exists("s").await);
    assert_eq!(set.scard("s").await.unwrap(), 0);
    assert_eq!(set.smembers::<Vec<String>>("s").await.unwrap(), [""; 0]);
}

async fn nothing_to_ask_sends_nothing(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "dest", "a").await;
    let answered = redis.metrics().answered;
    let nobody: [&str; 0] = [];
    assert_eq!(set.sadd("s", nobody).await.unwrap(), 0);
    assert_eq!(set.srem("s", nobody).await.unwrap(), 0);
    assert_eq!(set.smismember("s", nobody).await.unwrap(), [false; 0]);
    assert_eq!(set.spop_many::<String>("s", 0).await.unwrap(), nobody);
    assert_eq!(set.srandmember_many::<String>("s", 0).await.unwrap(), nobody);
    assert_eq!(set.srandmember_repeating::<String>("s", 0).await.unwrap(), nobody);
    assert_eq!(set.sinter::<Vec<String>>(nobody).await.unwrap(), nobody);
    assert_eq!(set.sunion::<Vec<String>>(nobody).await.unwrap(), nobody);
    assert_eq!(set.sdiff::<Vec<String>>(nobody).await.unwrap(), nobody);
    assert_eq!(set.sinterstore("dest", nobody).await.unwrap(), 0);
    assert_eq!(set.sunionstore("dest", nobody).await.unwrap(), 0);
    assert_eq!(set.sdiffstore("dest", nobody).await.unwrap(), 0);
    assert_eq!(set.sintercard(nobody).await.unwrap(), 0);
    assert_eq!(set.sintercard_up_to("dest", 0).await.unwrap(), 0);
    assert_eq!(redis.metrics().answered, answered, "nothing was sent");
    assert_eq!(all(redis, "dest").await, "a");
}

async fn members_read_as_any_collection(redis: &RedisManager) {
    let set = redis.service().set();
    set.sadd("s", [1, 2, 3]).await.unwrap();
    let mut list: Vec<u8> = set.smembers("s").await.unwrap();
    list.sort_unstable();
    assert_eq!(list, [1, 2, 3]);
    let hashed: HashSet<String> = set.sunion(["s", "nobody"]).await.unwrap();
    assert_eq!(hashed.len(), 3);
    let ordered: BTreeSet<i64> = set.sdiff("s").await.unwrap();
    assert_eq!(ordered, BTreeSet::from([1, 2, 3]));
}

async fn several_members_are_looked_for_at_once(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "s", "a c").await;
    let found = set.smismember("s", ["a", "b", "c", "a"]).await.unwrap();
    assert_eq!(found, [true, false, true, true]);
    assert_eq!(set.smismember("nobody", ["a", "b"]).await.unwrap(), [false, false]);
}

async fn popping_takes_each_member_once(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "s", "a b c d e f").await;
    let mut taken: Vec<String> = set.spop_many("s", 3).await.unwrap();
    assert_eq!((taken.len(), set.scard("s").await.unwrap()), (3, 3));
    taken.extend(set.spop::<String>("s").await.unwrap());
    taken.extend(set.spop_many::<String>("s", usize::MAX).await.unwrap());
    taken.sort_unstable();
    assert_eq!(taken.concat(), "abcdef");
    assert_eq!(set.spop::<String>("s").await.unwrap(), None);
    assert_eq!(set.spop_many::<String>("s", 2).await.unwrap(), [""; 0]);
}

async fn chance_returns_members_and_takes_none(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "s", "a b c d").await;
    let mut seen = BTreeSet::new();
    while seen.len() < 4 {
        seen.extend(set.srandmember::<String>("s").await.unwrap());
    }
    assert_eq!(seen.into_iter().collect::<String>(), "abcd");
    for (count, right) in [(1, 1), (3, 3), (4, 4), (99, 4), (usize::MAX, 4)] {
        let some: Vec<String> = set.srandmember_many("s", count).await.unwrap();
        let different: BTreeSet<_> = some.iter().collect();
        assert_eq!((some.len(), different.len()), (right, right), "{count}");
    }
    assert_eq!(set.scard("s").await.unwrap(), 4);
    assert_eq!(set.srandmember::<String>("nobody").await.unwrap(), None);
    assert_eq!(set.srandmember_many::<String>("nobody", 3).await.unwrap(), [""; 0]);
}

async fn chance_with_repetitions_returns_as_many_as_asked_for(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "s", "a b").await;
    for count in [1, 3, 4, 100] {
        let some: Vec<String> = set.srandmember_repeating("s", count).await.unwrap();
        assert_eq!(some.len(), count);
        assert!(some.iter().all(|member| member == "a" || member == "b"), "{some:?}");
    }
    assert_eq!(set.srandmember_repeating::<String>("nobody", 3).await.unwrap(), [""; 0]);
}

async fn too_many_repetitions_are_refused(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "s", "a").await;
    for count in [1_000_001, usize::MAX] {
        let kind = kind_of(set.srandmember_repeating::<String>("s", count)).await;
        assert_eq!(kind, ErrorKind::InvalidArgument);
    }
}

async fn sets_are_combined(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "x", "a b c d").await;
    make(redis, "y", "c d e").await;
    make(redis, "z", "d f").await;
    assert_eq!(sorted(set.sinter(["x", "y", "z"])).await, "d");
    assert_eq!(sorted(set.sinter("x")).await, "abcd");
    assert_eq!(sorted(set.sunion(["x", "y", "z"])).await, "abcdef");
    assert_eq!(sorted(set.sdiff(["x", "y", "z"])).await, "ab");
    assert_eq!(sorted(set.sdiff(["x", "x"])).await, "");
    assert_eq!(sorted(set.sinter(["x", "x"])).await, "abcd");
}

async fn a_missing_set_is_an_empty_one(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "x", "a b").await;
    assert_eq!(sorted(set.sinter(["x", "nobody"])).await, "");
    assert_eq!(sorted(set.sinter(["nobody", "x"])).await, "");
    assert_eq!(sorted(set.sunion(["nobody", "x"])).await, "ab");
    assert_eq!(sorted(set.sdiff(["x", "nobody"])).await, "ab");
    assert_eq!(sorted(set.sdiff(["nobody", "x"])).await, "");
}

async fn a_combination_is_stored_and_replaces_what_was_there(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "x", "a b c").await;
    make(redis, "y", "b c d").await;
    redis.set("dest", "text").ex(100).await;
    assert_eq!(set.sinterstore("dest", ["x", "y"]).await.unwrap(), 2);
    assert_eq!(all(redis, "dest").await, "bc");
    assert_eq!(redis.ttl("dest").await, -1);
    assert_eq!(set.sunionstore("dest", ["x", "y"]).await.unwrap(), 4);
    assert_eq!(all(redis, "dest").await, "abcd");
    assert_eq!(set.sdiffstore("dest", ["x", "y"]).await.unwrap(), 1);
    assert_eq!(all(redis, "dest").await, "a");
}

async fn a_combination_may_replace_one_of_its_own_sets(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "x", "a b").await;
    make(redis, "y", "b c").await;
    assert_eq!(set.sunionstore("x", ["x", "y"]).await.unwrap(), 3);
    assert_eq!(all(redis, "x").await, "abc");
    assert_eq!(all(redis, "y").await, "bc");
}

async fn an_empty_combination_deletes_the_destination(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "x", "a").await;
    for key in ["p", "q", "r"] {
        redis.set(key, "v").await;
    }
    assert_eq!(set.sinterstore("p", ["x", "nobody"]).await.unwrap(), 0);
    assert_eq!(set.sunionstore("q", "nobody").await.unwrap(), 0);
    assert_eq!(set.sdiffstore("r", ["x", "x"]).await.unwrap(), 0);
    assert_eq!(redis.service().keys().exists(["p", "q", "r"]).await.unwrap(), 0);
}

async fn common_members_are_counted_up_to_a_limit(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "x", "a b c d").await;
    make(redis, "y", "b c d e").await;
    assert_eq!(set.sintercard(["x", "y"]).await.unwrap(), 3);
    assert_eq!(set.sintercard_up_to(["x", "y"], 2).await.unwrap(), 2);
    assert_eq!(set.sintercard_up_to(["x", "y"], usize::MAX).await.unwrap(), 3);
    assert_eq!(set.sintercard(["x", "nobody"]).await.unwrap(), 0);
}

async fn a_member_moves_if_it_is_there(redis: &RedisManager) {
    let set = redis.service().set();
    make(redis, "x", "a b").await;
    make(redis, "y", "b").await;
    assert!(set.smove("x", "y", "a").await.unwrap());
    assert!(set.smove("x", "x", "b").await.unwrap());
    assert_eq!(
        (all(redis, "x").await, all(redis, "y").await),
        ("b".into(), "ab".into())
    );
    assert!(set.smove("x", "y", "b").await.unwrap());
    assert!(!set.smove("y", "z", "z").await.unwrap());
    assert!(!set.smove("nobody", "y", "a").await.unwrap());
    assert_eq!(redis.service().keys().exists(["x", "z"]).await.unwrap(), 0);
    assert_eq!(all(redis, "y").await, "ab");
}

/// What every operation makes of a key; `s` is a set.
async fn kinds(set: SetOperations<'_>, key: &str) -> Vec<ErrorKind> {
    let keys = || ["s", key].into_keys();
    vec![
        kind_of(set.sadd(key, ["a"])).await,
        kind_of(set.srem(key, ["a"])).await,
        kind_of(set.smembers::<Vec<String>>(key)).await,
        kind_of(set.sismember(key, "a")).await,
        kind_of(set.smismember(key, ["a"])).await,
        kind_of(set.scard(key)).await,
        kind_of(set.spop::<String>(key)).await,
        kind_of(set.spop_many::<String>(key, 2)).await,
        kind_of(set.srandmember::<String>(key)).await,
        kind_of(set.srandmember_many::<String>(key, 2)).await,
        kind_of(set.srandmember_repeating::<String>(key, 2)).await,
        kind_of(set.sinter::<Vec<String>>(keys())).await,
        kind_of(set.sinter::<Vec<String>>(["nobody", key])).await,
        kind_of(set.sunion::<Vec<String>>(keys())).await,
        kind_of(set.sdiff::<Vec<String>>(keys())).await,
        kind_of(set.sinterstore("dest", keys())).await,
        kind_of(set.sunionstore("dest", keys())).await,
        kind_of(set.sdiffstore("dest", keys())).await,
        kind_of(set.sintercard(keys())).await,
        kind_of(set.sintercard_up_to(keys(), 1)).await,
        kind_of(set.smove(key, "s", "a")).await,
        kind_of(set.smove("s", key, "a")).await,
    ]
}

async fn the_wrong_type_is_told_of_and_changes_nothing(redis: &RedisManager) {
    redis.set("k", "v").await;
    make(redis, "s", "a b").await;
    let kinds = kinds(redis.service().set(), "k").await;
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::WrongType), "{kinds:?}");
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert_eq!(all(redis, "s").await, "ab");
    assert!(!redis.exists("dest").await);
}

#[tokio::test]
async fn where_it_is_switched_off_every_operation_says_so() {
    let off = RedisManager::disabled("not needed here");
    let kinds = kinds(off.service().set(), "k").await;
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::Disabled), "{kinds:?}");
}

/// What a client library may take for a message of a channel: lists of three and four that begin with such a word. Which member comes
/// first is chance, so that all of them are such words.
async fn hostile_members_come_back_and_disturb_nobody(redis: &RedisManager) {
    const WORDS: [&[u8]; 7] = [
        b"message",
        b"subscribe",
        b"pmessage",
        b"unsubscribe",
        b"pubsub",
        b"",
        b"\xff",
    ];
    let set = redis.service().set();
    redis.set("other", "mine").await;
    for first in 0..WORDS.len() {
        for length in 1..=5 {
            let words = WORDS.iter().cycle().skip(first).take(length).copied();
            let right: BTreeSet<Bytes> = words.map(Bytes::from_static).collect();
            redis.delete(["h", "dest"]).await;
            set.sadd("h", right.iter().cloned()).await.unwrap();
            assert_eq!(set.smembers::<BTreeSet<Bytes>>("h").await.unwrap(), right);
            assert_eq!(set.sinter::<BTreeSet<Bytes>>(["h", "h"]).await.unwrap(), right);
            assert_eq!(set.sunion::<BTreeSet<Bytes>>(["h", "dest"]).await.unwrap(), right);
            assert_eq!(set.sdiff::<BTreeSet<Bytes>>(["h", "dest"]).await.unwrap(), right);
            assert_eq!(
                set.smismember("h", right.iter().cloned()).await.unwrap(),
                vec![true; length]
            );
            let some: Vec<Bytes> = set.srandmember_many("h", length).await.unwrap();
            assert_eq!(some.into_iter().collect::<BTreeSet<_>>(), right);
            for count in 3..=4 {
                let some: Vec<Bytes> = set.srandmember_repeating("h", count).await.unwrap();
                assert!(some.len() == count && some.iter().all(|member| right.contains(member)));
            }
            assert!(right.contains(&set.srandmember::<Bytes>("h").await.unwrap().unwrap()));
            assert_eq!(set.sunionstore("dest", "h").await.unwrap(), length as u64);
            assert_eq!(set.spop_many::<Bytes>("h", length).await.unwrap().len(), length);
            assert!(right.contains(&set.spop::<Bytes>("dest").await.unwrap().unwrap()));
            assert_eq!(redis.get("other").await.as_deref(), Some("mine"), "{right:?}");
        }
    }
}

async fn an_empty_key_is_refused(redis: &RedisManager) {
    let set = redis.service().set();
    assert_eq!(kind_of(set.sadd("", ["a"])).await, ErrorKind::InvalidArgument);
    assert_eq!(
        kind_of(set.sinter::<Vec<String>>(["a", ""])).await,
        ErrorKind::InvalidArgument
    );
    assert_eq!(kind_of(set.sunionstore("", ["a"])).await, ErrorKind::InvalidArgument);
    assert_eq!(kind_of(set.smove("a", "", "a")).await, ErrorKind::InvalidArgument);
}

async fn a_thousand_members_are_added_at_once(redis: &RedisManager) {
    let set = redis.service().set();
    assert_eq!(set.sadd("s", 0..1_000).await.unwrap(), 1_000);
    assert_eq!(set.sadd("s", 500..1_500).await.unwrap(), 500);
    let all: BTreeSet<i32> = set.smembers("s").await.unwrap();
    assert_eq!(all, (0..1_500).collect());
    assert_eq!(
        set.srandmember_repeating::<i32>("s", 10_000).await.unwrap().len(),
        10_000
    );
}

#[tokio::test]
async fn every_key_is_behind_the_prefix() {
    let shared = Shared::join();
    let set = shared.redis.service().set();
    make(&shared.redis, "x", "a b").await;
    assert!(set.smove("x", "y", "a").await.unwrap());
    assert_eq!(set.sunionstore("both", ["x", "y"]).await.unwrap(), 2);
    assert_eq!(set.sintercard(["x", "both"]).await.unwrap(), 1);
    for (key, size) in [("x", ":1"), ("y", ":1"), ("both", ":2")] {
        let key = format!("{}{key}", shared.prefix);
        assert_eq!(shared.server.command(&["SCARD", &key]), size, "{key}");
    }
}
