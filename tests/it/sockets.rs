//! Unix sockets: everything works on them as it does by TCP.

use std::time::Duration;

use redis_manager::{Config, RedisManager};

use crate::support::{
    RedisServer, SLACK,
    checks::{assert_further_connections, assert_locked_out},
    is_back, is_refusing,
};

fn manager(server: &RedisServer) -> RedisManager {
    RedisManager::new(Config::from_url(url(server))).unwrap()
}

fn url(server: &RedisServer) -> String {
    format!("unix://{}", server.socket().display())
}

#[tokio::test]
async fn a_user_and_a_database_are_found_by_url_and_by_variables() {
    let server = RedisServer::start();
    let added = server.command(&["ACL", "SETUSER", "ada", "on", ">s@same", "~*", "+@all", "-flushall"]);
    assert_eq!(added, "+OK");
    let path = server.socket();
    let path = path.to_str().unwrap();
    let by_url = Config::from_url(format!("redis+unix://ada:s%40same@{path}?db=3"));
    let variables = [
        ("ENABLE_REDIS", "true"),
        ("REDIS_SOCKET_PATH", path),
        ("REDIS_USERNAME", "ada"),
        ("REDIS_PASSWORD", "s@same"),
        ("REDIS_DB", "3"),
    ];
    let by_variables = Config::from_vars(variables.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    for (key, config) in [("by-url", by_url), ("by-variables", by_variables)] {
        let redis = RedisManager::new(config).unwrap();
        assert!(redis.set(key, "v").await, "{:?}", redis.health());
        assert_eq!(server.commands(&[&["SELECT", "3"], &["GET", key]])[1], "v");
        let clients = server.command(&["CLIENT", "LIST", "TYPE", "normal"]);
        assert!(clients.contains("user=ada"), "{clients}");
    }
    let wrong = RedisManager::new(Config::from_url(format!("unix://ada:wrong@{path}"))).unwrap();
    assert_locked_out(&wrong).await;
}

#[tokio::test]
async fn a_user_and_a_database_are_found_by_variables_by_tcp_as_well() {
    let server = RedisServer::start();
    let added = server.command(&["ACL", "SETUSER", "ada", "on", ">s@same", "~*", "+@all"]);
    assert_eq!(added, "+OK");
    let port = server.port().to_string();
    let variables = [
        ("ENABLE_REDIS", "true"),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
        ("REDIS_USERNAME", "ada"),
        ("REDIS_PASSWORD", "s@same"),
        ("REDIS_DB", "3"),
    ];
    let config = Config::from_vars(variables.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    let redis = RedisManager::new(config).unwrap();
    assert!(redis.set("k", "v").await, "{:?}", redis.health());
    assert_eq!(server.commands(&[&["SELECT", "3"], &["GET", "k"]])[1], "v");
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_told_of_and_found_when_it_comes() {
    let mut server = RedisServer::absent(&[]);
    let redis = manager(&server);
    assert_eq!(redis.get("k").await, None);
    let reason = redis.health().reason.unwrap();
    assert!(reason.contains("No such file"), "{reason}");
    server.restart();
    let took = is_back(&redis).await;
    assert!(took < Duration::from_secs(1) + SLACK, "found after {took:?}");
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_is_found_again() {
    let mut server = RedisServer::start();
    let redis = manager(&server);
    assert!(redis.set("k", "v").await);
    server.kill();
    is_refusing(&redis).await;
    server.restart();
    let took = is_back(&redis).await;
    assert!(took < Duration::from_secs(1) + SLACK, "back after {took:?}");
}

#[tokio::test]
async fn large_values_transactions_and_waiting_have_connections_of_their_own() {
    let server = RedisServer::start();
    let redis = manager(&server);
    assert_further_connections(&redis).await;
}

#[cfg(feature = "near-cache")]
#[tokio::test]
async fn the_near_cache_hears_of_changes() {
    use crate::support::{checks::is_near, eventually};

    let server = RedisServer::start();
    let mut config = Config::from_url(url(&server));
    config.near_cache_mb = 1;
    let redis = RedisManager::new(config).unwrap();
    assert!(redis.set("k", "v").await);
    is_near(&redis, "k").await;
    server.command(&["SET", "k", "w"]);
    eventually("the change is seen", || async {
        redis.get("k").await.as_deref() == Some("w")
    })
    .await;
}
