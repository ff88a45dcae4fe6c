//! Wrong input to every operation of the honest face: the right error or the empty answer, and nothing sent that need not be.

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use redis_manager::{Config, Error, ErrorKind, Key, LexBound, RedisManager, ScoreBound};

use crate::{
    operations::{Args, Operation, WAYS, Way, with_those_of_chance},
    support::{RedisServer, is_surveyed},
};

on_both_backends! {
    an_empty_key_is_refused_by_every_operation,
    a_key_that_is_too_long_is_refused,
    nothing_asked_for_is_answered_with_nothing,
    what_needs_something_refuses_nothing,
    a_reversed_range_is_empty,
    negative_counts_and_ranks_count_from_the_end,
    the_wrong_type_is_told_by_every_operation_and_by_nothing_but_hashes,
}

const NO_TEXTS: [&[u8]; 0] = [];

/// They have no key of the caller's.
const WITHOUT_KEYS: [&str; 7] = [
    "ping",
    "info",
    "dbsize",
    "scan",
    "delete_pattern",
    "entities",
    "listing",
];

/// A script is loaded before its keys are looked at.
const AFTER_LOADING: &str = "run";

fn named(name: &str) -> &'static dyn Operation {
    let all = with_those_of_chance();
    let found = all.into_iter().find(|operation| operation.name() == name);
    found.unwrap_or_else(|| panic!("there is no operation {name}"))
}

async fn ask(redis: &RedisManager, operation: &dyn Operation, args: &Args, way: Way) -> Result<String, Error> {
    operation
        .ask(redis.service(), std::slice::from_ref(args), way)
        .await
        .remove(0)
}

async fn ask_with_an_empty_key(redis: &RedisManager) {
    let args = Args::on(&Key::from(""), &[b"sesame", b"other"]);
    for operation in with_those_of_chance() {
        if WITHOUT_KEYS.contains(&operation.name()) || operation.name() == AFTER_LOADING {
            continue;
        }
        for way in WAYS {
            let answer = ask(redis, operation, &args, way).await;
            let error = answer.expect_err(operation.name());
            assert_eq!(
                error.kind(),
                ErrorKind::InvalidArgument,
                "{} {way:?}: {error}",
                operation.name()
            );
            assert!(!format!("{error} {error:?}").contains("sesame"), "{error:?}");
        }
    }
}

async fn an_empty_key_is_refused_by_every_operation(redis: &RedisManager) {
    ask_with_an_empty_key(redis).await;
}

/// Zeros that nobody has touched take no memory.
fn too_long() -> Key {
    static ZEROS: OnceLock<Bytes> = OnceLock::new();
    let zeros = ZEROS.get_or_init(|| vec![0; 512 * 1024 * 1024 + 1].into());
    Key::from(zeros.clone())
}

async fn ask_with_a_key_that_is_too_long(redis: &RedisManager) {
    let args = Args::on(&too_long(), &[b"text"]);
    for name in [
        "get",
        "get_many",
        "lrange_all",
        "sinter",
        "zrange_all",
        "hmget",
        "exists",
        "watch",
    ] {
        let error = ask(redis, named(name), &args, Way::OneByOne).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}: {error}");
    }
}

async fn a_key_that_is_too_long_is_refused(redis: &RedisManager) {
    ask_with_a_key_that_is_too_long(redis).await;
}

/// Operations on lists of keys, members, fields or elements, and what they answer without any.
const OF_SEVERAL: [(&str, &str); 23] = [
    ("get_many", "[]"),
    ("json_get_many", "[]"),
    ("hmget", "[]"),
    ("hset", "0"),
    ("hset_struct", "0"),
    ("hdel", "0"),
    ("hexpire", "[]"),
    ("hpersist", "[]"),
    ("httl", "[]"),
    ("set_many", "true"),
    ("set_many_ex", "true"),
    ("exists", "0"),
    ("touch", "0"),
    ("lpush", "0"),
    ("rpushx", "0"),
    ("sadd", "0"),
    ("srem", "0"),
    ("smismember", "[]"),
    ("sunion", "[]"),
    ("sinterstore", "0"),
    ("sintercard", "0"),
    ("zadd", "0"),
    ("zmscore", "[]"),
];

fn nothing() -> Args {
    Args {
        strings: Vec::new(),
        sets: Vec::new(),
        zsets: Vec::new(),
        others: Vec::new(),
        count: 0,
        ..Args::on(&Key::from("k"), &NO_TEXTS)
    }
}

async fn ask_for_nothing(redis: &RedisManager) {
    const BY_COUNT: [&str; 8] = [
        "lpop_many",
        "rpop_many",
        "lpos_many",
        "spop_many",
        "srandmember_many",
        "srandmember_repeating",
        "zpopmin_many",
        "zpopmax_many",
    ];
    for (name, right) in OF_SEVERAL.into_iter().chain(BY_COUNT.map(|name| (name, "[]"))) {
        for way in WAYS {
            let answer = ask(redis, named(name), &nothing(), way).await;
            assert_eq!(answer.unwrap(), right, "{name} {way:?}");
        }
    }
}

