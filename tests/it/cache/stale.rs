//! Behaviour 6: an old value rather than an error, for a time, and without pressing the source.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use redis_manager::{Cache, CachePolicy, Load, LoadError, RedisManager, Served, StaleReason};
use tokio::time::sleep;

use super::{Failure, HOUR, Runs, is_stored, put_stale};
use crate::support::{SLACK, eventually};

on_both_backends! {
    behaviour_06_a_failing_loader_gives_the_old_value_and_is_tried_at_most_once_per_window,
    behaviour_06_the_end_of_the_grace_is_a_hard_stop,
    behaviour_06_a_panicking_loader_gives_the_old_value,
    behaviour_06_many_keys_keep_to_the_window_as_well,
    behaviour_06_without_a_grace_the_error_is_the_callers,
    behaviour_06_an_old_value_is_served_while_it_is_loaded_anew,
    behaviour_06_a_refresh_takes_no_old_value,
    behaviour_06_the_loader_is_shown_the_old_value,
}

fn tolerant(redis: &RedisManager, retry_after: Duration) -> Cache {
    let policy = CachePolicy::new().stale_for(HOUR).retry_after(retry_after);
    redis.cache("stale").with(policy)
}

async fn failing(cache: &Cache, runs: &Runs) -> (Option<u64>, Served) {
    let load = runs.fail::<u64>();
    let answer = cache.get_or_load_with("k", move |_| async move { load().await.map(Load::new) });
    let answer = answer.await.unwrap();
    (answer.value, answer.served)
}

