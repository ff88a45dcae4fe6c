//! Passwords: they work, they are never shown, and a wrong one is told of clearly and not tried in haste.

use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use redis_manager::{Config, ErrorKind, HealthState, Lookup, RedisManager};
use tracing::Level;

use crate::support::{Proxy, RedisServer, eventually, logs::Logs};

/// What has a meaning in a URL, in the protocol, in a configuration file, or in a shell.
const PASSWORD: &str = "@:/#% ?&\"'\\$op3n sesame \u{fc}\u{1f980}";

/// What would be seen of the password, however it is quoted, escaped, encoded or cut.
const SHOWS: [&str; 2] = ["sesame", "op3n"];

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A server whose user `default` has the password.
fn locked() -> RedisServer {
    let server = RedisServer::start();
    assert_eq!(server.command(&["CONFIG", "SET", "requirepass", PASSWORD]), "+OK");
    server
}

/// A server that has a user with the password, and no password for anybody else.
fn with_user(rights: &[&str]) -> RedisServer {
    let server = RedisServer::start();
    let password = format!(">{PASSWORD}");
    let words = [&["ACL", "SETUSER", USER, "on", &password], rights].concat();
    assert_eq!(server.command(&words), "+OK");
    server
}

const USER: &str = "ada:l@ve/lace";

fn with_password(url: &str, password: &str) -> RedisManager {
    let mut config = Config::from_url(url);
    config.password = Some(password.into());
    RedisManager::new(config).unwrap()
}

fn as_user(server: &RedisServer) -> RedisManager {
    let mut config = Config::from_url(server.url());
    config.username = Some(USER.to_owned());
    config.password = Some(PASSWORD.into());
    RedisManager::new(config).unwrap()
}

async fn assert_works(redis: &RedisManager) {
    let initialized = redis.initialize().await;
    assert!(initialized, "{:?}", redis.health());
    assert!(redis.set("k", "v").await);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
}

/// Checks that nobody can read the password in this.
fn assert_hidden(text: &str) {
    for part in SHOWS {
        assert!(!text.contains(part), "{part:?} stands in {text}");
    }
}

/// Everything that a manager says of itself.
async fn said_by(redis: &RedisManager) -> String {
    let error = match redis.lookup("k").await {
        Lookup::Unavailable(error) => format!("{error} {error:?}"),
        other => format!("{other:?}"),
    };
    let health = redis.health();
    let serialized = serde_json::to_string(&health).unwrap();
    format!(
        "{redis:?} {redis:#?} {health:?} {serialized} {:?} {error}",
        redis.metrics()
    )
}

#[tokio::test]
async fn a_password_of_its_own_variable_works() {
    let server = locked();
    assert_works(&with_password(&server.url(), PASSWORD)).await;
}

#[tokio::test]
async fn a_password_given_on_the_command_line_of_the_server_works() {
    // Valkey puts its arguments between quotation marks before it reads them.
    let password = PASSWORD.replace(['"', '\\'], "");
    let server = RedisServer::start_with(&["--requirepass", &password]);
    assert_works(&with_password(&server.url(), &password)).await;
}

#[tokio::test]
async fn a_password_in_the_url_works_percent_encoded() {
    let server = locked();
    let url = format!("redis://:{}@127.0.0.1:{}", encoded(PASSWORD), server.port());
    assert_works(&RedisManager::new(Config::from_url(url)).unwrap()).await;
}

#[tokio::test]
async fn a_password_on_a_unix_socket_works() {
    let server = locked();
    let url = format!("redis+unix://:{}@{}", encoded(PASSWORD), server.socket().display());
    assert_works(&RedisManager::new(Config::from_url(url)).unwrap()).await;
}

#[tokio::test]
async fn a_user_with_a_password_works() {
    let server = with_user(&["~*", "+@all"]);
    let redis = as_user(&server);
    assert_works(&redis).await;
    assert!(server.command(&["CLIENT", "LIST"]).contains(&format!("user={USER} ")));
}

#[tokio::test]
async fn a_user_and_a_password_in_the_url_work_percent_encoded() {
    let server = with_user(&["~*", "+@all"]);
    let url = format!(
        "redis://{}:{}@127.0.0.1:{}/0",
        encoded(USER),
        encoded(PASSWORD),
        server.port()
    );
    assert_works(&RedisManager::new(Config::from_url(url)).unwrap()).await;
}

#[tokio::test]
async fn a_password_of_one_odd_character_works() {
    let server = RedisServer::start();
    for password in [
        " ", "\"", "'", "\\", "#", "%", "\t", "\u{e9}", "a b", "\"a\" b", "\\x41", "\r\n", "\0",
    ] {
        let user = format!(">{password}");
        server.command(&["ACL", "SETUSER", "ada", "reset", "on", &user, "~*", "+@all"]);
        let mut config = Config::from_url(server.url());
        config.username = Some("ada".to_owned());
        config.password = Some(password.into());
        let redis = RedisManager::new(config).unwrap();
        assert!(redis.initialize().await, "{password:?}: {:?}", redis.health());
    }
}

