//! The invariants of an outage, each with a server that is absent, killed, stopped or cut off.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::{Config, HealthState, Lookup, RedisManager};
use tokio::task::JoinSet;

use crate::support::{DEADLINE, Proxy, RedisServer, SLACK, eventually, is_back, is_refusing, logs::Logs};

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

// 1. Redis disabled

#[tokio::test]
async fn a_disabled_manager_opens_no_socket_and_starts_no_task() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut config = Config::from_url(format!("redis://{}", listener.local_addr().unwrap()));
    config.enabled = false;
    let redis = RedisManager::new(config).unwrap();
    assert_eq!(redis.get("k").await, None);
    assert!(!redis.set("k", "v").await);
    assert!(!redis.initialize().await);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    assert!(listener.accept().is_err(), "nobody came");
}

// 2. Redis absent at start

#[tokio::test]
async fn nothing_waits_for_a_server_that_is_absent_at_the_start() {
    let redis = RedisServer::absent(&[]).manager();
    let began = Instant::now();
    assert_eq!(redis.get("k").await, None);
    assert!(began.elapsed() < DEADLINE, "the first call took {:?}", began.elapsed());
    assert!(matches!(redis.lookup("k").await, Lookup::Unavailable(error) if error.is_unavailable()));
    let health = redis.health();
    assert_eq!(health.state, HealthState::Unavailable);
    assert!(health.reason.unwrap().contains("refused"));
}