fn reason(served: Served) -> StaleReason {
    match served {
        Served::Stale { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

async fn behaviour_06_a_failing_loader_gives_the_old_value_and_is_tried_at_most_once_per_window(redis: &RedisManager) {
    let window = Duration::from_millis(200);
    let (cache, runs) = (tolerant(redis, window), Runs::default());
    put_stale(&cache, "k", &7_u64).await;
    let (value, served) = failing(&cache, &runs).await;
    assert_eq!((value, reason(served)), (Some(7), StaleReason::LoaderFailed));
    let began = Instant::now();
    while runs.count() < 5 {
        let before = runs.count();
        let (value, served) = failing(&cache, &runs).await;
        assert_eq!(value, Some(7));
        let was_tried = runs.count() > before;
        let expected = if was_tried {
            StaleReason::LoaderFailed
        } else {
            StaleReason::RetryLater
        };
        assert_eq!(reason(served), expected);
        sleep(Duration::from_millis(2)).await;
    }
    assert!(
        began.elapsed() >= 4 * window - Duration::from_millis(20),
        "{:?}",
        began.elapsed()
    );
    eventually("it is loaded", || async {
        cache.get_or_load("k", runs.bring(8_u64)).await.unwrap() == 8
    })
    .await;
    is_stored::<u64>(&cache, "k").await;
    assert_eq!(cache.get::<u64>("k").await, Some(8));
}

async fn behaviour_06_the_end_of_the_grace_is_a_hard_stop(redis: &RedisManager) {
    let (ttl, grace) = (Duration::from_millis(100), Duration::from_millis(700));
    let window = Duration::from_millis(150);
    let policy = CachePolicy::new().ttl(ttl).stale_for(grace).retry_after(window);
    let (cache, runs) = (redis.cache("stale").with(policy), Runs::default());
    assert!(cache.put("k", &7_u64).await);
    let began = Instant::now();
    let error = loop {
        let elapsed = began.elapsed();
        match cache.get_or_load("k", runs.fail::<u64>()).await {
            // What was asked for before its end may be answered after it.
            Ok(value) => assert!(
                value == 7 && elapsed < ttl + grace + Duration::from_millis(50),
                "{elapsed:?}"
            ),
            Err(error) => break error,
        }
        sleep(Duration::from_millis(2)).await;
    };
    let lived = began.elapsed();
    assert!(matches!(error, LoadError::Failed(_)), "{error:?}");
    assert!(
        lived + Duration::from_millis(50) >= ttl + grace && lived < ttl + grace + SLACK,
        "{lived:?}"
    );
    assert!((2..=6).contains(&runs.count()), "{}", runs.count());
    eventually("nothing of it is left", || async {
        !redis.exists(cache.key("k")).await
    })
    .await;
}

async fn behaviour_06_a_panicking_loader_gives_the_old_value(redis: &RedisManager) {
    let cache = tolerant(redis, HOUR);
    put_stale(&cache, "k", &7_u64).await;
    let load = || async { panic!("a bug in the loader") };
    let answer = cache.get_or_load::<u64, Failure, _, _>("k", load).await;
    assert_eq!(answer.unwrap(), 7);
    assert_eq!(cache.metrics().load_failures, 1);
}

async fn behaviour_06_many_keys_keep_to_the_window_as_well(redis: &RedisManager) {
    let (cache, runs) = (tolerant(redis, HOUR), Runs::default());
    for key in ["a", "b"] {
        put_stale(&cache, key, &7_u64).await;
    }
    for _ in 0..10 {
        let load = runs.fail::<Vec<(&str, u64)>>();
        let values = cache.get_or_load_many(["a", "b"], move |_| load()).await;
        assert_eq!(values.unwrap(), [Some(7), Some(7)]);
    }
    assert_eq!(runs.count(), 1);
    assert_eq!(cache.get_or_load("a", runs.fail::<u64>()).await.unwrap(), 7);
    assert_eq!(runs.count(), 1);
}

async fn behaviour_06_without_a_grace_the_error_is_the_callers(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("stale"), Runs::default());
    put_stale(&cache, "k", &7_u64).await;
    let error = cache.get_or_load("k", runs.fail::<u64>()).await.unwrap_err();
    assert_eq!(error.into_loader().unwrap(), "no database", "nobody else has it");
    assert_eq!(cache.get::<u64>("k").await, None);
}

async fn behaviour_06_an_old_value_is_served_while_it_is_loaded_anew(redis: &RedisManager) {
    let policy = CachePolicy::new().stale_while_revalidate(HOUR);
    let (cache, gate) = (redis.cache("stale").with(policy), super::Gate::closed());
    put_stale(&cache, "k", &7_u64).await;
    for _ in 0..20 {
        let load = gate.bring(8_u64);
        let answer = cache.get_or_load_with("k", move |_| async move { load().await.map(Load::new) });
        let answer = answer.await.unwrap();
        assert_eq!(
            (answer.value, reason(answer.served)),
            (Some(7), StaleReason::Revalidating)
        );
    }
    gate.is_reached().await;
    gate.open();
    eventually("it is fresh", || async { cache.get::<u64>("k").await == Some(8) }).await;
    let metrics = cache.metrics();
    assert_eq!((metrics.loads, metrics.stale), (1, 20), "{metrics:?}");
}

async fn behaviour_06_a_refresh_takes_no_old_value(redis: &RedisManager) {
    let (cache, runs) = (tolerant(redis, HOUR), Runs::default());
    assert!(cache.put("k", &7_u64).await);
    assert!(cache.refresh("k", runs.fail::<u64>()).await.is_err());
    assert_eq!(cache.get::<u64>("k").await, Some(7), "which stays");
    assert_eq!(cache.refresh("k", runs.bring(8_u64)).await.unwrap(), 8);
    eventually("it is stored", || async { cache.get::<u64>("k").await == Some(8) }).await;
}

async fn behaviour_06_the_loader_is_shown_the_old_value(redis: &RedisManager) {
    let cache = tolerant(redis, HOUR);
    let shown = Arc::new(Mutex::new(Vec::new()));
    let ask = || {
        let shown = Arc::clone(&shown);
        cache.get_or_load_with("k", move |loading| async move {
            shown.lock().unwrap().push(loading.stale);
            Ok::<_, Failure>(Load::new(loading.stale.unwrap_or_default() + 1_u64))
        })
    };
    assert_eq!(ask().await.unwrap().value, Some(1));
    is_stored::<u64>(&cache, "k").await;
    assert!(cache.expire("k").await);
    assert_eq!(ask().await.unwrap().value, Some(2));
    assert_eq!(*shown.lock().unwrap(), [None, Some(1)]);
}
