//! Encrypted connections: everything works on them, and whoever does not prove what it should is refused with the reason.

mod identity;
mod refusal;
mod rotation;

use std::time::Duration;

use redis_manager::{Config, HealthState, RedisManager};

use crate::support::{
    Proxy, RedisServer, SLACK,
    certificates::{Authority, Validity},
    checks::{assert_further_connections, assert_locked_out},
    is_back, is_refusing,
};

/// What finds the server by its name and trusts those whom the authority has certified.
fn config_for(server: &RedisServer, authority: &Authority) -> Config {
    let mut config = Config::from_url(url(server));
    config.tls_ca_file = Some(authority.file());
    config
}

fn url(server: &RedisServer) -> String {
    format!("rediss://localhost:{}", server.port())
}

fn manager(server: &RedisServer, authority: &Authority) -> RedisManager {
    manager_with(server, authority, |_config| {})
}

fn manager_with(server: &RedisServer, authority: &Authority, change: impl FnOnce(&mut Config)) -> RedisManager {
    let mut config = config_for(server, authority);
    change(&mut config);
    RedisManager::new(config).unwrap()
}

async fn assert_works(redis: &RedisManager) {
    let initialized = redis.initialize().await;
    assert!(initialized, "{:?}", redis.health());
    assert!(redis.set("k", "v").await);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert_eq!(redis.health().state, HealthState::Ready);
}

#[tokio::test]
async fn every_way_to_ask_for_it_encrypts() {
    let authority = Authority::new();
    let server = authority.server();
    let port = server.port();
    for host in ["rediss://localhost", "rediss://127.0.0.1", "valkeys://localhost"] {
        let mut config = Config::from_url(format!("{host}:{port}"));
        config.tls_ca_file = Some(authority.file());
        assert_works(&RedisManager::new(config).unwrap()).await;
    }
    let mut beside_url = Config::from_url(server.url());
    beside_url.tls = true;
    beside_url.tls_ca_file = Some(authority.file());
    assert_works(&RedisManager::new(beside_url).unwrap()).await;
    let variables = [
        ("ENABLE_REDIS", "true".to_owned()),
        ("REDIS_PORT", port.to_string()),
        ("REDIS_TLS", "true".to_owned()),
        ("REDIS_TLS_CA_FILE", authority.file().to_str().unwrap().to_owned()),
    ];
    let config = Config::from_vars(variables.map(|(name, value)| (name.to_owned(), value))).unwrap();
    assert_works(&RedisManager::new(config).unwrap()).await;
}

#[tokio::test]
async fn a_user_with_a_password_and_a_database_are_as_without_encryption() {
    let authority = Authority::new();
    let server = authority.server();
    let added = server.command(&["ACL", "SETUSER", "ada", "on", ">op3n s@same", "~*", "+@all"]);
    assert_eq!(added, "+OK");
    let redis = manager_with(&server, &authority, |config| {
        config.username = Some("ada".to_owned());
        config.password = Some("op3n s@same".into());
        config.db = 3;
    });
    assert_works(&redis).await;
    assert_eq!(server.commands(&[&["SELECT", "3"], &["GET", "k"]])[1], "v");
    let wrong = manager_with(&server, &authority, |config| {
        config.username = Some("ada".to_owned());
        config.password = Some("wrong".into());
    });
    assert_locked_out(&wrong).await;
}

#[tokio::test]
async fn large_values_transactions_and_waiting_have_encrypted_connections_of_their_own() {
    let authority = Authority::new();
    let server = authority.server();
    let redis = manager(&server, &authority);
    assert_further_connections(&redis).await;
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_is_found_again() {
    let authority = Authority::new();
    let mut server = authority.server();
    let redis = manager(&server, &authority);
    assert_works(&redis).await;
    server.kill();
    is_refusing(&redis).await;
    server.restart();
    let took = is_back(&redis).await;
    assert!(took < Duration::from_secs(1) + SLACK, "back after {took:?}");
    assert_eq!(redis.metrics().outages, 1);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again() {
    let authority = Authority::new();
    let server = authority.server();
    let proxy = Proxy::before(&server).await;
    let mut config = Config::from_url(proxy.url());
    config.tls = true;
    config.tls_ca_file = Some(authority.file());
    let redis = RedisManager::new(config).unwrap();
    assert_works(&redis).await;
    proxy.cut();
    is_refusing(&redis).await;
    is_back(&redis).await;
}

#[cfg(feature = "near-cache")]
#[tokio::test]
async fn the_near_cache_hears_of_changes_over_encrypted_connections() {
    use redis_manager::NearCacheState;

    use crate::support::{checks::is_near, eventually};

    let authority = Authority::new();
    let server = authority.server();
    let redis = manager_with(&server, &authority, |config| config.near_cache_mb = 1);
    assert!(redis.set("k", "v").await);
    is_near(&redis, "k").await;
    assert_eq!(redis.health().near_cache.state, NearCacheState::On);
    server.command(&["SET", "k", "w"]);
    eventually("the change is seen", || async {
        redis.get("k").await.as_deref() == Some("w")
    })
    .await;
    eventually("the new value is near", || async {
        let before = redis.metrics().near_hits;
        let found = redis.get("k").await;
        assert_eq!(found.as_deref(), Some("w"));
        redis.metrics().near_hits > before
    })
    .await;
    server.command(&["FLUSHALL"]);
    eventually("nothing is left", || async { redis.get("k").await.is_none() }).await;
}
