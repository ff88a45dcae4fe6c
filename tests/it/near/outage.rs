//! In an outage nothing is served but what was asked for, and after it nothing of before.

use std::{sync::Arc, time::Duration};

use redis_manager::{ErrorKind, Lookup, NearCacheState};
use tokio::time::sleep;

use super::{is_near, manager, manager_with, serves};
use crate::support::{RedisServer, eventually, is_back, is_refusing};

#[tokio::test]
async fn in_an_outage_nothing_is_served_and_after_it_nothing_of_before() {
    let mut server = RedisServer::start();
    let redis = manager(&server);
    assert!(redis.set("k", "v").await);
    is_near(&redis, "k").await;
    server.kill();
    is_refusing(&redis).await;
    assert_eq!(redis.get("k").await, None);
    assert!(matches!(redis.lookup("k").await, Lookup::Unavailable(_)));
    assert_eq!(redis.get_many(["k"]).await, [None]);
    assert_eq!(redis.health().near_cache.state, NearCacheState::Unavailable);
    server.restart();
    is_back(&redis).await;
    assert_eq!(redis.get("k").await, None, "the server has lost it");
    server.command(&["SET", "k", "w"]);
    eventually("the change is seen", || async {
        redis.get("k").await.as_deref() == Some("w")
    })
    .await;
    serves(&redis).await;
}

#[tokio::test]
async fn a_server_that_hung_and_was_changed_is_read_anew() {
    let server = RedisServer::start();
    let redis = manager(&server);
    server.command(&["SET", "k", "old"]);
    is_near(&redis, "k").await;
    server.stop();
    eventually("it is noticed", || async { !redis.is_enabled() }).await;
    assert_eq!(redis.get("k").await, None);
    server.resume();
    server.command(&["SET", "k", "new"]);
    let written = std::time::Instant::now();
    is_back(&redis).await;
    while written.elapsed() < Duration::from_secs(2) {
        let seen = redis.get("k").await;
        assert!(seen.is_none() || seen.as_deref() == Some("new"), "{seen:?}");
        sleep(Duration::from_millis(1)).await;
    }
    eventually("the new value is read", || async {
        redis.get("k").await.as_deref() == Some("new")
    })
    .await;
}

#[tokio::test]
async fn where_it_is_asked_for_an_outage_is_bridged_until_its_grace_ends() {
    let mut server = RedisServer::start();
    let grace = Duration::from_secs(2);
    let redis = manager_with(&server, |config| config.serve_stale_in_outage = grace);
    assert!(redis.set("k", "v").ex(1).await);
    assert!(redis.set("l", "w").await);
    is_near(&redis, "k").await;
    is_near(&redis, "l").await;
    is_near(&redis, "none").await;
    server.kill();
    let began = std::time::Instant::now();
    eventually("the outage is noticed", || async { !redis.is_enabled() }).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert!(matches!(redis.lookup("none").await, Lookup::Miss));
    let both = redis.get_many(["k", "l"]).await;
    assert_eq!(both, ["v", "w"].map(|value| Some(value.to_owned())));
    let error = redis.service().string().get::<String>("never read").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!redis.set("k", "x").await, "writes fail as ever");
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    eventually("the grace ends", || async { redis.get("l").await.is_none() }).await;
    assert!(began.elapsed() >= grace / 2);
    assert_eq!(redis.get("k").await, None);
    server.restart();
    is_back(&redis).await;
    assert_eq!(redis.get("l").await, None, "the server has lost it");
}

#[tokio::test]
async fn a_bridged_outage_ends_with_nothing_of_before() {
    let server = RedisServer::start();
    let redis = manager_with(&server, |config| config.serve_stale_in_outage = Duration::from_secs(60));
    server.command(&["SET", "k", "old"]);
    is_near(&redis, "k").await;
    server.stop();
    eventually("the outage is noticed", || async { !redis.is_enabled() }).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("old"));
    server.resume();
    server.command(&["SET", "k", "new"]);
    is_back(&redis).await;
    for _ in 0..200 {
        assert_eq!(redis.get("k").await.as_deref(), Some("new"));
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_feed_that_is_lost_without_an_outage_is_not_bridged() {
    let server = Arc::new(RedisServer::start());
    let redis = manager_with(&server, |config| config.serve_stale_in_outage = Duration::from_secs(60));
    server.command(&["SET", "k", "old"]);
    is_near(&redis, "k").await;
    server.commands(&[&["CLIENT", "KILL", "TYPE", "pubsub"], &["SET", "k", "new"]]);
    eventually("the new value is seen", || async {
        redis.get("k").await.as_deref() == Some("new")
    })
    .await;
    for _ in 0..200 {
        assert_eq!(redis.get("k").await.as_deref(), Some("new"));
        sleep(Duration::from_millis(2)).await;
    }
}
