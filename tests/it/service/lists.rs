//! `service().list()`.

use std::fmt::Debug;

use bytes::Bytes;
use redis_manager::{ErrorKind, KeyType, ListOperations, RedisManager, Request, Side};

use crate::face::Shared;

on_both_backends! {
    what_is_pushed_comes_back_in_order,
    pushing_to_no_list_makes_one_unless_it_ends_with_x,
    pushing_nothing_makes_no_list,
    popping_takes_from_its_end,
    a_list_without_elements_is_no_key,
    a_range_is_as_wide_as_the_list,
    trimming_keeps_the_range,
    an_index_counts_from_either_end,
    setting_replaces_and_refuses_what_is_out_of_range,
    removing_counts_from_either_end,
    inserting_needs_a_pivot,
    an_element_moves_between_any_ends,
    an_element_moves_within_its_list,
    positions_are_found_from_either_end,
    positions_that_make_no_sense_are_refused,
    the_wrong_type_is_told_of_and_changes_nothing,
    hostile_elements_come_back_and_disturb_nobody,
    an_empty_key_is_refused,
    a_thousand_elements_are_pushed_at_once,
}

async fn all(redis: &RedisManager, key: &str) -> Vec<String> {
    redis.service().list().lrange(key, 0, -1).await.unwrap()
}

async fn make(redis: &RedisManager, key: &str, elements: &str) {
    let elements = elements.split_whitespace();
    redis.service().list().rpush(key, elements).await.unwrap();
}

async fn kind_of<T: Debug + Send>(request: Request<'_, T>) -> ErrorKind {
    request.await.unwrap_err().kind()
}

async fn what_is_pushed_comes_back_in_order(redis: &RedisManager) {
    let list = redis.service().list();
    assert_eq!(list.rpush("l", ["c"]).await.unwrap(), 1);
    assert_eq!(list.lpush("l", ["b", "a"]).await.unwrap(), 3);
    assert_eq!(list.rpush("l", [1, -2]).await.unwrap(), 5);
    assert_eq!(all(redis, "l").await, ["a", "b", "c", "1", "-2"]);
    assert_eq!(list.llen("l").await.unwrap(), 5);
    assert_eq!(redis.service().keys().type_of("l").await.unwrap(), Some(KeyType::List));
}

async fn pushing_to_no_list_makes_one_unless_it_ends_with_x(redis: &RedisManager) {
    let list = redis.service().list();
    assert_eq!(list.lpushx("l", ["a"]).await.unwrap(), 0);
    assert_eq!(list.rpushx("l", ["a"]).await.unwrap(), 0);
    assert!(!redis.exists("l").await);
    make(redis, "l", "a").await;
    assert_eq!(list.lpushx("l", ["b", "c"]).await.unwrap(), 3);
    assert_eq!(list.rpushx("l", ["d"]).await.unwrap(), 4);
    assert_eq!(all(redis, "l").await, ["c", "b", "a", "d"]);
}

async fn pushing_nothing_makes_no_list(redis: &RedisManager) {
    let list = redis.service().list();
    let answered = redis.metrics().answered;
    assert_eq!(list.lpush("l", [0_u8; 0]).await.unwrap(), 0);
    assert_eq!(list.rpush("l", Vec::<String>::new()).await.unwrap(), 0);
    assert_eq!(list.lpop_many::<String>("l", 0).await.unwrap(), [""; 0]);
    assert_eq!(list.lpos("l", "a").many(0).await.unwrap(), [0; 0]);
    assert_eq!(redis.metrics().answered, answered, "nothing was sent");
    assert!(!redis.exists("l").await);
}

async fn popping_takes_from_its_end(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a b c d e f g").await;
    assert_eq!(list.lpop("l").await.unwrap(), Some("a".to_owned()));
    assert_eq!(list.rpop("l").await.unwrap(), Some("g".to_owned()));
    assert_eq!(list.lpop_many::<String>("l", 2).await.unwrap(), ["b", "c"]);
    assert_eq!(list.rpop_many::<String>("l", 2).await.unwrap(), ["f", "e"]);
    assert_eq!(list.rpop_many::<String>("l", usize::MAX).await.unwrap(), ["d"]);
    assert_eq!(list.lpop::<String>("l").await.unwrap(), None);
    assert_eq!(list.rpop::<String>("l").await.unwrap(), None);
    assert_eq!(list.lpop_many::<String>("l", 3).await.unwrap(), [""; 0]);
    assert_eq!(list.rpop_many::<String>("l", 3).await.unwrap(), [""; 0]);
}

