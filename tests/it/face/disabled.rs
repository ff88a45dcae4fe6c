//! A manager that is switched off: every method answers its neutral value.

use std::time::Duration;

use redis_manager::{Config, ErrorKind, HealthState, Lookup, Metrics, RedisManager};
use tracing::Level;

use crate::support::logs::Logs;

fn off() -> RedisManager {
    RedisManager::disabled("not needed here")
}

#[tokio::test]
async fn reading_finds_nothing() {
    let redis = off();
    assert_eq!(redis.get("k").await, None);
    assert_eq!(redis.get_bytes("k").await, None);
    assert_eq!(redis.get_json::<u8>("k").await, None);
    assert_eq!(redis.hget("h", "f").await, None);
    assert_eq!(redis.get_many(["a", "b", "a"]).await, [None, None, None]);
    assert!(!redis.exists("k").await);
    assert_eq!(redis.ttl("k").await, -2);
}

#[tokio::test]
async fn writing_stores_nothing() {
    let redis = off();
    assert!(!redis.set("k", "v").await);
    assert!(!redis.set("k", "v").ex(60).nx().await);
    assert!(!redis.set("k", "v").px(60).xx().await);
    assert!(!redis.set("k", "v").ttl(Duration::from_secs(60)).await);
    assert!(!redis.set("k", "v").keep_ttl().await);
    assert!(!redis.set_json("k", &[1, 2]).ex(60).await);
    assert!(!redis.set_many([("a", 1), ("b", 2)]).await);
    assert!(!redis.set_many([("a", 1), ("b", 2)]).px(60).await);
    assert!(!redis.expire("k", 60).await);
    assert_eq!(redis.delete("k").await, 0);
    assert_eq!(redis.delete(["a", "b"]).await, 0);
    assert_eq!(redis.incr("k").await, None);
    assert_eq!(redis.decr("k").by(5).await, None);
    assert_eq!(redis.hset("h", "f", "v").await, 0);
    assert_eq!(redis.hset_many("h", [("f", 1), ("g", 2)]).await, 0);
}

#[tokio::test]
async fn a_lookup_says_that_it_is_disabled_and_why() {
    let found = off().lookup("k").await;
    let Lookup::Unavailable(error) = found else {
        panic!("{found:?}")
    };
    assert_eq!(error.kind(), ErrorKind::Disabled);
    assert!(error.is_unavailable());
    assert!(error.to_string().contains("not needed here"), "{error}");
}

#[tokio::test]
async fn it_says_of_itself_that_it_is_disabled_and_why() {
    let redis = off();
    assert!(!redis.is_enabled());
    let health = redis.health();
    assert_eq!(health.state, HealthState::Disabled);
    assert_eq!(health.reason.as_deref(), Some("not needed here"));
    assert_eq!(health.server, "none");
    assert!(redis.client().is_none());
}

#[tokio::test]
async fn initialize_is_false_and_disconnect_does_nothing() {
    let redis = off();
    assert!(!redis.initialize().await);
    redis.disconnect().await;
    redis.disconnect().await;
    assert!(!redis.initialize().await);
}

#[tokio::test]
async fn nothing_is_counted_and_nothing_logged() {
    let redis = off();
    let logs = Logs::collect(Level::TRACE);
    for _ in 0..10 {
        redis.get("k").await;
        redis.set("k", "v").ex(0).await;
        redis.set("", "v").await;
        redis.incr("k").await;
        redis.hset("h", "f", "v").await;
        redis.get_many(["a", "b"]).await;
    }
    assert_eq!(redis.metrics(), Metrics::default());
    assert_eq!(logs.text(), "");
}

#[tokio::test]
async fn a_configuration_that_does_not_enable_it_is_disabled() {
    let redis = RedisManager::new(Config::default()).unwrap();
    assert!(!redis.set("k", "v").await);
    assert!(!redis.is_enabled());
    assert!(redis.health().reason.unwrap().contains("ENABLE_REDIS"));
}

#[test]
fn it_answers_without_a_runtime() {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    let redis = off();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(pin!(redis.get("k")).poll(&mut context), Poll::Ready(None));
    assert_eq!(pin!(redis.hset("h", "f", "v")).poll(&mut context), Poll::Ready(0));
    let set = redis.set("k", "v").ex(60).into_future();
    assert_eq!(pin!(set).poll(&mut context), Poll::Ready(false));
}
