//! Who is refused, for which reason, and that nothing is ever sent in plain text instead.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

#[cfg(feature = "near-cache")]
use redis_manager::NearCacheState;
use redis_manager::{Config, HealthState};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use super::{Authority, RedisManager, RedisServer, Validity, manager, manager_with};
#[cfg(feature = "near-cache")]
use crate::support::eventually;
use crate::support::{DEADLINE, Proxy, SLACK};

/// Why there is no connection, once an attempt has failed. No call takes longer than it may meanwhile.
pub(super) async fn reason_of(redis: &RedisManager) -> String {
    let began = Instant::now();
    assert_eq!(redis.get("k").await, None);
    assert!(
        began.elapsed() < DEADLINE + SLACK,
        "refused after {:?}",
        began.elapsed()
    );
    assert!(!redis.initialize().await, "it must not connect");
    let health = redis.health();
    assert_eq!(health.state, HealthState::Unavailable);
    health.reason.unwrap()
}

#[tokio::test]
async fn a_server_that_another_authority_has_certified_is_not_trusted() {
    let (known, stranger) = (Authority::new(), Authority::new());
    let server = stranger.server();
    let reason = reason_of(&manager(&server, &known)).await;
    assert_eq!(reason, "the server's certificate is not trusted: UnknownIssuer");
}

#[tokio::test]
async fn a_certificate_counts_only_while_it_is_valid() {
    let authority = Authority::new();
    for (validity, told) in [
        (Validity::Past, "the server's certificate has expired"),
        (Validity::Future, "the server's certificate is not valid yet"),
    ] {
        let server = authority.server_with(&authority.certify(&["localhost"], validity), "no");
        assert_eq!(reason_of(&manager(&server, &authority)).await, told);
    }
}

#[tokio::test]
async fn a_certificate_counts_only_for_the_names_and_addresses_that_it_bears() {
    let authority = Authority::new();
    let server = authority.server_with(&authority.certify(&["other.internal"], Validity::Now), "no");
    for host in ["localhost", "127.0.0.1"] {
        let redis = manager_with(&server, &authority, |config| {
            config.url = Some(format!("rediss://{host}:{}", server.port()).into());
        });
        assert_eq!(
            reason_of(&redis).await,
            format!("the server's certificate is not valid for the name {host}")
        );
    }
}

#[tokio::test]
async fn a_refused_certificate_is_not_asked_for_again_in_haste() {
    let (known, stranger) = (Authority::new(), Authority::new());
    let server = stranger.server();
    let proxy = Proxy::before(&server).await;
    let redis = RedisManager::new(through(&proxy, &known)).unwrap();
    reason_of(&redis).await;
    let before = proxy.accepted();
    calls_go_on(&redis).await;
    let attempts = proxy.accepted() - before;
    assert!(attempts <= 1, "{attempts} attempts");
}

#[cfg(feature = "near-cache")]
#[tokio::test]
async fn the_near_cache_does_not_ask_for_it_in_haste_either() {
    let authority = Authority::new();
    let server = authority.server();
    let proxy = Proxy::before(&server).await;
    let mut config = through(&proxy, &authority);
    config.near_cache_mb = 1;
    let redis = RedisManager::new(config).unwrap();
    eventually("the near cache serves", || async {
        redis.get("k").await;
        redis.health().near_cache.state == NearCacheState::On
    })
    .await;
    authority.certify(&["127.0.0.1"], Validity::Past).renew(&server);
    proxy.cut();
    eventually("both were refused", || async {
        let expired = |reason: Option<String>| reason.is_some_and(|reason| reason.contains("expired"));
        let health = redis.health();
        expired(health.reason) && expired(health.near_cache.reason)
    })
    .await;
    let before = proxy.accepted();
    calls_go_on(&redis).await;
    let attempts = proxy.accepted() - before;
    assert!(attempts <= 3, "{attempts} attempts");
    authority.certify(&["127.0.0.1"], Validity::Now).renew(&server);
    eventually("the near cache serves again", || async {
        redis.get("k").await;
        redis.health().near_cache.state == NearCacheState::On
    })
    .await;
}

fn through(proxy: &Proxy, authority: &Authority) -> Config {
    let mut config = Config::from_url(proxy.url());
    config.tls = true;
    config.tls_ca_file = Some(authority.file());
    config
}

/// Calls for a while.
async fn calls_go_on(redis: &RedisManager) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(900) {
        assert_eq!(redis.get("k").await, None);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_server_that_speaks_plain_text_is_refused() {
    let (server, authority) = (RedisServer::start(), Authority::new());
    let redis = manager(&server, &authority);
    let reason = reason_of(&redis).await;
    assert!(reason.contains("speak TLS"), "{reason}");
    assert!(server.executed().iter().all(|command| command != "get"));
}

#[tokio::test]
async fn an_encrypted_server_that_is_asked_in_plain_text_refuses() {
    let authority = Authority::new();
    let server = authority.server();
    let redis = server.manager();
    let reason = reason_of(&redis).await;
    assert!(reason.ends_with("does the server expect TLS?"), "{reason}");
}

/// Listens, notes what comes on all connections, and answers each time with the same.
async fn recorder(answer: &'static [u8]) -> (u16, Arc<Mutex<Vec<u8>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let mut task = JoinSet::new();
    let noted = Arc::clone(&heard);
    task.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                noted.lock().unwrap().extend_from_slice(&buffer[..count]);
                if stream.write_all(answer).await.is_err() {
                    break;
                }
            }
        }
    });
    (port, heard, task)
}

#[tokio::test]
async fn whatever_a_server_answers_nothing_is_sent_in_plain_text() {
    let authority = Authority::new();
    for answer in [
        &b"+OK\r\n"[..],
        b"-ERR no TLS here\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"",
    ] {
        let (port, heard, _task) = recorder(answer).await;
        let mut config = Config::from_url(format!("rediss://ada:op3n-sesame@127.0.0.1:{port}"));
        config.tls_ca_file = Some(authority.file());
        config.socket_connect_timeout = Duration::from_millis(300);
        let redis = RedisManager::new(config).unwrap();
        let reason = reason_of(&redis).await;
        assert!(reason.contains("TLS"), "{reason}");
        assert!(!redis.initialize().await, "and once more");
        let heard = heard.lock().unwrap();
        assert_eq!(heard.first(), Some(&22), "a handshake, of TLS");
        let heard = String::from_utf8_lossy(&heard);
        for secret in ["sesame", "ada", "HELLO", "AUTH", "PING"] {
            assert!(!heard.contains(secret), "{secret} was sent after {answer:?}");
        }
    }
}