async fn a_list_without_elements_is_no_key(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a b").await;
    list.lpop_many::<String>("l", 2).await.unwrap();
    assert!(!redis.exists("l").await);
    make(redis, "l", "a a").await;
    assert_eq!(list.lrem("l", 0, "a").await.unwrap(), 2);
    assert!(!redis.exists("l").await);
    make(redis, "l", "a").await;
    let moved: Option<String> = list.lmove("l", "m", Side::Left, Side::Left).await.unwrap();
    assert_eq!(moved.as_deref(), Some("a"));
    assert!(!redis.exists("l").await);
    assert_eq!(list.llen("l").await.unwrap(), 0);
}

async fn a_range_is_as_wide_as_the_list(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a b c d").await;
    for (start, stop, right) in [
        (0, -1, "abcd"),
        (1, 2, "bc"),
        (-2, -1, "cd"),
        (-100, 1, "ab"),
        (2, 100, "cd"),
        (3, 3, "d"),
        (2, 1, ""),
        (-1, -2, ""),
        (4, 9, ""),
        (0, -5, ""),
        (i64::MIN, i64::MAX, "abcd"),
        (i64::MAX, i64::MIN, ""),
    ] {
        let found: Vec<String> = list.lrange("l", start, stop).await.unwrap();
        assert_eq!(found.concat(), right, "{start} {stop}");
    }
    assert_eq!(list.lrange::<String>("nobody", 0, -1).await.unwrap(), [""; 0]);
}

async fn trimming_keeps_the_range(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a b c d e f").await;
    list.ltrim("l", 1, -2).await.unwrap();
    assert_eq!(all(redis, "l").await, ["b", "c", "d", "e"]);
    list.ltrim("l", -3, 100).await.unwrap();
    assert_eq!(all(redis, "l").await, ["c", "d", "e"]);
    list.ltrim("l", 2, 1).await.unwrap();
    assert!(!redis.exists("l").await);
    list.ltrim("l", 0, 1).await.unwrap();
    assert!(!redis.exists("l").await);
}

async fn an_index_counts_from_either_end(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "1 2 3").await;
    for (index, right) in [
        (0, Some(1)),
        (2, Some(3)),
        (3, None),
        (-1, Some(3)),
        (-3, Some(1)),
        (-4, None),
        (i64::MIN, None),
        (i64::MAX, None),
    ] {
        assert_eq!(list.lindex::<u8>("l", index).await.unwrap(), right, "{index}");
    }
    assert_eq!(list.lindex::<u8>("nobody", 0).await.unwrap(), None);
}

async fn setting_replaces_and_refuses_what_is_out_of_range(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a b c").await;
    list.lset("l", 0, "x").await.unwrap();
    list.lset("l", -1, "a longer element").await.unwrap();
    assert_eq!(all(redis, "l").await, ["x", "b", "a longer element"]);
    for index in [3, -4] {
        let error = list.lset("l", index, "y").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Server, "ERR index out of range")
        );
    }
    let error = list.lset("nobody", 0, "y").await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Server, "ERR no such key"));
    assert!(!redis.exists("nobody").await);
    assert_eq!(list.llen("l").await.unwrap(), 3);
}

async fn removing_counts_from_either_end(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a b a c a d a").await;
    assert_eq!(list.lrem("l", 1, "a").await.unwrap(), 1);
    assert_eq!(all(redis, "l").await.concat(), "bacada");
    assert_eq!(list.lrem("l", -2, "a").await.unwrap(), 2);
    assert_eq!(all(redis, "l").await.concat(), "bacd");
    assert_eq!(list.lrem("l", 0, "z").await.unwrap(), 0);
    assert_eq!(list.lrem("l", 0, "a").await.unwrap(), 1);
    assert_eq!(all(redis, "l").await.concat(), "bcd");
    assert_eq!(list.lrem("nobody", 0, "a").await.unwrap(), 0);
}

async fn inserting_needs_a_pivot(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a b b").await;
    assert_eq!(list.linsert_before("l", "b", "x").await.unwrap(), Some(4));
    assert_eq!(list.linsert_after("l", "b", "y").await.unwrap(), Some(5));
    assert_eq!(all(redis, "l").await.concat(), "axbyb");
    assert_eq!(list.linsert_before("l", "z", "x").await.unwrap(), None);
    assert_eq!(list.linsert_after("nobody", "a", "x").await.unwrap(), None);
    assert!(!redis.exists("nobody").await);
    assert_eq!(list.llen("l").await.unwrap(), 5);
}

