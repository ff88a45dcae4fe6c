//! `set_json` and `get_json`.

use std::collections::{BTreeMap, HashMap};

use redis_manager::RedisManager;
use serde::{Deserialize, Serialize};
use tracing::Level;

use super::assert_told;
use crate::support::logs::Logs;

on_both_backends! {
    a_struct_comes_back,
    every_shape_comes_back,
    json_is_stored_as_its_text,
    json_that_others_wrote_is_read,
    json_takes_the_options_of_set,
    missing_json_is_none,
    null_is_a_value,
    what_json_cannot_express_is_refused_and_nothing_is_stored,
    what_json_cannot_express_is_told_of,
    what_is_not_json_is_none,
    json_of_another_shape_is_none,
    json_that_ends_too_early_is_told_of_but_not_shown,
    json_of_another_shape_is_told_of_but_not_shown,
    what_is_not_json_is_told_of_but_not_shown,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    balance: i64,
    ratio: f64,
    tags: Vec<String>,
    plan: Plan,
    referrer: Option<Box<Self>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Plan {
    Free,
    Paid { until: String },
}

fn ada() -> User {
    User {
        id: u64::MAX,
        name: "Ada \"Countess\" Lovelace 🦀\n\0".to_owned(),
        balance: i64::MIN,
        ratio: 0.1,
        tags: vec![String::new(), "message".to_owned()],
        plan: Plan::Paid {
            until: "2026-12-31".to_owned(),
        },
        referrer: Some(Box::new(User {
            id: 0,
            name: String::new(),
            balance: 0,
            ratio: -1.5e300,
            tags: Vec::new(),
            plan: Plan::Free,
            referrer: None,
        })),
    }
}

async fn a_struct_comes_back(redis: &RedisManager) {
    assert!(redis.set_json("k", &ada()).await);
    assert_eq!(redis.get_json("k").await, Some(ada()));
}

async fn every_shape_comes_back(redis: &RedisManager) {
    assert!(redis.set_json("text", "a str").await);
    assert_eq!(redis.get_json::<String>("text").await.as_deref(), Some("a str"));
    assert!(redis.set_json("list", &[1, 2, 3]).await);
    assert_eq!(redis.get_json::<Vec<u8>>("list").await, Some(vec![1, 2, 3]));
    assert!(redis.set_json("slice", &["a", "b"][..]).await);
    assert_eq!(redis.get_json::<(String, String)>("slice").await.unwrap().1, "b");
    let map = BTreeMap::from([("a".to_owned(), true)]);
    assert!(redis.set_json("map", &map).await);
    assert_eq!(redis.get_json("map").await, Some(map));
}

async fn json_is_stored_as_its_text(redis: &RedisManager) {
    redis.set_json("k", &Plan::Free).await;
    assert_eq!(redis.get("k").await.as_deref(), Some(r#""Free""#));
}

async fn json_that_others_wrote_is_read(redis: &RedisManager) {
    redis.set("k", " { \"a\" : [ 1 , 2 ] } ").await;
    let read: Option<HashMap<String, Vec<u32>>> = redis.get_json("k").await;
    assert_eq!(read.unwrap()["a"], [1, 2]);
}

async fn json_takes_the_options_of_set(redis: &RedisManager) {
    assert!(redis.set_json("k", &1).ex(1_000).nx().await);
    assert!(!redis.set_json("k", &2).nx().await);
    assert!(redis.set_json("k", &3).xx().keep_ttl().await);
    assert_eq!(redis.get_json("k").await, Some(3));
    assert!(redis.ttl("k").await > 0);
}

async fn missing_json_is_none(redis: &RedisManager) {
    assert_eq!(redis.get_json::<User>("k").await, None);
}

async fn null_is_a_value(redis: &RedisManager) {
    assert!(redis.set_json("k", &None::<u8>).await);
    assert_eq!(redis.get_json::<Option<u8>>("k").await, Some(None));
}

/// JSON has text for keys only.
fn inexpressible() -> HashMap<Vec<u8>, &'static str> {
    HashMap::from([(vec![1], "sesame")])
}

async fn what_json_cannot_express_is_refused_and_nothing_is_stored(redis: &RedisManager) {
    redis.set("k", "before").await;
    assert!(!redis.set_json("k", &inexpressible()).await);
    assert_eq!(redis.get("k").await.as_deref(), Some("before"));
}

async fn what_json_cannot_express_is_told_of(redis: &RedisManager) {
    let logs = Logs::collect(Level::INFO);
    redis.set_json("the-key", &inexpressible()).await;
    assert_eq!(logs.count("cannot be written as JSON"), 1, "{}", logs.text());
    assert_eq!(logs.count("sesame") + logs.count("the-key"), 0, "{}", logs.text());
}

async fn what_is_not_json_is_none(redis: &RedisManager) {
    for text in ["", "Ada", "{", "[1,", "1 2", "\"", "nul", "{\"a\":1}}"] {
        redis.set("k", text).await;
        assert_eq!(redis.get_json::<serde_json::Value>("k").await, None, "{text:?}");
    }
    redis.set("k", b"\"\xff\"").await;
    assert_eq!(redis.get_json::<String>("k").await, None, "not UTF-8");
}

async fn json_of_another_shape_is_none(redis: &RedisManager) {
    redis.set("k", r#"{"id": "seven"}"#).await;
    assert_eq!(redis.get_json::<User>("k").await, None);
    redis.set("k", "300").await;
    assert_eq!(redis.get_json::<u8>("k").await, None);
    assert_eq!(redis.get("k").await.as_deref(), Some("300"), "left as it was");
}

async fn json_that_ends_too_early_is_told_of_but_not_shown(redis: &RedisManager) {
    assert_told_but_not_shown(redis, r#"{"password":"sesame"#).await;
}

async fn json_of_another_shape_is_told_of_but_not_shown(redis: &RedisManager) {
    assert_told_but_not_shown(redis, r#"{"id": "sesame"}"#).await;
}

async fn what_is_not_json_is_told_of_but_not_shown(redis: &RedisManager) {
    assert_told_but_not_shown(redis, "sesame").await;
}

async fn assert_told_but_not_shown(redis: &RedisManager, json: &str) {
    let logs = Logs::collect(Level::INFO);
    redis.set("the-key", json).await;
    assert_eq!(redis.get_json::<User>("the-key").await, None);
    assert_eq!(logs.count("sesame"), 0, "{}", logs.text());
    assert_told(&logs, "User: the value", "the-key");
}