#[tokio::test]
async fn a_password_in_vain_on_an_open_server_does_no_harm() {
    let server = RedisServer::start();
    assert_works(&with_password(&server.url(), PASSWORD)).await;
}

#[tokio::test]
async fn nothing_shows_a_password_that_works() {
    let logs = Logs::collect(Level::TRACE);
    let server = locked();
    let mut config = Config::from_url(format!("redis://:{}@127.0.0.1:{}", encoded(PASSWORD), server.port()));
    config.password = Some(PASSWORD.into());
    assert_hidden(&format!("{config:?} {config:#?}"));
    let redis = RedisManager::new(config).unwrap();
    assert_works(&redis).await;
    assert_hidden(&said_by(&redis).await);
    redis.disconnect().await;
    assert!(logs.text().contains("Redis is enabled"), "the test would see it");
    assert_hidden(&logs.text());
}

#[tokio::test]
async fn nothing_shows_a_password_that_is_wrong() {
    let logs = Logs::collect(Level::TRACE);
    let server = locked();
    let redis = with_password(&server.url(), "the wrong sesame");
    assert!(!redis.initialize().await);
    redis.set("k", "v").await;
    assert_hidden(&said_by(&redis).await);
    assert!(logs.text().contains("Redis is unavailable"), "the test would see it");
    assert_hidden(&logs.text());
}

#[tokio::test]
async fn nothing_shows_a_password_in_an_outage() {
    let logs = Logs::collect(Level::TRACE);
    let mut server = locked();
    let redis = with_password(&server.url(), PASSWORD);
    assert_works(&redis).await;
    server.kill();
    eventually("the outage is noticed", || async { !redis.is_enabled() }).await;
    assert_hidden(&said_by(&redis).await);
    assert_hidden(&logs.text());
}

/// A server that does not know a command repeats its arguments, and those of `HELLO` hold the password.
#[tokio::test]
async fn nothing_shows_a_password_that_the_server_repeats() {
    let logs = Logs::collect(Level::TRACE);
    let server = RedisServer::start_with(&["--rename-command", "HELLO", ""]);
    let redis = with_password(&server.url(), "op3n-sesame");
    assert!(!redis.initialize().await);
    assert!(redis.health().reason.unwrap().contains("RESP3"), "{:?}", redis.health());
    assert_hidden(&said_by(&redis).await);
    assert_hidden(&logs.text());
}

#[test]
fn nothing_shows_a_password_in_a_configuration_that_is_refused() {
    let logs = Logs::collect(Level::TRACE);
    let password = encoded(PASSWORD);
    for url in [
        format!("redis://:{password}@"),
        format!("redis://:{password}@h:99999"),
        format!("redis://:{password}@h/db"),
        format!("redis://:{PASSWORD}@h"),
        format!("nonsense://:{password}@h"),
        format!("rediss://:{password}@h"),
        password.clone(),
    ] {
        let vars = [
            ("ENABLE_REDIS".to_owned(), "true".to_owned()),
            ("REDIS_URL".to_owned(), url),
        ];
        let refused = Config::from_vars(vars).and_then(RedisManager::new);
        assert_hidden(&match refused {
            Ok(redis) => format!("{redis:?} {:?}", redis.health()),
            Err(error) => format!("{error} {error:?} {error:#?}"),
        });
    }
    assert_hidden(&logs.text());
}