async fn an_element_moves_between_any_ends(redis: &RedisManager) {
    use Side::{Left, Right};
    let list = redis.service().list();
    for (from, to, right) in [
        (Left, Left, ("bc", "axy")),
        (Left, Right, ("bc", "xya")),
        (Right, Left, ("ab", "cxy")),
        (Right, Right, ("ab", "xyc")),
    ] {
        redis.delete(["from", "to"]).await;
        make(redis, "from", "a b c").await;
        make(redis, "to", "x y").await;
        let moved: Option<String> = list.lmove("from", "to", from, to).await.unwrap();
        assert_eq!(moved.as_deref(), Some(if from == Left { "a" } else { "c" }));
        let found = (all(redis, "from").await.concat(), all(redis, "to").await.concat());
        assert_eq!((found.0.as_str(), found.1.as_str()), right, "{from:?} {to:?}");
    }
    let none: Option<String> = list.lmove("nobody", "to", Left, Left).await.unwrap();
    assert_eq!(none, None);
    assert_eq!(list.llen("to").await.unwrap(), 3);
}

async fn an_element_moves_within_its_list(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a b c").await;
    let moved: Option<String> = list.lmove("l", "l", Side::Left, Side::Right).await.unwrap();
    assert_eq!(moved.as_deref(), Some("a"));
    assert_eq!(all(redis, "l").await.concat(), "bca");
    let moved: Option<String> = list.lmove("l", "l", Side::Right, Side::Right).await.unwrap();
    assert_eq!(moved.as_deref(), Some("a"));
    assert_eq!(all(redis, "l").await.concat(), "bca");
}

async fn positions_are_found_from_either_end(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a b c a b a").await;
    assert_eq!(list.lpos("l", "a").await.unwrap(), Some(0));
    assert_eq!(list.lpos("l", "z").await.unwrap(), None);
    assert_eq!(list.lpos("nobody", "a").await.unwrap(), None);
    assert_eq!(list.lpos("l", "a").rank(2).await.unwrap(), Some(3));
    assert_eq!(list.lpos("l", "a").rank(-1).await.unwrap(), Some(5));
    assert_eq!(list.lpos("l", "a").rank(9).await.unwrap(), None);
    assert_eq!(list.lpos("l", "c").max_len(2).await.unwrap(), None);
    assert_eq!(list.lpos("l", "c").max_len(usize::MAX).await.unwrap(), Some(2));
    assert_eq!(list.lpos("l", "a").all().await.unwrap(), [0, 3, 5]);
    assert_eq!(list.lpos("l", "a").many(2).await.unwrap(), [0, 3]);
    assert_eq!(list.lpos("l", "a").many(usize::MAX).await.unwrap(), [0, 3, 5]);
    assert_eq!(list.lpos("l", "a").rank(-1).many(2).await.unwrap(), [5, 3]);
    assert_eq!(list.lpos("l", "a").rank(-2).max_len(4).all().await.unwrap(), [3]);
    assert_eq!(list.lpos("l", "z").all().await.unwrap(), [0; 0]);
    assert_eq!(list.lpos("nobody", "z").all().await.unwrap(), [0; 0]);
}

async fn positions_that_make_no_sense_are_refused(redis: &RedisManager) {
    let list = redis.service().list();
    make(redis, "l", "a").await;
    for error in [
        list.lpos("l", "a").rank(0).await.unwrap_err(),
        list.lpos("l", "a").rank(i64::MIN).await.unwrap_err(),
        list.lpos("l", "a").max_len(0).await.unwrap_err(),
        list.lpos("l", "a").rank(0).all().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}

/// Every operation, told apart by what it does to a key of the wrong type.
async fn kinds(list: ListOperations<'_>, key: &str) -> Vec<ErrorKind> {
    vec![
        kind_of(list.lpush(key, ["a"])).await,
        kind_of(list.rpush(key, ["a"])).await,
        kind_of(list.lpushx(key, ["a"])).await,
        kind_of(list.rpushx(key, ["a"])).await,
        kind_of(list.lpop::<String>(key)).await,
        kind_of(list.rpop::<String>(key)).await,
        kind_of(list.lpop_many::<String>(key, 2)).await,
        kind_of(list.rpop_many::<String>(key, 2)).await,
        kind_of(list.lrange::<String>(key, 0, -1)).await,
        kind_of(list.ltrim(key, 0, -1)).await,
        kind_of(list.llen(key)).await,
        kind_of(list.lindex::<String>(key, 0)).await,
        kind_of(list.lset(key, 0, "a")).await,
        kind_of(list.lrem(key, 0, "a")).await,
        kind_of(list.linsert_before(key, "a", "b")).await,
        kind_of(list.linsert_after(key, "a", "b")).await,
        kind_of(list.lmove::<String>(key, "l", Side::Left, Side::Left)).await,
        kind_of(list.lmove::<String>("l", key, Side::Left, Side::Left)).await,
        list.lpos(key, "a").await.unwrap_err().kind(),
        kind_of(list.lpos(key, "a").many(1)).await,
        kind_of(list.lpos(key, "a").all()).await,
    ]
}

async fn the_wrong_type_is_told_of_and_changes_nothing(redis: &RedisManager) {
    redis.set("k", "v").await;
    make(redis, "l", "a b").await;
    let kinds = kinds(redis.service().list(), "k").await;
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::WrongType), "{kinds:?}");
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert_eq!(all(redis, "l").await, ["a", "b"]);
}

