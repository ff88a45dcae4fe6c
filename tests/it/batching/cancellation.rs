//! Whoever goes away takes nothing from anybody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use redis_manager::RedisManager;
use tokio::time::timeout;

use super::{Dice, Load, at_once, patient};
use crate::support::RedisServer;

/// More than may be in flight at once.
const CROWD: usize = 1_500;

async fn everybody_is_answered(redis: &Arc<RedisManager>) {
    let answers = at_once(CROWD, |task| {
        let redis = Arc::clone(redis);
        async move {
            let (strings, key) = (redis.service().string(), format!("crowd:{task}"));
            assert!(strings.set(&key, task).ex(3_600).await.unwrap());
            strings.get::<usize>(&key).await.unwrap()
        }
    })
    .await;
    assert!(answers.into_iter().eq((0..CROWD).map(Some)));
}

fn assert_undisturbed(redis: &RedisManager) {
    let metrics = redis.metrics();
    let disturbances = (metrics.connects, metrics.broken, metrics.timeouts, metrics.outages);
    assert_eq!(disturbances, (1, 0, 0, 0), "{metrics:?}");
}

/// Calls that end in the middle, some by a time limit, some with their task.
async fn come_and_go(redis: &Arc<RedisManager>, task: usize, counted: &AtomicI64, tried: &AtomicI64) {
    let mut dice = Dice::of(task);
    for round in 0..60 {
        let key = format!("gone:{}", dice.below(50));
        let limit = Duration::from_micros(dice.below(400) as u64);
        let chance = dice.below(6);
        let (called, counted_here) = (Arc::clone(redis), chance == 5);
        let call = async move {
            match chance {
                0 => drop(called.get(&key).await),
                1 => drop(called.get_many([&key, "nobody"]).await),
                2 => drop(called.set(&key, round).await),
                3 => drop(called.set(&key, round).ex(60).await),
                4 => drop(called.lookup(&key).await),
                _ => return called.incr("count").await,
            }
            None
        };
        if counted_here {
            tried.fetch_add(1, Ordering::Relaxed);
        }
        if dice.below(2) == 0 {
            if let Ok(Some(_count)) = timeout(limit, call).await {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            let call = tokio::spawn(call);
            tokio::time::sleep(limit).await;
            call.abort();
            if let Ok(Some(_count)) = call.await {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_go_take_nobodys_answer_and_nobodys_place() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    let load = Load::on(&redis, 32);
    let (counted, tried) = <(Arc<AtomicI64>, Arc<AtomicI64>)>::default();
    at_once(200, |task| {
        let (redis, counted, tried) = (Arc::clone(&redis), Arc::clone(&counted), Arc::clone(&tried));
        async move { come_and_go(&redis, task, &counted, &tried).await }
    })
    .await;
    load.end().await;
    let count: i64 = redis.service().string().get("count").await.unwrap().unwrap_or(0);
    let (counted, tried) = (counted.load(Ordering::Relaxed), tried.load(Ordering::Relaxed));
    assert!((counted..=tried).contains(&count), "{counted} ≤ {count} ≤ {tried}");
    everybody_is_answered(&redis).await;
    assert_undisturbed(&redis);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_batch_that_goes_leaves_nothing_behind() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    assert!(redis.initialize().await);
    server.stop();
    for _ in 0..5 {
        let callers = at_once(300, |task| {
            let redis = Arc::clone(&redis);
            async move {
                let limit = Duration::from_millis(1 + task as u64 % 20);
                let read = timeout(limit, redis.get("k")).await;
                let write = timeout(limit, redis.set("k", task).into_future()).await;
                (read.is_err(), write.is_err())
            }
        })
        .await;
        assert!(callers.into_iter().all(|(read, write)| read && write), "nobody answers");
    }
    server.resume();
    everybody_is_answered(&redis).await;
    assert_undisturbed(&redis);
}
