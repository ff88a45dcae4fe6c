//! Behaviour 12: what is hot is loaded anew before anybody has to wait for it, and not more often than it need be.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use redis_manager::{Cache, CachePolicy, Load, RedisManager, Served};
use tokio::{task::JoinSet, time::sleep};

use super::{Failure, HOUR, Runs, is_stored};
use crate::support::eventually;

on_both_backends! {
    behaviour_12_past_the_threshold_nobody_waits_after_warming_up,
    behaviour_12_by_xfetch_nobody_waits_after_warming_up,
    behaviour_12_without_a_policy_or_with_a_beta_of_zero_nothing_is_loaded_ahead,
    behaviour_12_a_load_ahead_that_fails_is_not_tried_again_at_once,
    behaviour_12_a_slow_load_ahead_holds_nobody_up,
}

fn ahead(redis: &RedisManager, policy: CachePolicy) -> Cache {
    redis.cache("ahead").with(policy)
}

/// Asks from several tasks for so long, and returns how many answers came from a loader.
async fn under_load(cache: &Cache, runs: &Runs, cost: Duration, time: Duration) -> usize {
    let (waited, mut callers) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    let began = Instant::now();
    for _ in 0..8 {
        let (cache, runs, waited) = (cache.clone(), runs.clone(), Arc::clone(&waited));
        callers.spawn(async move {
            while began.elapsed() < time {
                let runs = runs.clone();
                let load = move |_| async move {
                    runs.one_more();
                    sleep(cost).await;
                    Ok::<_, Failure>(Load::new(7_u64))
                };
                let answer = cache.get_or_load_with("hot", load).await.unwrap();
                if !matches!(answer.served, Served::Cached { .. }) {
                    waited.fetch_add(1, SeqCst);
                }
                sleep(Duration::from_millis(5)).await;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    waited.load(SeqCst)
}

async fn behaviour_12_past_the_threshold_nobody_waits_after_warming_up(redis: &RedisManager) {
    let ttl = Duration::from_millis(800);
    let (cache, runs) = (
        ahead(redis, CachePolicy::new().ttl(ttl).refresh_ahead(0.6)),
        Runs::default(),
    );
    assert_eq!(cache.get_or_load("hot", runs.bring(7_u64)).await.unwrap(), 7);
    is_stored::<u64>(&cache, "hot").await;
    let waited = under_load(&cache, &runs, Duration::from_millis(20), 4 * ttl).await;
    assert_eq!(waited, 0);
    // One for each 0.6 of the time to live, and the first one.
    assert!((4..=8).contains(&runs.count()), "{}", runs.count());
}

async fn behaviour_12_by_xfetch_nobody_waits_after_warming_up(redis: &RedisManager) {
    let ttl = Duration::from_secs(1);
    let (cache, runs) = (ahead(redis, CachePolicy::new().ttl(ttl).xfetch(1.0)), Runs::default());
    let load = |_: u64| async {
        sleep(Duration::from_millis(50)).await;
        Ok::<u64, Failure>(7)
    };
    assert_eq!(cache.get_or_load("hot", move || load(0)).await.unwrap(), 7);
    is_stored::<u64>(&cache, "hot").await;
    let waited = under_load(&cache, &runs, Duration::from_millis(50), 4 * ttl).await;
    assert_eq!(waited, 0);
    // Of some hundred requests in the last quarter one is chosen early: by ln(1600) of the cost on average.
    assert!((3..=9).contains(&runs.count()), "{}", runs.count());
}

async fn behaviour_12_without_a_policy_or_with_a_beta_of_zero_nothing_is_loaded_ahead(redis: &RedisManager) {
    for policy in [CachePolicy::new(), CachePolicy::new().xfetch(0.0).refresh_ahead(1.0)] {
        let (cache, runs) = (ahead(redis, policy.ttl(Duration::from_millis(500))), Runs::default());
        cache.clear().await;
        let load = runs.clone();
        let slow = move || async move {
            load.one_more();
            sleep(Duration::from_millis(100)).await;
            Ok::<u64, Failure>(7)
        };
        assert_eq!(cache.get_or_load("k", slow).await.unwrap(), 7);
        let loaded = Instant::now();
        is_stored::<u64>(&cache, "k").await;
        loop {
            let load = runs.bring(8_u64);
            let answer = cache.get_or_load_with("k", move |_| async move { load().await.map(Load::new) });
            match answer.await.unwrap().served {
                Served::Cached { .. } => assert_eq!(runs.count(), 1),
                served => break assert_eq!(served, Served::Loaded),
            }
        }
        assert!(runs.count() == 2 && loaded.elapsed() >= Duration::from_millis(300));
    }
}

async fn behaviour_12_a_load_ahead_that_fails_is_not_tried_again_at_once(redis: &RedisManager) {
    let policy = CachePolicy::new()
        .ttl(Duration::from_secs(20))
        .refresh_ahead(0.001)
        .retry_after(HOUR);
    let (cache, runs) = (ahead(redis, policy), Runs::default());
    assert!(cache.put("k", &7_u64).await);
    eventually("it is tried", || async {
        assert_eq!(cache.get_or_load("k", runs.fail::<u64>()).await.unwrap(), 7);
        runs.count() == 1
    })
    .await;
    for _ in 0..50 {
        assert_eq!(cache.get_or_load("k", runs.fail::<u64>()).await.unwrap(), 7);
    }
    assert_eq!(runs.count(), 1);
}

async fn behaviour_12_a_slow_load_ahead_holds_nobody_up(redis: &RedisManager) {
    let policy = CachePolicy::new().ttl(Duration::from_secs(20)).refresh_ahead(0.001);
    let (cache, gate) = (ahead(redis, policy), super::Gate::closed());
    assert!(cache.put("k", &7_u64).await);
    sleep(Duration::from_millis(25)).await;
    for _ in 0..50 {
        assert_eq!(cache.get_or_load("k", gate.bring(8_u64)).await.unwrap(), 7);
    }
    gate.is_reached().await;
    assert_eq!(cache.metrics().loads, 1);
    gate.open();
    eventually("it is loaded", || async { cache.get::<u64>("k").await == Some(8) }).await;
}