/// Whether this program can encrypt or not: if not, the key is refused.
#[tokio::test]
async fn nothing_shows_an_encryption_key() {
    let logs = Logs::collect(Level::TRACE);
    let server = RedisServer::start();
    // The words stand in what the first one means, and in how the second one is written. The others are none.
    for (key, is_one) in [
        ("c2VzYW1lLW9wM24tc2VzYW1lLW9wM24tc2VzYW1lLW8=", true),
        ("op3n/sesame/op3n/sesame/op3n/sesame/op3n/0s", true),
        ("op3n-sesame", false),
        ("op3n:sesame:op3n", false),
        ("op3n:op3n-sesame,old:op3n-sesame", false),
    ] {
        let vars = [
            ("ENABLE_REDIS".to_owned(), "true".to_owned()),
            ("REDIS_URL".to_owned(), server.url()),
            ("REDIS_ENCRYPTION_KEY".to_owned(), key.to_owned()),
        ];
        let config = Config::from_vars(vars).unwrap();
        let configured = format!("{config:?} {config:#?}");
        let managed = RedisManager::new(config);
        assert_eq!(managed.is_ok(), is_one && cfg!(feature = "encryption"));
        let told = match managed {
            Ok(redis) => said_by(&redis).await,
            Err(error) => {
                assert!(error.to_string().starts_with("REDIS_ENCRYPTION_KEY: "), "{error}");
                assert_eq!(error.kind(), ErrorKind::Config);
                format!("{error} {error:?} {error:#?}")
            }
        };
        for text in [configured, told, logs.text()] {
            assert_hidden(&text);
            assert!(!text.contains("c2VzYW1l") && !text.contains("[115, 101, 115"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_named_as_the_reason() {
    let server = locked();
    let redis = with_password(&server.url(), "wrong");
    assert!(!redis.initialize().await);
    assert!(!redis.set("k", "v").await);
    assert_unlocked_by_nobody(&redis);
}

#[tokio::test]
async fn a_missing_password_is_named_as_the_reason() {
    let server = locked();
    let redis = server.manager();
    assert!(!redis.initialize().await);
    assert_eq!(redis.get("k").await, None);
    assert_unlocked_by_nobody(&redis);
}

#[tokio::test]
async fn an_unknown_user_is_named_as_the_reason() {
    let server = RedisServer::start();
    let redis = as_user(&server);
    assert!(!redis.initialize().await);
    assert_unlocked_by_nobody(&redis);
}

fn assert_unlocked_by_nobody(redis: &RedisManager) {
    let health = redis.health();
    assert_eq!(health.state, HealthState::Unavailable);
    let reason = health.reason.unwrap();
    assert!(reason.contains("user or password"), "{reason}");
    assert!(!redis.is_enabled());
}

#[tokio::test]
async fn a_wrong_password_is_told_of_once() {
    let logs = Logs::collect(Level::INFO);
    let server = locked();
    let redis = with_password(&server.url(), "wrong");
    assert!(!redis.initialize().await);
    for _ in 0..20 {
        redis.get("k").await;
        redis.set("k", "v").await;
    }
    assert_eq!(logs.count("WARN"), 1, "{}", logs.text());
    assert_eq!(logs.count("user or password"), 1, "{}", logs.text());
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again_in_haste() {
    let server = locked();
    let proxy = Proxy::before(&server).await;
    let redis = with_password(&proxy.url(), "wrong");
    assert!(!redis.initialize().await);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_500) {
        redis.get("k").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let attempts = proxy.accepted();
    assert!((1..=3).contains(&attempts), "{attempts} attempts in 1.5 s");
}

#[tokio::test]
async fn a_password_that_is_mended_works_at_once_when_asked_to() {
    let server = locked();
    let redis = with_password(&server.url(), "mended");
    assert!(!redis.initialize().await);
    mend(&server);
    assert_works(&redis).await;
    assert_eq!(redis.health().state, HealthState::Ready);
}

#[tokio::test]
async fn a_password_that_is_mended_is_found_without_asking() {
    let server = locked();
    let redis = with_password(&server.url(), "mended");
    assert!(!redis.set("k", "v").await);
    mend(&server);
    eventually("the cache is back", || async { redis.set("k", "v").await }).await;
}

fn mend(server: &RedisServer) {
    let replies = server.commands(&[&["AUTH", PASSWORD], &["CONFIG", "SET", "requirepass", "mended"]]);
    assert_eq!(replies, ["+OK", "+OK"]);
}

#[tokio::test]
async fn what_a_user_may_not_do_is_refused_and_no_outage() {
    let logs = Logs::collect(Level::INFO);
    let server = with_user(&["~*", "+@all", "-set"]);
    let redis = as_user(&server);
    assert!(!redis.set("the-key", "v").await);
    let found = redis.get("k").await;
    assert_eq!(found, None);
    assert_eq!(redis.incr("n").await, Some(1));
    assert_eq!(redis.health().state, HealthState::Ready);
    assert_eq!(redis.metrics().outages, 0);
    assert_eq!(logs.count("NOPERM"), 1, "{}", logs.text());
    assert_eq!(logs.count("the-key"), 0, "{}", logs.text());
}

#[tokio::test]
async fn a_user_who_may_read_one_kind_of_key_reads_many_of_it() {
    let server = with_user(&["~app:*", "+@all"]);
    let redis = as_user(&server);
    assert!(redis.set_many([("app:a", 1), ("app:b", 2)]).await);
    let found = redis.get_many(["app:b", "app:a"]).await;
    assert_eq!(found, [Some("2".to_owned()), Some("1".to_owned())]);
    let Lookup::Unavailable(error) = redis.lookup("other").await else {
        panic!("the user may not read it")
    };
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(redis.is_enabled());
}

#[tokio::test]
async fn a_user_who_may_not_ping_is_served() {
    let server = with_user(&["~*", "+@all", "-ping"]);
    let redis = as_user(&server);
    assert_works(&redis).await;
    let heartbeats = Duration::from_millis(1_200);
    let began = Instant::now();
    while began.elapsed() < heartbeats {
        assert!(redis.set("k", "v").await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(redis.metrics().connects, 1);
}
