//! A server that dies or hangs: everybody is told, in time, and of its own call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use redis_manager::{Error, RedisManager};
use tokio::{sync::Barrier, time::sleep};

use super::{CALLERS, at_once, configured};
use crate::support::{DEADLINE, Proxy, RedisServer, SLACK, eventually, is_back, is_refusing};

const SHORT: Duration = Duration::from_millis(300);

fn short(url: &str) -> Arc<RedisManager> {
    configured(url, |config| config.socket_timeout = SHORT)
}

/// Calls of every kind until told to stop; returns the longest.
async fn call_until(redis: &RedisManager, task: usize, stop: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    for round in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (began, key) = (Instant::now(), format!("k:{task}"));
        match (task + round) % 4 {
            0 => drop(redis.get(&key).await),
            1 => drop(redis.set(&key, round).await),
            2 => drop(redis.set(&key, round).ex(60).await),
            _ => drop(redis.get_many([&key, "nobody"]).await),
        }
        longest = longest.max(began.elapsed());
        if !redis.is_enabled() {
            sleep(Duration::from_millis(2)).await;
        }
    }
    longest
}

/// Lets many call while something happens, and returns the longest call.
async fn while_many_call(redis: &Arc<RedisManager>, happens: impl AsyncFnOnce()) -> Duration {
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4 * CALLERS)
        .map(|task| {
            let (redis, stop) = (Arc::clone(redis), Arc::clone(&stop));
            tokio::spawn(async move { call_until(&redis, task, &stop).await })
        })
        .collect();
    sleep(Duration::from_millis(50)).await;
    happens().await;
    stop.store(true, Ordering::Relaxed);
    let mut longest = Duration::ZERO;
    for caller in callers {
        longest = longest.max(caller.await.unwrap());
    }
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_among_batches_leaves_nobody_waiting() {
    let mut server = RedisServer::start();
    let redis = short(&server.url());
    assert!(redis.initialize().await);
    for _ in 0..3 {
        let server = &mut server;
        let longest = while_many_call(&redis, async || {
            server.kill();
            is_refusing(&redis).await;
            server.restart();
            is_back(&redis).await;
        })
        .await;
        assert!(longest < SHORT + SLACK, "a call took {longest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_among_batches_keeps_nobody_beyond_the_deadline() {
    let server = RedisServer::start();
    let redis = short(&server.url());
    assert!(redis.initialize().await);
    for _ in 0..2 {
        let longest = while_many_call(&redis, async || {
            server.stop();
            is_refusing(&redis).await;
            sleep(SHORT).await;
            server.resume();
            is_back(&redis).await;
        })
        .await;
        assert!(longest < SHORT + SLACK, "a call took {longest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_among_batches_leave_nobody_waiting() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = short(&proxy.url());
    assert!(redis.initialize().await);
    let longest = while_many_call(&redis, async || {
        for _ in 0..10 {
            proxy.cut();
            is_back(&redis).await;
        }
    })
    .await;
    assert!(longest < SHORT + SLACK, "a call took {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_while_the_server_hung_is_never_executed() {
    let server = RedisServer::start();
    let redis = short(&server.url());
    assert!(redis.initialize().await);
    server.stop();
    let number = Arc::new(AtomicUsize::new(0));
    let told = at_once(CALLERS, |_| {
        let (redis, number) = (Arc::clone(&redis), Arc::clone(&number));
        async move {
            let mut told: Vec<(String, Error)> = Vec::new();
            let began = Instant::now();
            while began.elapsed() < 4 * SHORT {
                let key = format!("k:{}", number.fetch_add(1, Ordering::Relaxed));
                let error = redis.service().string().set(&key, 1).ex(3_600).await.unwrap_err();
                assert!(error.is_unavailable(), "{error}");
                told.push((key, error));
                sleep(Duration::from_millis(10)).await;
            }
            told
        }
    })
    .await;
    assert!(!redis.is_enabled());
    server.resume();
    is_back(&redis).await;
    let refused: Vec<_> = told
        .into_iter()
        .flatten()
        .filter(|(_, error)| error.is_retryable())
        .collect();
    assert!(refused.len() > CALLERS, "only {} were refused", refused.len());
    for (key, error) in refused {
        assert_eq!(
            redis.service().string().get::<String>(&key).await.unwrap(),
            None,
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_of_the_timeout() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = short(&proxy.url());
    assert!(redis.initialize().await);
    proxy.swallow_replies();
    let errors = at_once(2 * CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (began, strings) = (Instant::now(), redis.service().string());
            let error = match task % 3 {
                0 => strings.get::<String>("k").await.unwrap_err(),
                1 => strings.set("k", task).await.unwrap_err(),
                _ => strings.set("k", task).ex(60).await.unwrap_err(),
            };
            (error, began.elapsed())
        }
    })
    .await;
    for (error, took) in &errors {
        assert!(error.is_unavailable(), "{error}");
        assert!(*took < SHORT + SLACK, "told after {took:?}");
    }
    assert!(errors.iter().any(|(error, _)| error.is_timeout()));
    proxy.restore();
    is_back(&redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_callers_of_a_hung_server_all_return() {
    let server = RedisServer::start();
    let redis = configured(&server.url(), |config| config.socket_timeout = DEADLINE);
    assert!(redis.initialize().await);
    server.stop();
    let longest = at_once(5_000, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let began = Instant::now();
            match task % 3 {
                0 => assert_eq!(redis.get("k").await, None),
                1 => assert!(!redis.set("k", task).await),
                _ => assert!(!redis.set("k", task).ex(60).await),
            }
            began.elapsed()
        }
    })
    .await;
    let longest = longest.into_iter().max().unwrap();
    assert!(longest < DEADLINE + 2 * SLACK, "a call took {longest:?}");
    server.resume();
    is_back(&redis).await;
}

/// A call is told of a timeout neither before its own deadline nor long after it, whenever those were asked that leave with it.
async fn assert_own_deadlines<F>(call: impl Fn(Arc<RedisManager>) -> F + Copy + Send + 'static)
where
    F: Future<Output = Error> + Send + 'static,
{
    const WHOLE: Duration = Duration::from_secs(1);
    const EARLY: Duration = Duration::from_millis(50);
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = configured(&proxy.url(), |config| config.socket_timeout = WHOLE);
    assert!(redis.initialize().await);
    proxy.stall();
    // Fewer than open the breaker: it would release them all at once.
    let callers = [0, 0, 400, 600].map(|wait| {
        let redis = Arc::clone(&redis);
        tokio::spawn(async move {
            sleep(Duration::from_millis(wait)).await;
            let began = Instant::now();
            (call(redis).await, began.elapsed())
        })
    });
    for caller in callers {
        let (error, took) = caller.await.unwrap();
        assert!(error.is_timeout(), "{error}");
        assert!(took > WHOLE - EARLY && took < WHOLE + SLACK, "told after {took:?}");
    }
}

#[tokio::test]
async fn a_reader_has_its_own_deadline() {
    assert_own_deadlines(|redis| async move { redis.service().string().get::<String>("k").await.unwrap_err() }).await;
}

#[tokio::test]
async fn a_writer_has_its_own_deadline() {
    assert_own_deadlines(|redis| async move { redis.service().string().set("k", 1).ex(60).await.unwrap_err() }).await;
}

/// Each tries until it is told of success, with a new value each time. Nothing that failed before may come afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_failed_does_not_come_after_one_that_succeeded() {
    let server = RedisServer::start();
    let redis = configured(&server.url(), |config| {
        config.socket_timeout = Duration::from_millis(100);
    });
    assert!(redis.initialize().await);
    let has_ended = Arc::new(AtomicBool::new(false));
    let barrier = Arc::new(Barrier::new(32));
    let writers: Vec<_> = (0..32)
        .map(|task| {
            let (redis, has_ended, barrier) = (Arc::clone(&redis), Arc::clone(&has_ended), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                let mut value = 0_u64;
                while !has_ended.load(Ordering::Relaxed) {
                    value += 1;
                    insist(&redis, &format!("k:{task}"), &mut value).await;
                }
            })
        })
        .collect();
    for _ in 0..5 {
        sleep(Duration::from_millis(150)).await;
        server.stop();
        sleep(Duration::from_millis(200)).await;
        server.resume();
        is_back(&redis).await;
    }
    has_ended.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn insist(redis: &RedisManager, key: &str, value: &mut u64) {
    let strings = redis.service().string();
    loop {
        let set = strings.set(key, *value);
        let answer = if value.is_multiple_of(2) {
            set.await
        } else {
            set.ex(3_600).await
        };
        if answer.is_ok() {
            break;
        }
        *value += 1;
        sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..3 {
        if let Ok(found) = strings.get::<u64>(key).await {
            assert_eq!(found, Some(*value));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_pause_of_the_server_fails_nobody() {
    let server = RedisServer::start();
    let redis = configured(&server.url(), |config| config.socket_timeout = Duration::from_secs(20));
    assert!(redis.initialize().await);
    let failed = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..500)
        .map(|task| {
            let (redis, failed) = (Arc::clone(&redis), Arc::clone(&failed));
            tokio::spawn(async move {
                for round in 0..20 {
                    let is_set = redis.set(format!("k:{task}"), round).ex(60).await;
                    if !is_set || redis.get(format!("k:{task}")).await != Some(round.to_string()) {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for _ in 0..3 {
        server.stop();
        sleep(Duration::from_millis(100)).await;
        server.resume();
        sleep(Duration::from_millis(20)).await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(failed.load(Ordering::Relaxed), 0);
    eventually("it is enabled", || async { redis.is_enabled() }).await;
}