#[tokio::test]
async fn where_it_is_switched_off_every_operation_says_so() {
    let off = RedisManager::disabled("not needed here");
    let kinds = kinds(off.service().list(), "l").await;
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::Disabled), "{kinds:?}");
}

/// What a client library may take for a message of a channel: lists of three and four that begin with such a word.
async fn hostile_elements_come_back_and_disturb_nobody(redis: &RedisManager) {
    let list = redis.service().list();
    redis.set("other", "mine").await;
    for word in [
        "message",
        "subscribe",
        "pmessage",
        "unsubscribe",
        "pubsub",
        "",
        "psubscribe",
        "smessage",
    ] {
        for length in 1..=5 {
            let words = [word.as_bytes(), b"\xff", b"", b"message", b"\r\n"];
            let right: Vec<Bytes> = words[..length].iter().copied().map(Bytes::copy_from_slice).collect();
            let reversed: Vec<Bytes> = right.iter().rev().cloned().collect();
            let fill = || async {
                redis.delete(["h", "g"]).await;
                list.rpush("h", right.iter().cloned()).await.unwrap();
                list.lpush("g", right.iter().cloned()).await.unwrap();
            };
            fill().await;
            assert_eq!(list.lrange::<Bytes>("h", 0, -1).await.unwrap(), right);
            assert_eq!(list.lrange::<Bytes>("g", 0, -1).await.unwrap(), reversed);
            assert_eq!(list.lindex::<Bytes>("h", 0).await.unwrap().as_ref(), right.first());
            assert_eq!(list.lpos("h", word).await.unwrap(), Some(0));
            assert_eq!(list.lpos("h", word).many(4).await.unwrap()[0], 0);
            assert_eq!(list.lpop_many::<Bytes>("h", length).await.unwrap(), right);
            assert_eq!(list.rpop_many::<Bytes>("g", 9).await.unwrap(), right);
            fill().await;
            let moved: Option<Bytes> = list.lmove("h", "g", Side::Left, Side::Left).await.unwrap();
            assert_eq!(moved.as_ref(), right.first());
            assert_eq!(list.lpop::<Bytes>("g").await.unwrap().as_ref(), right.first());
            assert_eq!(redis.get("other").await.as_deref(), Some("mine"), "{word:?} {length}");
        }
    }
}

async fn an_empty_key_is_refused(redis: &RedisManager) {
    let list = redis.service().list();
    assert_eq!(kind_of(list.lpush("", ["a"])).await, ErrorKind::InvalidArgument);
    assert_eq!(
        kind_of(list.lrange::<String>("", 0, 1)).await,
        ErrorKind::InvalidArgument
    );
    let moving = list.lmove::<String>("l", "", Side::Left, Side::Left);
    assert_eq!(kind_of(moving).await, ErrorKind::InvalidArgument);
}

async fn a_thousand_elements_are_pushed_at_once(redis: &RedisManager) {
    let list = redis.service().list();
    assert_eq!(list.rpush("l", 0..1_000).await.unwrap(), 1_000);
    let right: Vec<i32> = (0..1_000).collect();
    assert_eq!(list.lrange::<i32>("l", 0, -1).await.unwrap(), right);
    assert_eq!(list.lpop_many::<i32>("l", 5_000).await.unwrap(), right);
}

#[tokio::test]
async fn both_keys_of_a_move_are_behind_the_prefix() {
    let shared = Shared::join();
    make(&shared.redis, "from", "a b").await;
    let moved = shared
        .redis
        .service()
        .list()
        .lmove::<String>("from", "to", Side::Left, Side::Right);
    assert_eq!(moved.await.unwrap().as_deref(), Some("a"));
    for key in ["from", "to"] {
        let key = format!("{}{key}", shared.prefix);
        assert_eq!(shared.server.command(&["LLEN", &key]), ":1", "{key}");
    }
}
