//! Runtimes come and go, connections open and close; the manager stays.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use redis_manager::{Config, HealthState, RedisManager};
use tokio::runtime::{Builder, Runtime};

use crate::support::{Proxy, RedisServer, eventually, logs::Logs, wait_until};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// How many clients the server has, without the one that asks.
fn clients(server: &RedisServer) -> usize {
    server.command(&["CLIENT", "LIST", "TYPE", "NORMAL"]).lines().count() - 1
}

fn with_connections(server: &RedisServer, max: usize) -> RedisManager {
    let mut config = Config::from_url(server.url());
    config.max_connections = max;
    RedisManager::new(config).unwrap()
}

/// A manager whose deadline no busy machine makes it miss.
fn patient(server: &RedisServer) -> RedisManager {
    let mut config = Config::from_url(server.url());
    config.socket_timeout = Duration::from_secs(10);
    config.socket_connect_timeout = Duration::from_secs(10);
    RedisManager::new(config).unwrap()
}

#[tokio::test]
async fn building_a_manager_does_no_io() {
    let server = RedisServer::start();
    let redis = server.manager();
    assert_eq!(redis.health().state, HealthState::Idle);
    assert!(redis.is_enabled());
    assert!(redis.client().is_none());
    assert_eq!(clients(&server), 0);
}

#[tokio::test]
async fn the_first_call_connects_and_is_answered() {
    let server = RedisServer::start();
    let redis = server.manager();
    assert!(redis.set("k", "v").await);
    assert_eq!(redis.health().state, HealthState::Ready);
    assert_eq!(clients(&server), 1, "one connection is enough for small values");
}

#[tokio::test]
async fn initialize_says_whether_it_worked_and_tries_at_once() {
    let mut server = RedisServer::absent(&[]);
    let redis = server.manager();
    assert!(!redis.initialize().await);
    server.restart();
    assert!(redis.initialize().await);
    assert!(
        redis.initialize().await,
        "on a connected manager it proves the connection"
    );
    server.stop();
    assert!(!redis.initialize().await);
    server.resume();
}

#[test]
fn a_manager_survives_the_runtimes_it_is_used_in() {
    let server = RedisServer::start();
    let redis = patient(&server);
    for round in 0..6 {
        let runtime = if round % 2 == 0 {
            current_thread()
        } else {
            multi_thread()
        };
        runtime.block_on(async {
            assert!(redis.set("k", round).await, "round {round}");
            assert_eq!(redis.get("k").await, Some(round.to_string()));
        });
    }
    assert_eq!(redis.metrics().outages, 0, "a runtime that ends is no outage");
    wait_until("the connections of past runtimes are closed", || clients(&server) == 0);
}

#[test]
fn runtimes_that_end_do_not_disturb_calls_in_others() {
    let server = RedisServer::start();
    let redis = Arc::new(patient(&server));
    let steady = {
        let redis = Arc::clone(&redis);
        thread::spawn(move || {
            current_thread().block_on(async {
                for n in 0..3_000 {
                    assert!(redis.set("steady", n).await, "call {n}");
                    assert_eq!(redis.get("steady").await, Some(n.to_string()));
                }
            });
        })
    };
    while !steady.is_finished() {
        multi_thread().block_on(async {
            assert!(redis.set("passing", 1).await);
        });
    }
    steady.join().unwrap();
}

#[test]
fn a_runtime_that_nobody_drives_any_more_does_not_hold_the_others_up() {
    let server = RedisServer::start();
    let redis = server.manager();
    let idle = current_thread();
    idle.block_on(async { assert!(redis.set("k", "v").await) });
    current_thread().block_on(async {
        assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    });
    drop(idle);
}

#[test]
fn more_runtimes_than_connections_share_them() {
    let server = RedisServer::start();
    let redis = with_connections(&server, 2);
    let runtimes: Vec<Runtime> = (0..5).map(|_| multi_thread()).collect();
    for (n, runtime) in runtimes.iter().enumerate() {
        runtime.block_on(async { assert!(redis.set(format!("k{n}"), "v").await) });
    }
    assert_eq!(clients(&server), 2);
}

#[test]
fn runtimes_that_share_a_connection_do_not_end_it_for_each_other() {
    let server = RedisServer::start();
    let redis = with_connections(&server, 2);
    let first = multi_thread();
    first.block_on(async { assert!(redis.set("k", "v").await) });
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    current_thread().block_on(async {
                        assert_eq!(redis.get("k").await.as_deref(), Some("v"));
                    });
                }
            });
        }
    });
}

#[tokio::test]
async fn a_large_value_travels_on_a_connection_of_its_own_if_the_bound_permits() {
    let server = RedisServer::start();
    let large = "x".repeat(2 << 20);
    let redis = with_connections(&server, 3);
    assert!(redis.set("large", &large).await);
    assert_eq!(clients(&server), 2);
    let frugal = with_connections(&server, 2);
    assert!(frugal.set("large", &large).await);
    assert_eq!(frugal.get("large").await.map(|value| value.len()), Some(2 << 20));
    assert_eq!(clients(&server), 3);
}

