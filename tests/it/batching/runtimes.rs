//! One manager, and callers in several runtimes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use redis_manager::RedisManager;
use tokio::{runtime::Builder, task::yield_now};

use super::{CALLERS, Load, at_once, calls, configured, one_round, patient};
use crate::support::RedisServer;

async fn everybody_calls(redis: &Arc<RedisManager>, first: usize) {
    at_once(CALLERS, |task| {
        let redis = Arc::clone(redis);
        async move {
            for round in 0..20 {
                one_round(&redis, first + task, round).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn calls_leave_together_in_a_runtime_of_one_thread() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    everybody_calls(&redis, 0).await;
    assert!(calls(&server, "mget") > 0);
    assert!(calls(&server, "set") < (CALLERS * 20 / 2) as u64);
}

fn in_several_runtimes(max_connections: usize) {
    let server = RedisServer::start();
    let redis = configured(&server.url(), |config| config.max_connections = max_connections);
    thread::scope(|scope| {
        for number in 0..4 {
            let redis = &redis;
            scope.spawn(move || {
                let mut runtime = if number % 2 == 0 {
                    Builder::new_current_thread()
                } else {
                    Builder::new_multi_thread()
                };
                let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
                runtime.block_on(everybody_calls(redis, 1_000 * number));
            });
        }
    });
    let metrics = redis.metrics();
    assert_eq!((metrics.timeouts, metrics.broken), (0, 0), "{metrics:?}");
}

#[test]
fn callers_in_several_runtimes_get_their_own_answers() {
    in_several_runtimes(10);
}

#[test]
fn callers_in_several_runtimes_get_their_own_answers_on_two_connections() {
    in_several_runtimes(2);
}

/// Runtimes begin and end in the middle of their calls.
fn while_others_end(max_connections: usize) {
    let server = RedisServer::start();
    let redis = configured(&server.url(), |config| config.max_connections = max_connections);
    let main = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    main.block_on(async { assert!(redis.initialize().await) });
    let load = main.block_on(async { Load::on(&redis, 32) });
    for number in 0..20 {
        let other = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let has_called = Arc::new(AtomicBool::new(false));
        for task in 0..CALLERS {
            let (redis, has_called) = (Arc::clone(&redis), Arc::clone(&has_called));
            other.spawn(async move {
                for round in 0_u64.. {
                    redis.get(format!("gone:{task}")).await;
                    redis.set(format!("gone:{task}"), round).ex(60).await;
                    has_called.store(true, Ordering::Relaxed);
                    // Where it is refused at once, it would never let its runtime end.
                    yield_now().await;
                }
            });
        }
        crate::support::wait_until("it has called", || has_called.load(Ordering::Relaxed));
        if number % 2 == 0 {
            other.shutdown_background();
        } else {
            other.shutdown_timeout(Duration::from_secs(5));
        }
    }
    main.block_on(load.end());
    main.block_on(everybody_calls(&redis, 1_000));
}

#[test]
fn a_runtime_that_ends_among_its_calls_hurts_no_other() {
    while_others_end(10);
}

#[test]
fn a_runtime_that_ends_among_its_calls_hurts_nobody_who_shares_a_connection() {
    while_others_end(1);
}

#[test]
fn a_manager_outlives_the_runtime_that_used_it_first() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    for number in 0..5 {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(everybody_calls(&redis, 1_000 * number));
    }
}
