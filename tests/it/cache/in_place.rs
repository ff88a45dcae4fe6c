//! Behaviour 4 for loaders that borrow: they run where they are called, and what becomes of them is nobody else's trouble.

use std::time::Duration;

use redis_manager::{CachePolicy, RedisManager};
use tokio::{task::JoinSet, time::sleep};

use super::{Failure, Gate, HOUR, Runs, is_stored, put_stale};
use crate::support::{SLACK, eventually};

on_both_backends! {
    behaviour_04_in_place_a_loader_may_borrow_and_runs_once,
    behaviour_04_in_place_one_takes_over_from_a_caller_who_goes,
    behaviour_04_in_place_a_failure_is_its_callers_alone,
    behaviour_04_in_place_a_panic_leaves_nobody_waiting,
    behaviour_04_in_place_after_the_hard_timeout_others_load,
    behaviour_04_in_place_what_is_found_may_be_nothing,
    behaviour_06_in_place_a_failing_loader_gives_the_old_value,
}

async fn behaviour_04_in_place_a_loader_may_borrow_and_runs_once(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("in place"), Runs::default());
    let text = String::from("borrowed");
    let callers = (0..100).map(|_| {
        cache.get_or_load_in_place("k", || async {
            runs.one_more();
            sleep(Duration::from_millis(20)).await;
            // It cannot be sent either.
            let there = std::rc::Rc::new(text.as_str());
            Ok::<_, Failure>(there.to_string())
        })
    });
    for value in futures_util::future::join_all(callers).await {
        assert_eq!(value.unwrap(), "borrowed");
    }
    assert_eq!(runs.count(), 1);
    is_stored::<String>(&cache, "k").await;
    let cached = cache.get_or_load_in_place("k", runs.fail::<String>()).await;
    assert_eq!(cached.unwrap(), "borrowed");
}

async fn behaviour_04_in_place_one_takes_over_from_a_caller_who_goes(redis: &RedisManager) {
    let (cache, runs, gate) = (redis.cache("in place"), Runs::default(), Gate::closed());
    let leader = tokio::spawn({
        let (cache, load) = (cache.clone(), gate.bring(7_u64));
        async move { cache.get_or_load_in_place("k", load).await }
    });
    gate.is_reached().await;
    let mut others = JoinSet::new();
    for _ in 0..100 {
        let (cache, runs) = (cache.clone(), runs.clone());
        others.spawn(async move {
            let load = || async {
                runs.one_more();
                sleep(Duration::from_millis(20)).await;
                Ok::<u64, Failure>(8)
            };
            cache.get_or_load_in_place("k", load).await.unwrap()
        });
    }
    sleep(Duration::from_millis(50)).await;
    assert_eq!(runs.count(), 0, "they wait");
    leader.abort();
    assert_eq!(others.join_all().await, [8; 100]);
    assert_eq!(runs.count(), 1);
    is_stored::<u64>(&cache, "k").await;
}

async fn behaviour_04_in_place_a_failure_is_its_callers_alone(redis: &RedisManager) {
    let (cache, runs, gate) = (redis.cache("in place"), Runs::default(), Gate::closed());
    let failing = cache.get_or_load_in_place("k", || async {
        gate.pass().await;
        Err::<u64, _>("no database")
    });
    let waiting = async {
        gate.is_reached().await;
        let waiting = cache.get_or_load_in_place("k", runs.bring(7_u64));
        let opening = async {
            sleep(Duration::from_millis(20)).await;
            gate.open();
        };
        tokio::join!(waiting, opening).0
    };
    let (failed, value) = tokio::join!(failing, waiting);
    assert_eq!((failed, value), (Err("no database"), Ok(7)));
    assert_eq!(runs.count(), 1);
}

async fn behaviour_04_in_place_a_panic_leaves_nobody_waiting(redis: &RedisManager) {
    let (cache, runs, gate) = (redis.cache("in place"), Runs::default(), Gate::closed());
    let panicking = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move {
            let load = || async {
                gate.pass().await;
                panic!("a bug in the loader")
            };
            cache.get_or_load_in_place::<u64, Failure, _, _>("k", load).await
        }
    });
    gate.is_reached().await;
    let waiting = tokio::spawn({
        let (cache, load) = (cache.clone(), runs.bring(7_u64));
        async move { cache.get_or_load_in_place("k", load).await }
    });
    sleep(Duration::from_millis(20)).await;
    gate.open();
    assert!(panicking.await.unwrap_err().is_panic(), "its caller's own");
    assert_eq!(waiting.await.unwrap(), Ok(7));
    assert_eq!(cache.get_or_load_in_place("k", runs.bring(7_u64)).await, Ok(7));
}

async fn behaviour_04_in_place_after_the_hard_timeout_others_load(redis: &RedisManager) {
    let policy = CachePolicy::new().hard_timeout(Duration::from_millis(50));
    let (cache, runs, gate) = (redis.cache("in place").with(policy), Runs::default(), Gate::closed());
    let slow = cache.get_or_load_in_place("k", gate.bring(7_u64));
    let other = async {
        gate.is_reached().await;
        let other = cache.get_or_load_in_place("k", runs.bring(8_u64));
        let other = tokio::time::timeout(SLACK, other).await.unwrap();
        is_stored::<u64>(&cache, "k").await;
        gate.open();
        other
    };
    assert_eq!(tokio::join!(slow, other), (Ok(7), Ok(8)), "it goes on for its caller");
    assert_eq!(cache.get::<u64>("k").await, Some(8), "and is not stored");
}

async fn behaviour_04_in_place_what_is_found_may_be_nothing(redis: &RedisManager) {
    let policy = CachePolicy::new().negative_ttl(HOUR);
    let (cache, runs) = (redis.cache("in place").with(policy), Runs::default());
    let found = cache.find_or_load_in_place("k", runs.bring(None::<u64>)).await;
    assert_eq!(found, Ok(None));
    is_stored::<u64>(&cache, "k").await;
    let found = cache.find_or_load_in_place("k", runs.bring(Some(7_u64))).await;
    assert_eq!(found, Ok(None), "that is known");
    assert_eq!(cache.get_or_load_in_place("k", runs.bring(7_u64)).await, Ok(7));
    assert_eq!(runs.count(), 2);
}

async fn behaviour_06_in_place_a_failing_loader_gives_the_old_value(redis: &RedisManager) {
    let policy = CachePolicy::new()
        .stale_for(HOUR)
        .retry_after(Duration::from_millis(200));
    let (cache, runs) = (redis.cache("in place").with(policy), Runs::default());
    put_stale(&cache, "k", &7_u64).await;
    for _ in 0..20 {
        assert_eq!(cache.get_or_load_in_place("k", runs.fail::<u64>()).await, Ok(7));
    }
    assert_eq!(runs.count(), 1, "it is not tried again yet");
    assert_eq!(cache.metrics().stale, 20);
    eventually("it is tried again", || async {
        cache.get_or_load_in_place("k", runs.bring(8_u64)).await == Ok(8)
    })
    .await;
    let stale = cache.metrics().stale;
    is_stored::<u64>(&cache, "k").await;
    assert_eq!(cache.get_or_load_in_place("k", runs.fail::<u64>()).await, Ok(8));
    assert_eq!(cache.metrics().stale, stale);
}