async fn nothing_asked_for_is_answered_with_nothing(redis: &RedisManager) {
    ask_for_nothing(redis).await;
    assert!(!redis.exists("k").await);
}

async fn what_needs_something_refuses_nothing(redis: &RedisManager) {
    for name in ["zunionstore", "zinterstore"] {
        let error = ask(redis, named(name), &nothing(), Way::OneByOne)
            .await
            .expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}");
    }
    let (service, none) = (redis.service(), Vec::<Key>::new());
    let wait = Duration::from_millis(5);
    let popped = service.list().blpop::<String>(none.clone(), wait).await;
    assert_eq!(popped.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let popped = service.list().brpop::<String>("k", Duration::ZERO).await;
    assert_eq!(popped.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(
        Box::pin(service.watch(none)).await.unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    assert_eq!(
        service.keys().delete_pattern("").await.unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    let many = service.set().srandmember_repeating::<String>("k", usize::MAX).await;
    assert_eq!(many.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

async fn a_reversed_range_is_empty(redis: &RedisManager) {
    let service = redis.service();
    let (list, zset) = (service.list(), service.zset());
    list.rpush("l", ["a", "b", "c", "d"]).await.unwrap();
    zset.zadd("z", [("a", 1.0), ("b", 2.0), ("c", 3.0)]).await.unwrap();
    zset.zadd("lex", [("a", 0.0), ("b", 0.0), ("c", 0.0)]).await.unwrap();
    let none: [Bytes; 0] = [];
    for (start, stop) in [(2, 1), (-1, 0), (9, 12), (i64::MAX, i64::MIN), (-1, -3)] {
        assert_eq!(
            list.lrange::<Bytes>("l", start, stop).await.unwrap(),
            none,
            "{start} {stop}"
        );
        assert_eq!(zset.zrange("z", start, stop).members::<Bytes>().await.unwrap(), none);
        let scored: Vec<(Bytes, f64)> = zset.zrange("z", start, stop).rev().with_scores().await.unwrap();
        assert_eq!(scored, []);
        assert_eq!(zset.zremrangebyrank("z", start, stop).await.unwrap(), 0);
    }
    assert_eq!(list.lrange::<Bytes>("l", i64::MIN, i64::MAX).await.unwrap().len(), 4);
    let (min, max) = (|| ScoreBound::inclusive(3.0), || ScoreBound::exclusive(1.0));
    assert_eq!(zset.zcount("z", min(), max()).await.unwrap(), 0);
    assert_eq!(zset.zremrangebyscore("z", min(), max()).await.unwrap(), 0);
    assert_eq!(zset.zrangebyscore::<Bytes>("z", min(), max()).await.unwrap(), none);
    assert_eq!(
        zset.zrange_by_score("z", min(), max())
            .rev()
            .members::<Bytes>()
            .await
            .unwrap(),
        none
    );
    assert_eq!(zset.zlexcount("lex", LexBound::Max, LexBound::Min).await.unwrap(), 0);
    let (b, a) = (|| LexBound::inclusive("b"), || LexBound::exclusive("a"));
    assert_eq!(
        zset.zrange_by_lex("lex", b(), a()).members::<Bytes>().await.unwrap(),
        none
    );
    assert_eq!(zset.zremrangebylex("lex", b(), a()).await.unwrap(), 0);
    assert_eq!(
        (zset.zcard("z").await.unwrap(), zset.zcard("lex").await.unwrap()),
        (3, 3)
    );
    list.ltrim("l", 2, 1).await.unwrap();
    assert!(!redis.exists("l").await);
}

async fn negative_counts_and_ranks_count_from_the_end(redis: &RedisManager) {
    let list = redis.service().list();
    list.rpush("l", ["a", "b", "a", "c", "a"]).await.unwrap();
    assert_eq!(list.lpos("l", "a").rank(-1).await.unwrap(), Some(4));
    assert_eq!(list.lpos("l", "a").rank(-2).many(9).await.unwrap(), [2, 0]);
    assert_eq!(list.lindex::<String>("l", -2).await.unwrap().as_deref(), Some("c"));
    assert_eq!(list.lindex::<String>("l", i64::MIN).await.unwrap(), None);
    assert_eq!(list.lrem("l", -2, "a").await.unwrap(), 2);
    assert_eq!(list.lrange::<String>("l", 0, -1).await.unwrap(), ["a", "b", "c"]);
    let error = list.lpos("l", "a").rank(0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = list.lset("l", -9, "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    List,
    Set,
    SortedSet,
    Hash,
}

const TYPES: [Type; 5] = [Type::Text, Type::List, Type::Set, Type::SortedSet, Type::Hash];

/// The type that an operation is for, if it is for one only and can be executed by this server. By its name, as Redis names commands.
fn type_of(name: &str) -> Option<Type> {
    // For every type, or replacing whatever was there, or finding nothing in another type.
    const OF_ANY: [&str; 19] = [
        "ping",
        "info",
        "dbsize",
        "scan",
        "delete_pattern",
        "entities",
        "listing",
        "run",
        "eval",
        "get_many",
        "set",
        "set_ttl",
        "set_nx",
        "set_many",
        "set_many_ex",
        "set_keep_ttl",
        "rename",
        "rename_nx",
        "watch",
    ];
    const OF_TEXT: [&str; 19] = [
        "get",
        "get_bytes",
        "getset",
        "getdel",
        "getex",
        "getex_persist",
        "set_get",
        "append",
        "strlen",
        "incr",
        "decr",
        "incr_by",
        "decr_by",
        "incr_with_ttl",
        "incr_by_float",
        "json_get",
        "json_getdel",
        "json_getex",
        "json_getset",
    ];
    const OF_NEWER_SERVERS: [&str; 4] = ["hexpire", "hpexpire", "hpersist", "httl"];
    if OF_ANY.contains(&name) || OF_NEWER_SERVERS.contains(&name) {
        return None;
    }
    if OF_TEXT.contains(&name) {
        return Some(Type::Text);
    }
    match name.as_bytes()[0] {
        b'l' | b'r' | b'b' => Some(Type::List),
        b's' => Some(Type::Set),
        b'z' => Some(Type::SortedSet),
        b'h' => Some(Type::Hash),
        // `expire`, `touch`, `json_set`, `module_…` and the like.
        _ => None,
    }
}

fn key(of: Type) -> Key {
    Key::from(format!("the-key of {of:?}"))
}

async fn store(redis: &RedisManager) {
    let service = redis.service();
    service.string().set(key(Type::Text), "sesame").await.unwrap();
    service.list().rpush(key(Type::List), ["sesame"]).await.unwrap();
    service.set().sadd(key(Type::Set), ["sesame"]).await.unwrap();
    service
        .zset()
        .zadd(key(Type::SortedSet), [("sesame", 1.0)])
        .await
        .unwrap();
    service
        .hash()
        .hset(key(Type::Hash), [("sesame", "sesame")])
        .await
        .unwrap();
}

async fn the_wrong_type_is_told_by_every_operation_and_by_nothing_but_hashes(redis: &RedisManager) {
    store(redis).await;
    redis.set("in step", "right").await;
    let mut asked = 0;
    for operation in with_those_of_chance() {
        let name = operation.name();
        let Some(own) = type_of(name) else { continue };
        for other in TYPES.into_iter().filter(|other| *other != own) {
            // Sorted sets are put together of plain ones as well.
            if other == Type::Set && ["zunionstore", "zinterstore"].contains(&name) {
                continue;
            }
            for way in WAYS {
                let args = Args::on(&key(other), &[b"sesame", b"sesame"]);
                let error = ask(redis, operation, &args, way).await.expect_err(name);
                assert_eq!(
                    error.kind(),
                    ErrorKind::WrongType,
                    "{name} on {other:?} {way:?}: {error}"
                );
                assert_tells_no_secret(&error, name);
                let right: Option<String> = redis.service().string().get("in step").await.unwrap();
                assert_eq!(right.as_deref(), Some("right"), "after {name}");
                asked += 1;
            }
        }
    }
    assert!(asked > 900, "{asked}");
    let left: u64 = redis.service().keys().exists(TYPES.map(key)).await.unwrap();
    assert_eq!(left, 5);
}

/// The operation by the server's name, the key by its hash, and nothing else.
fn assert_tells_no_secret(error: &Error, name: &str) {
    let text = error.to_string();
    let (operation, rest) = text.split_once(" on key #").unwrap_or_else(|| panic!("{name}: {text}"));
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte == b' ';
    assert!(
        !operation.is_empty() && operation.bytes().all(is_name),
        "{name}: {text}"
    );
    let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    assert_eq!(digits, 8, "{name}: {text}");
    let all = format!("{error} {error:?} {error:#?}");
    assert!(!all.contains("sesame") && !all.contains("the-key"), "{name}: {all}");
}

#[tokio::test]
async fn what_is_wrong_or_nothing_is_not_sent() {
    let server = RedisServer::start();
    let redis = RedisManager::new(Config::from_url(server.url())).unwrap();
    assert!(redis.initialize().await);
    is_surveyed(&redis).await;
    server.forget_executed();
    ask_with_an_empty_key(&redis).await;
    ask_with_a_key_that_is_too_long(&redis).await;
    ask_for_nothing(&redis).await;
    assert_eq!(server.executed(), Vec::<String>::new());
    redis.set("k", "v").await;
    assert_eq!(server.executed(), ["set:calls=1"], "the test would see it");
}

#[tokio::test]
async fn a_manager_that_is_switched_off_says_so_to_every_operation() {
    let redis = RedisManager::disabled("not needed here");
    let args = Args::on(&Key::from("k"), &[b"a", b"b"]);
    for operation in with_those_of_chance() {
        for way in WAYS {
            let error = ask(&redis, operation, &args, way).await.expect_err(operation.name());
            assert_eq!(error.kind(), ErrorKind::Disabled, "{} {way:?}", operation.name());
        }
    }
}