#[test]
fn outside_any_runtime_it_answers_neutrally_and_says_why_once() {
    let logs = Logs::collect(tracing::Level::INFO);
    let server = RedisServer::start();
    let redis = server.manager();
    let poll_once = |future: &mut dyn FnMut(&mut Context<'_>) -> bool| future(&mut Context::from_waker(Waker::noop()));
    for _ in 0..3 {
        let mut get = pin!(redis.get("k"));
        assert!(poll_once(&mut |context| get.as_mut().poll(context) == Poll::Ready(None)));
        let mut set = pin!(redis.set("k", "v").into_future());
        assert!(poll_once(
            &mut |context| set.as_mut().poll(context) == Poll::Ready(false)
        ));
    }
    assert_eq!(logs.count("outside a tokio runtime"), 1, "{}", logs.text());
    current_thread().block_on(async { assert!(redis.set("k", "v").await) });
}

#[test]
fn in_a_runtime_without_drivers_it_answers_neutrally_and_says_why() {
    let server = RedisServer::start();
    let redis = server.manager();
    let bare = Builder::new_current_thread().build().unwrap();
    bare.block_on(async {
        for _ in 0..3 {
            assert_eq!(redis.get("k").await, None);
        }
        assert!(redis.health().reason.unwrap().contains("enable_all"));
    });
    let timed = Builder::new_current_thread().enable_time().build().unwrap();
    timed.block_on(async {
        assert_eq!(redis.get("k").await, None);
        assert!(redis.health().reason.unwrap().contains("I/O"), "{:?}", redis.health());
    });
    current_thread().block_on(async { assert!(redis.set("k", "v").await) });
}

#[tokio::test]
async fn disconnect_closes_the_connections_and_a_later_call_opens_new_ones() {
    let logs = Logs::collect(tracing::Level::INFO);
    let server = RedisServer::start();
    let redis = server.manager();
    redis.disconnect().await;
    assert!(redis.set("k", "v").await);
    redis.disconnect().await;
    redis.disconnect().await;
    assert_eq!(redis.health().state, HealthState::Idle);
    eventually("the connection is closed", || async { clients(&server) == 0 }).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert_eq!(redis.metrics().outages, 0);
    assert_eq!(logs.count("unavailable"), 0, "{}", logs.text());
}

#[tokio::test]
async fn calls_in_flight_are_answered_before_disconnect_closes() {
    let server = RedisServer::start();
    let redis = Arc::new(server.manager());
    assert!(redis.initialize().await);
    for round in 0..20 {
        let calls: Vec<_> = (0..50)
            .map(|n| {
                let redis = Arc::clone(&redis);
                tokio::spawn(async move { redis.set(format!("{round}:{n}"), "v").await })
            })
            .collect();
        tokio::task::yield_now().await;
        redis.disconnect().await;
        for call in calls {
            assert!(call.await.unwrap(), "round {round}");
        }
        assert!(redis.initialize().await);
    }
}

#[tokio::test]
async fn disconnect_from_a_server_that_hangs_takes_about_a_deadline() {
    let server = RedisServer::start();
    let redis = server.manager();
    assert!(redis.initialize().await);
    server.stop();
    tokio::time::timeout(Duration::from_secs(5), redis.disconnect())
        .await
        .unwrap();
    assert_eq!(redis.health().state, HealthState::Idle);
    server.resume();
}

#[tokio::test]
async fn dropping_a_manager_closes_its_connections() {
    let server = RedisServer::start();
    for _ in 0..5 {
        let redis = server.manager();
        assert!(redis.set("large", "x".repeat(2 << 20)).await);
    }
    eventually("all are closed", || async { clients(&server) == 0 }).await;
}

#[tokio::test]
async fn dropping_a_manager_ends_its_attempts_to_connect() {
    let server = RedisServer::absent(&[]);
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    redis.get("k").await;
    drop(redis);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let attempts = proxy.accepted();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(proxy.accepted(), attempts);
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let server = RedisServer::start();
    let path = server.socket();
    let by_url = RedisManager::new(Config::from_url(format!("redis+unix://{}?db=2", path.display()))).unwrap();
    assert!(by_url.set("k", "v").await);
    let mut config = Config::default();
    config.enabled = true;
    config.socket_path = Some(path);
    config.db = 2;
    let by_path = RedisManager::new(config).unwrap();
    assert_eq!(by_path.get("k").await.as_deref(), Some("v"));
    assert!(by_path.health().server.starts_with("unix:"));
}

#[tokio::test]
async fn the_database_is_the_one_that_was_asked_for() {
    let server = RedisServer::start();
    let redis = RedisManager::new(Config::from_url(format!("{}/3", server.url()))).unwrap();
    assert!(redis.set("k", "v").await);
    assert_eq!(server.commands(&[&["SELECT", "3"], &["GET", "k"]])[1], "v");
    assert_eq!(server.command(&["GET", "k"]), "(nil)");
    let missing = RedisManager::new(Config::from_url(format!("{}/99", server.url()))).unwrap();
    assert!(!missing.initialize().await);
    assert!(
        missing.health().reason.unwrap().contains("database"),
        "{:?}",
        missing.health()
    );
}
