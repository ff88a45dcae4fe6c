//! Where the server, or the configuration, leaves no room for it: everything else works, and `health()` says why.

use redis_manager::{NearCacheState, RedisManager, Support};

use super::{is_near, manager_of, manager_with, serves};
use crate::support::{RedisServer, eventually};

/// Reads until there is no near cache, for a reason with those words.
async fn is_off(redis: &RedisManager, reason: &str) {
    eventually("it is off", || async {
        redis.get("k").await;
        let near = redis.health().near_cache;
        near.state == NearCacheState::Unavailable && near.reason.is_some_and(|why| why.contains(reason))
    })
    .await;
}

/// A URL of a user who may do all but that.
fn url_without(server: &RedisServer, forbidden: &str) -> String {
    assert_eq!(
        server.command(&["ACL", "SETUSER", "ada", "on", ">p w", "~*", "&*", "+@all", forbidden]),
        "+OK"
    );
    format!("redis://ada:p%20w@127.0.0.1:{}", server.port())
}

#[tokio::test]
async fn a_server_that_does_not_permit_tracking_is_asked_once() {
    let server = RedisServer::start();
    let redis = manager_of(&url_without(&server, "-client|tracking"), |_config| {});
    assert!(redis.set("k", "v").await);
    is_off(&redis, "NOPERM").await;
    for _ in 0..200 {
        assert_eq!(redis.get("k").await.as_deref(), Some("v"));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(redis.metrics().near_hits, 0);
    assert_eq!(redis.capabilities().tracking, Support::No);
    let refused = server.command(&["INFO", "commandstats"]);
    let line = refused.lines().find(|line| line.starts_with("cmdstat_client|tracking"));
    assert!(line.unwrap().contains("rejected_calls=1"), "{line:?}");
}

#[tokio::test]
async fn a_server_that_permits_it_after_a_while_is_asked_when_it_comes_back() {
    let server = RedisServer::start();
    let redis = manager_of(&url_without(&server, "-client|tracking"), |_config| {});
    is_off(&redis, "NOPERM").await;
    server.command(&["ACL", "SETUSER", "ada", "+client|tracking"]);
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    serves(&redis).await;
    assert_eq!(redis.capabilities().tracking, Support::Yes);
}

#[tokio::test]
async fn where_no_script_is_permitted_it_asks_in_two_commands() {
    let server = RedisServer::start();
    let redis = manager_of(&url_without(&server, "-eval"), |_config| {});
    assert!(redis.set("k", "v").ex(100).await);
    is_near(&redis, "k").await;
    is_near(&redis, "none").await;
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    server.command(&["SET", "k", "w", "PX", "100"]);
    server.command(&["RPUSH", "list", "x"]);
    eventually("the change is seen", || async {
        redis.get("k").await.as_deref() == Some("w")
    })
    .await;
    eventually("it expires", || async { redis.get("k").await.is_none() }).await;
    let many = redis.get_many(["list", "k", "none"]).await;
    assert_eq!(many, [None, None, None]);
    let error = redis.service().string().get::<String>("list").await.unwrap_err();
    assert_eq!(error.code(), "wrong_type");
}

#[tokio::test]
async fn what_is_refused_says_so_as_without_a_near_cache() {
    let server = RedisServer::start();
    let redis = manager_of(&url_without(&server, "-get"), |_config| {});
    serves(&redis).await;
    let error = redis.service().string().get::<String>("k").await.unwrap_err();
    assert_eq!(error.code(), "auth");
    assert_eq!(error.server_code(), Some("NOPERM"));
}

#[tokio::test]
async fn without_a_connection_to_spare_there_is_none() {
    let server = RedisServer::start();
    let redis = manager_with(&server, |config| config.max_connections = 2);
    assert!(redis.set("k", "v").await);
    is_off(&redis, "REDIS_MAX_CONNECTIONS").await;
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    let redis = manager_with(&server, |config| config.max_connections = 3);
    is_near(&redis, "k").await;
}
