//! Behaviour 7: a slow loader holds nobody up who has an old value, and nobody at all for ever.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use redis_manager::{CacheAnswer, CachePolicy, Load, LoadError, RedisManager, Served, StaleReason};
use tokio::task::JoinSet;

use super::{Failure, Gate, HOUR, Runs, put_stale};
use crate::support::{SLACK, eventually};

on_both_backends! {
    behaviour_07_after_the_soft_timeout_the_old_value_is_served_and_the_load_goes_on,
    behaviour_07_without_an_old_value_a_soft_timeout_waits,
    behaviour_07_a_load_that_never_ends_is_aborted_and_the_next_caller_loads,
    behaviour_07_all_who_wait_for_a_load_that_never_ends_are_told,
    behaviour_07_after_the_hard_timeout_the_old_value_is_served,
    behaviour_07_a_load_that_never_ends_for_many_keys_is_aborted,
}

/// Knows whether the loader that holds it was dropped.
#[derive(Clone, Default)]
struct Dropped(Arc<AtomicBool>);

struct Held(Dropped);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.store(true, SeqCst);
    }
}

impl Dropped {
    async fn never(self) -> Result<u64, Failure> {
        let _held = Held(self);
        pending().await
    }
}

fn reason(answer: &CacheAnswer<u64>) -> (Option<u64>, StaleReason) {
    match answer.served {
        Served::Stale { reason, .. } => (answer.value, reason),
        other => panic!("{other:?}"),
    }
}

async fn behaviour_07_after_the_soft_timeout_the_old_value_is_served_and_the_load_goes_on(redis: &RedisManager) {
    let policy = CachePolicy::new()
        .stale_for(HOUR)
        .soft_timeout(Duration::from_millis(50));
    let (cache, gate, runs) = (redis.cache("timeouts").with(policy), Gate::closed(), Runs::default());
    put_stale(&cache, "k", &7_u64).await;
    for _ in 0..3 {
        let began = Instant::now();
        let (gate, runs) = (gate.clone(), runs.clone());
        let load = move |_| async move {
            runs.one_more();
            gate.pass().await;
            Ok::<_, Failure>(Load::new(8_u64))
        };
        let answer = cache.get_or_load_with("k", load).await.unwrap();
        assert_eq!(reason(&answer), (Some(7), StaleReason::SoftTimeout));
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(50) && waited < SLACK, "{waited:?}");
    }
    gate.open();
    eventually("it is fresh", || async { cache.get::<u64>("k").await == Some(8) }).await;
    assert_eq!((runs.count(), cache.metrics().stale), (1, 3));
}

async fn behaviour_07_without_an_old_value_a_soft_timeout_waits(redis: &RedisManager) {
    let policy = CachePolicy::new()
        .stale_for(HOUR)
        .soft_timeout(Duration::from_millis(1));
    let cache = redis.cache("timeouts").with(policy);
    let load = || async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<u64, Failure>(7)
    };
    assert_eq!(cache.get_or_load("k", load).await.unwrap(), 7);
}

async fn behaviour_07_a_load_that_never_ends_is_aborted_and_the_next_caller_loads(redis: &RedisManager) {
    let hard = Duration::from_millis(100);
    let cache = redis.cache("timeouts").with(CachePolicy::new().hard_timeout(hard));
    let (began, dropped) = (Instant::now(), Dropped::default());
    let load = dropped.clone();
    let error = cache.get_or_load("k", move || load.never()).await.unwrap_err();
    assert!(
        matches!(error, LoadError::TimedOut(timeout) if timeout == hard),
        "{error:?}"
    );
    assert!(
        began.elapsed() >= hard && began.elapsed() < hard + SLACK,
        "{:?}",
        began.elapsed()
    );
    assert!(dropped.0.load(SeqCst), "it was aborted");
    assert_eq!(cache.get_or_load("k", Runs::default().bring(7_u64)).await.unwrap(), 7);
    assert_eq!(cache.metrics().load_failures, 1);
}

async fn behaviour_07_all_who_wait_for_a_load_that_never_ends_are_told(redis: &RedisManager) {
    let policy = CachePolicy::new().hard_timeout(Duration::from_millis(100));
    let cache = redis.cache("timeouts").with(policy);
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let cache = cache.clone();
        callers.spawn(async move { cache.get_or_load("k", || Dropped::default().never()).await.unwrap_err() });
    }
    for error in callers.join_all().await {
        assert!(matches!(error, LoadError::TimedOut(_)), "{error:?}");
    }
    assert_eq!(cache.metrics().loads, 1);
}

async fn behaviour_07_after_the_hard_timeout_the_old_value_is_served(redis: &RedisManager) {
    let hard = Duration::from_millis(100);
    let policy = CachePolicy::new()
        .stale_for(HOUR)
        .hard_timeout(hard)
        .retry_after(5 * hard);
    let cache = redis.cache("timeouts").with(policy);
    put_stale(&cache, "k", &7_u64).await;
    let ask = || {
        cache.get_or_load_with("k", |loading| async move {
            assert_eq!(loading.hard_timeout, Duration::from_millis(100));
            Dropped::default().never().await.map(Load::new)
        })
    };
    assert_eq!(reason(&ask().await.unwrap()), (Some(7), StaleReason::HardTimeout));
    assert_eq!(reason(&ask().await.unwrap()), (Some(7), StaleReason::RetryLater));
    eventually("it is loaded", || async {
        cache.get_or_load("k", Runs::default().bring(8_u64)).await.unwrap() == 8
    })
    .await;
}

async fn behaviour_07_a_load_that_never_ends_for_many_keys_is_aborted(redis: &RedisManager) {
    let policy = CachePolicy::new().hard_timeout(Duration::from_millis(100));
    let cache = redis.cache("timeouts").with(policy);
    let never = |_| pending::<Result<Vec<(&str, u64)>, Failure>>();
    let error = cache.get_or_load_many(["a", "b"], never).await.unwrap_err();
    assert!(matches!(error, LoadError::TimedOut(_)), "{error:?}");
    let load = |keys: Vec<&'static str>| async move { Ok::<_, Failure>(vec![(keys[0], 1_u64), (keys[1], 2)]) };
    assert_eq!(
        cache.get_or_load_many(["a", "b"], load).await.unwrap(),
        [Some(1), Some(2)]
    );
}
