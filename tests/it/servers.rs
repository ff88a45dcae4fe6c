//! Servers that are there, and do not serve: loading, full, read-only, old, talking nonsense; and what is too much for one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::{Config, HealthState, RedisManager};
use tokio::task::JoinSet;

use crate::support::{DEADLINE, Proxy, RedisServer, SLACK, eventually, free_port, is_back, is_refusing};

#[tokio::test]
async fn a_server_that_is_loading_its_data_is_unavailable_until_it_is_done() {
    let mut server = RedisServer::start_with(&[
        "--save",
        "3600 1",
        "--key-load-delay",
        "2000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    let fill = "for i = 1, 2000 do redis.call('SET', 'k' .. i, string.rep('v', 100)) end";
    server.command(&["EVAL", fill, "0"]);
    server.command(&["SAVE"]);
    let redis = server.manager();
    assert!(redis.initialize().await);
    server.kill();
    server.spawn();
    let reason = || redis.health().reason.unwrap_or_default();
    eventually("it is seen to load", || async {
        redis.get("k1").await.is_none() && reason().contains("LOADING")
    })
    .await;
    assert!(!redis.is_enabled());
    is_back(&redis).await;
    assert_eq!(redis.get("k1").await.map(|value| value.len()), Some(100));
}

#[tokio::test]
async fn a_replica_refuses_writes_and_goes_on_answering_reads() {
    let master = RedisServer::start();
    let replica = RedisServer::start();
    master.command(&["SET", "k", "v"]);
    replica.command(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
    let redis = replica.manager();
    eventually("the replica has the data", || async {
        redis.get("k").await.as_deref() == Some("v")
    })
    .await;
    for _ in 0..50 {
        assert!(!redis.set("k", "w").await);
        assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    }
    assert!(redis.is_enabled());
    assert_eq!(redis.metrics().connects, 1, "the connection was kept");
}

#[tokio::test]
async fn a_server_without_memory_refuses_writes_and_goes_on_answering_reads() {
    let server = RedisServer::start();
    let redis = server.manager();
    assert!(redis.set("k", "v").await);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..50 {
        assert!(!redis.set("k", "w").await);
        assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    }
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(redis.set("k", "w").await);
    assert_eq!(redis.metrics().outages, 0);
    assert_eq!(redis.metrics().connects, 1, "the connection was kept");
}

#[tokio::test]
async fn a_server_with_too_many_clients_says_so_in_health_and_is_used_when_there_is_room() {
    let server = RedisServer::start();
    // The test's own command connection is the one client that there may be.
    server.commands(&[&["CONFIG", "SET", "maxclients", "1"]]);
    let occupant = std::os::unix::net::UnixStream::connect(server.socket()).unwrap();
    eventually("the place is taken", || async { server.is_full() }).await;
    let redis = server.manager();
    assert!(!redis.initialize().await);
    assert!(
        redis.health().reason.unwrap().contains("max number of clients"),
        "{:?}",
        redis.health()
    );
    drop(occupant);
    is_back(&redis).await;
}

#[tokio::test]
async fn a_server_without_resp3_is_refused_with_that_reason() {
    let server = RedisServer::start_with(&["--rename-command", "HELLO", ""]);
    let redis = server.manager();
    assert!(!redis.set("k", "v").await);
    assert!(!redis.initialize().await);
    assert!(redis.health().reason.unwrap().contains("RESP3"), "{:?}", redis.health());
}

#[tokio::test]
async fn garbage_is_no_answer_and_no_panic() {
    use tokio::io::AsyncWriteExt;

    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\0\xff\xfe",
        b"$-7\r\n",
        b"*1000000000\r\n",
        b"",
    ] {
        let redis = RedisManager::new(Config::from_url(format!("redis://{address}"))).unwrap();
        let serve = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                drop(stream.write_all(garbage).await);
            }
        };
        let ask = async {
            let began = Instant::now();
            assert_eq!(redis.get("k").await, None);
            assert!(!redis.initialize().await);
            assert!(began.elapsed() < Duration::from_secs(2) + SLACK);
            assert_eq!(redis.health().state, HealthState::Unavailable);
        };
        tokio::select! {
            () = serve => {}
            () = ask => {}
        }
    }
}

#[tokio::test]
async fn an_established_connection_that_turns_to_garbage_is_replaced() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    assert!(redis.set("k", "v").await);
    proxy.garble_replies();
    assert_eq!(redis.get("k").await, None);
    is_refusing(&redis).await;
    proxy.restore();
    is_back(&redis).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_100_mb_does_not_take_the_cache_down() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.socket_timeout = Duration::from_secs(5);
    let patient = RedisManager::new(config).unwrap();
    let large = vec![b'x'; 100 << 20];
    assert!(patient.set("large", large).await);
    assert_eq!(
        patient.get_bytes("large").await.map(|value| value.len()),
        Some(100 << 20)
    );
    assert_eq!(patient.metrics().outages, 0);

    let redis = server.manager();
    assert!(redis.set("small", "v").await);
    let began = Instant::now();
    redis.get_bytes("large").await;
    assert!(began.elapsed() < DEADLINE + SLACK);
    let small = || async { redis.get("small").await.as_deref() == Some("v") };
    eventually("small values are answered again", small).await;
}

#[tokio::test]
async fn a_process_that_blocks_its_runtime_causes_no_outage_that_lasts() {
    let server = RedisServer::start();
    let redis = Arc::new(server.manager());
    assert!(redis.set("k", "v").await);
    for _ in 0..2 {
        let mut callers = JoinSet::new();
        for _ in 0..64 {
            let redis = Arc::clone(&redis);
            callers.spawn(async move { redis.get("k").await });
        }
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_secs(2));
        callers.join_all().await;
        let took = eventually("answers are right", || async {
            redis.get("k").await.as_deref() == Some("v")
        })
        .await;
        assert!(took < Duration::from_secs(1) + SLACK, "back after {took:?}");
    }
}

#[tokio::test]
async fn a_host_that_has_no_address_is_an_outage_with_that_reason() {
    let redis = RedisManager::new(Config::from_url(format!(
        "redis://no-such-host.invalid:{}",
        free_port()
    )))
    .unwrap();
    assert_eq!(redis.get("k").await, None);
    eventually("the attempt is decided", || async { redis.health().reason.is_some() }).await;
    assert_eq!(redis.health().state, HealthState::Unavailable);
}