#[tokio::test]
async fn a_server_that_is_absent_at_the_start_is_found_when_it_comes() {
    let mut server = RedisServer::absent(&[]);
    let redis = server.manager();
    assert!(!redis.set("k", "v").await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.restart();
    let took = is_back(&redis).await;
    assert!(took < Duration::from_secs(1) + SLACK, "found after {took:?}");
}

// 3. Redis hung

/// Lets 64 callers call while something hangs, and returns the longest call and how many were refused at once.
async fn hammer(redis: &Arc<RedisManager>, how_long: Duration) -> (Duration, usize) {
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let redis = Arc::clone(redis);
        callers.spawn(async move {
            let (mut longest, mut refused) = (Duration::ZERO, 0);
            let began = Instant::now();
            while began.elapsed() < how_long {
                let called = Instant::now();
                redis.get("k").await;
                longest = longest.max(called.elapsed());
                if called.elapsed() < DEADLINE / 10 {
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            (longest, refused)
        });
    }
    let results = callers.join_all().await;
    let longest = results.iter().map(|(longest, _)| *longest).max().unwrap();
    (longest, results.iter().map(|(_, refused)| refused).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_to_a_stopped_server_outlives_its_deadline_and_soon_all_are_refused_at_once() {
    let server = RedisServer::start();
    let redis = Arc::new(server.manager());
    assert!(redis.initialize().await);
    server.stop();
    let (longest, refused) = hammer(&redis, Duration::from_secs(3)).await;
    assert!(longest < DEADLINE + SLACK, "a call took {longest:?}");
    assert!(refused > 64, "only {refused} calls were refused at once");
    assert!(!redis.is_enabled());
    server.resume();
    let took = is_back(&redis).await;
    assert!(took < Duration::from_secs(1) + SLACK, "back after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_into_a_black_hole_outlives_its_deadline_and_soon_all_are_refused_at_once() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = Arc::new(proxy.manager());
    assert!(redis.initialize().await);
    proxy.stall();
    let (longest, refused) = hammer(&redis, Duration::from_secs(3)).await;
    assert!(longest < DEADLINE + SLACK, "a call took {longest:?}");
    assert!(refused > 64, "only {refused} calls were refused at once");
    proxy.restore();
    is_back(&redis).await;
}

#[tokio::test]
async fn what_needs_a_further_connection_keeps_its_deadline_on_a_stopped_server() {
    let server = RedisServer::start();
    let redis = Arc::new(server.manager());
    assert!(redis.set("k", "v").await);
    server.stop();
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let redis = Arc::clone(&redis);
        tasks.spawn(async move {
            let (service, began) = (redis.service(), Instant::now());
            let is_err = if task % 2 == 0 {
                service.list().lrange::<String>("l", 0, -1).await.is_err()
            } else {
                service.transaction((service.string().incr("n"),)).await.is_err()
            };
            assert!(is_err);
            began.elapsed()
        });
    }
    while let Some(took) = tasks.join_next().await {
        let took = took.unwrap();
        assert!(took < DEADLINE + SLACK, "{took:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_while_nobody_calls_is_noticed_by_the_heartbeat() {
    let server = RedisServer::start();
    let redis = server.manager();
    assert!(redis.initialize().await);
    server.stop();
    eventually("the heartbeat notices", || async { !redis.is_enabled() }).await;
    let began = Instant::now();
    assert_eq!(redis.get("k").await, None);
    assert!(began.elapsed() < DEADLINE / 2, "refused after {:?}", began.elapsed());
    server.resume();
    eventually("the heartbeat finds it again", || async { redis.is_enabled() }).await;
}

#[tokio::test]
async fn calls_that_wait_for_a_place_are_released_when_the_breaker_opens() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.socket_timeout = Duration::from_secs(5);
    let redis = Arc::new(RedisManager::new(config).unwrap());
    assert!(redis.initialize().await);
    server.stop();
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..3_000 {
        let redis = Arc::clone(&redis);
        callers.spawn(async move { redis.get("k").await });
    }
    tokio::task::yield_now().await;
    let mut server = server;
    server.kill();
    let answers = callers.join_all().await;
    assert!(answers.iter().all(Option::is_none));
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "released after {:?}",
        began.elapsed()
    );
}

// 4. Redis killed under load

#[tokio::test]
async fn a_counter_whose_answer_is_lost_is_counted_once() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    assert_eq!(redis.incr("n").await, Some(1));
    proxy.swallow_replies();
    assert_eq!(redis.incr("n").await, None);
    proxy.cut();
    proxy.restore();
    is_back(&redis).await;
    assert_eq!(server.command(&["GET", "n"]), "2", "the lost one ran once");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_counted_twice_or_later_when_the_server_is_killed_under_load() {
    let mut server = RedisServer::start();
    let redis = Arc::new(server.manager());
    assert!(redis.initialize().await);
    let mut callers = JoinSet::new();
    for _ in 0..32 {
        let redis = Arc::clone(&redis);
        callers.spawn(async move {
            loop {
                redis.incr("n").await;
                tokio::task::yield_now().await;
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.kill();
    tokio::time::sleep(Duration::from_millis(700)).await;
    callers.shutdown().await;
    assert_eq!(redis.metrics().timeouts, 0, "whoever waited was released at once");
    server.restart();
    is_back(&redis).await;
    // The server keeps nothing across its death: whatever it holds now was sent after it.
    assert_eq!(
        server.command(&["GET", "n"]),
        "(nil)",
        "nothing was executed after its caller had been told it failed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_are_counted_as_were_answered_when_connections_are_cut_under_load() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = Arc::new(proxy.manager());
    assert!(redis.initialize().await);
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let redis = Arc::clone(&redis);
        callers.spawn(async move {
            let (mut answered, mut unknown) = (0, 0);
            for _ in 0..2_000 {
                match redis.incr("n").await {
                    Some(_) => answered += 1,
                    None => unknown += 1,
                }
                tokio::task::yield_now().await;
            }
            (answered, unknown)
        });
    }
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        proxy.cut();
    }
    let results = callers.join_all().await;
    let answered: i64 = results.iter().map(|(answered, _)| answered).sum();
    let unknown: i64 = results.iter().map(|(_, unknown)| unknown).sum();
    let counted: i64 = server.command(&["GET", "n"]).parse().unwrap();
    assert!(
        answered > 0 && unknown > 0,
        "{answered} answered, {unknown} unknown: the test tests nothing"
    );
    assert!(
        (answered..=answered + unknown).contains(&counted),
        "{answered} answered, {unknown} unknown, {counted} counted"
    );
}

// 5. Back again

#[tokio::test]
async fn a_restarted_server_is_used_again_within_about_a_second() {
    let mut server = RedisServer::start();
    let redis = server.manager();
    assert!(redis.set("k", "v").await);
    for _ in 0..3 {
        server.kill();
        is_refusing(&redis).await;
        server.restart();
        let took = is_back(&redis).await;
        assert!(took < Duration::from_secs(1) + SLACK, "back after {took:?}");
        assert_eq!(redis.get("k").await, None, "what a dead server held is gone");
    }
}

/// Lets a manager try to connect to a listener that hangs up, and returns the pauses between its attempts.
async fn pauses() -> Vec<Duration> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let redis = RedisManager::new(Config::from_url(format!("redis://{}", listener.local_addr().unwrap()))).unwrap();
    redis.get("k").into_future().await;
    let attempts = async {
        let mut pauses = Vec::new();
        let mut last = Instant::now();
        while pauses.len() < 10 {
            drop(listener.accept().await.unwrap());
            pauses.push(last.elapsed());
            last = Instant::now();
        }
        pauses
    };
    tokio::join!(redis.get("k"), attempts).1
}

#[tokio::test]
async fn processes_do_not_come_back_in_step() {
    let (one, other) = tokio::join!(pauses(), pauses());
    for pauses in [&one, &other] {
        // The first ones are short; from the fifth on they are at their longest, cut by chance.
        let settled = &pauses[6..];
        assert!(
            settled.iter().all(|pause| *pause >= Duration::from_millis(95)),
            "{pauses:?}"
        );
        assert!(
            pauses.iter().all(|pause| *pause <= Duration::from_millis(200) + SLACK),
            "{pauses:?}"
        );
    }
    let differs = |(one, other): (&Duration, &Duration)| one.abs_diff(*other) > Duration::from_millis(10);
    assert!(
        one[6..].iter().zip(&other[6..]).any(differs),
        "in step: {one:?} {other:?}"
    );
}

// 6. Whatever state the client library gets into

#[tokio::test]
async fn a_client_that_was_stopped_through_the_hatch_is_replaced() {
    use fred::interfaces::ClientLike;

    let server = RedisServer::start();
    let redis = server.manager();
    assert!(redis.initialize().await);
    redis.client().unwrap().quit().await.unwrap();
    is_back(&redis).await;
}

#[tokio::test]
async fn a_connection_that_the_server_closes_is_replaced() {
    let server = RedisServer::start();
    let redis = server.manager();
    for _ in 0..3 {
        is_back(&redis).await;
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    }
    is_back(&redis).await;
}

// 7. Memory

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_in_an_outage() {
    let mut server = RedisServer::start();
    let redis = Arc::new(server.manager());
    assert!(redis.initialize().await);
    server.kill();
    let load = |calls: usize| {
        let redis = Arc::clone(&redis);
        async move {
            let mut callers = JoinSet::new();
            for _ in 0..64 {
                let redis = Arc::clone(&redis);
                callers.spawn(async move {
                    for n in 0..calls / 64 {
                        redis.set(format!("k{n}"), "v".repeat(100)).await;
                    }
                });
            }
            callers.join_all().await;
        }
    };
    load(20_000).await;
    let before = resident_bytes();
    load(200_000).await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "grew by {} MB", grown >> 20);
}

// 8. Logs

#[tokio::test]
async fn an_outage_is_logged_once_when_it_begins_and_once_when_it_ends() {
    let logs = Logs::collect(tracing::Level::INFO);
    let mut server = RedisServer::start();
    let redis = server.manager();
    assert!(redis.initialize().await);
    server.kill();
    is_refusing(&redis).await;
    for _ in 0..1_000 {
        redis.get("k").await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.restart();
    is_back(&redis).await;
    assert_eq!(logs.count("Redis is unavailable"), 1, "{}", logs.text());
    assert_eq!(logs.count("Redis is back"), 1, "{}", logs.text());
    let back = logs
        .text()
        .lines()
        .find(|line| line.contains("Redis is back"))
        .unwrap()
        .to_owned();
    let refused = back.split("refused=").nth(1).unwrap().trim().parse::<u64>().unwrap();
    assert!(refused >= 1_000, "{back}");
    assert_eq!(logs.count("WARN"), 1, "{}", logs.text());
}

// 9. Misses and cancellations

#[tokio::test]
async fn misses_and_errors_that_the_server_replies_are_no_outage() {
    let server = RedisServer::start();
    let redis = server.manager();
    redis.hset("hash", "f", "v").await;
    for n in 0..200 {
        assert_eq!(redis.get(format!("missing:{n}")).await, None);
        assert_eq!(redis.get("hash").await, None);
    }
    assert!(redis.is_enabled());
    assert_eq!(redis.metrics().outages, 0);
}

#[tokio::test]
async fn a_cancelled_call_gives_its_place_back() {
    let server = RedisServer::start();
    let redis = Arc::new(server.manager());
    assert!(redis.initialize().await);
    for _ in 0..5 {
        let mut callers = JoinSet::new();
        for _ in 0..1_000 {
            let redis = Arc::clone(&redis);
            callers.spawn(async move { redis.get("k").await });
        }
        tokio::task::yield_now().await;
        callers.shutdown().await;
    }
    assert!(redis.set("k", "v").await);
    assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    assert_eq!(redis.metrics().outages, 0);
}
