//! Every reader gets its own value, exactly as if it had asked alone.

use std::sync::Arc;

use bytes::Bytes;
use redis_manager::{ErrorKind, Lookup, RedisManager};

use super::{CALLERS, Dice, at_once, patient};
use crate::support::RedisServer;

/// What must not be mistaken for anything but a value.
const HOSTILE: [&[u8]; 14] = [
    b"message",
    b"pmessage",
    b"smessage",
    b"subscribe",
    b"unsubscribe",
    b"invalidate",
    b"MOVED 1 h:1",
    b"ASK 1 h:1",
    b"NOAUTH",
    b"-ERR x\r\n",
    b"$-1\r\n",
    b">3\r\n$7\r\nmessage\r\n",
    b"\0\xff\xfe",
    b"OK",
];

const KEYS: usize = 3_000;

fn key(number: usize) -> String {
    format!("k:{number}")
}

fn value(number: usize) -> Option<Bytes> {
    match number % 8 {
        0 => None,
        1 => Some(Bytes::new()),
        2 => Some(Bytes::from_static(HOSTILE[number % HOSTILE.len()])),
        3 => Some(Bytes::from(vec![u8::try_from(number % 251).unwrap(); number % 2_000])),
        4 => Some(Bytes::from(format!("{{\"number\":{number}}}"))),
        _ if number % 500 == 5 => Some(Bytes::from(format!("{number}|").repeat(2 * 1024 * 1024 / 8))),
        _ if number % 100 == 6 => Some(Bytes::from(format!("{number}|").repeat(70 * 1024 / 4))),
        _ => Some(Bytes::from(format!("value of {number}"))),
    }
}

fn text(number: usize) -> Option<String> {
    String::from_utf8(value(number)?.to_vec()).ok()
}

fn json(number: usize) -> Option<serde_json::Value> {
    serde_json::from_slice(&value(number)?).ok()
}

async fn fill(redis: &RedisManager) {
    let strings = redis.service().string();
    for number in 0..KEYS {
        if let Some(value) = value(number) {
            assert!(strings.set(key(number), value).await.unwrap());
        }
    }
}

/// Asks for keys by chance, in a way by chance, and compares.
async fn ask(redis: &RedisManager, dice: &mut Dice) {
    let number = dice.below(KEYS);
    let strings = redis.service().string();
    match dice.below(8) {
        0 => assert_eq!(redis.get(key(number)).await, text(number), "{number}"),
        1 => assert_eq!(redis.get_bytes(key(number)).await, value(number), "{number}"),
        2 => match redis.lookup(key(number)).await {
            Lookup::Hit(found) => assert_eq!(Some(found), text(number), "{number}"),
            Lookup::Miss => assert_eq!(value(number), None, "{number}"),
            Lookup::Unavailable(error) => assert!(value(number).is_some() && text(number).is_none(), "{error}"),
            other => panic!("{other:?}"),
        },
        3 => assert_eq!(redis.get_json(key(number)).await, json(number), "{number}"),
        4 => assert_eq!(strings.get_bytes(key(number)).await.unwrap(), value(number), "{number}"),
        5 => {
            let number = number - number % 8 + 4;
            let found: Option<serde_json::Value> = redis.service().json().get(key(number)).await.unwrap();
            assert_eq!(found, json(number), "{number}");
        }
        _ => {
            let mut numbers: Vec<_> = (0..1 + dice.below(12)).map(|_| dice.below(KEYS)).collect();
            numbers.push(numbers[0]);
            let keys: Vec<_> = numbers.iter().map(|number| key(*number)).collect();
            let found: Vec<Option<Bytes>> = strings.get_many(keys).await.unwrap();
            let expected: Vec<_> = numbers.iter().map(|number| value(*number)).collect();
            assert!(found == expected, "{numbers:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_the_value_that_was_asked_for_whatever_it_is() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    fill(&redis).await;
    at_once(300, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let mut dice = Dice::of(task);
            for _ in 0..12 {
                ask(&redis, &mut dice).await;
            }
        }
    })
    .await;
    let metrics = redis.metrics();
    assert_eq!(
        (metrics.connects, metrics.broken, metrics.timeouts),
        (1, 0, 0),
        "{metrics:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_holds_no_string_is_an_error_for_who_asked_for_it_and_for_nobody_else() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    for number in 0..8 {
        redis
            .service()
            .list()
            .rpush(format!("list:{number}"), ["message", "x"])
            .await
            .unwrap();
        redis.hset(format!("hash:{number}"), "field", "value").await;
        assert!(redis.set(format!("text:{number}"), number).await);
    }
    at_once(2 * CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            for round in 0..20 {
                ask_for_a_type(&redis, task + round).await;
            }
        }
    })
    .await;
}

async fn ask_for_a_type(redis: &RedisManager, number: usize) {
    let strings = redis.service().string();
    let (list, hash, text) = (
        format!("list:{}", number % 8),
        format!("hash:{}", number % 8),
        format!("text:{}", number % 8),
    );
    let right = Some((number % 8).to_string());
    match number % 7 {
        0 => {
            let error = strings.get::<String>(&list).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.server_code()),
                (ErrorKind::WrongType, Some("WRONGTYPE"))
            );
            assert!(error.to_string().starts_with("GET on key #"), "{error}");
        }
        1 => match redis.lookup(&hash).await {
            Lookup::Unavailable(error) => assert_eq!(error.kind(), ErrorKind::WrongType),
            other => panic!("{other:?}"),
        },
        2 => assert_eq!(redis.get(&list).await, None),
        3 => assert!(matches!(redis.lookup(format!("nobody:{number}")).await, Lookup::Miss)),
        4 => {
            let found: Vec<Option<String>> = strings.get_many([&list, &text, &hash, &text]).await.unwrap();
            assert_eq!(found, [None, right.clone(), None, right]);
        }
        5 => assert_eq!(strings.get::<String>(&text).await.unwrap(), right),
        _ => assert_eq!(redis.get(&text).await, right),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_read_counts_for_nothing() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    redis.service().list().rpush("list", ["x"]).await.unwrap();
    at_once(CALLERS, |_| {
        let redis = Arc::clone(&redis);
        async move {
            for _ in 0..20 {
                let error = redis.service().string().get::<String>("list").await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WrongType);
            }
        }
    })
    .await;
    let metrics = redis.metrics();
    assert!(redis.is_enabled());
    assert_eq!(
        (metrics.outages, metrics.broken, metrics.timeouts),
        (0, 0, 0),
        "{metrics:?}"
    );
}
