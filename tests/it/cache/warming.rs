//! Loading ahead of need, anew, and many at once.

use std::sync::{Arc, Mutex};

use redis_manager::{LoadError, RedisManager};

use super::{Failure, Gate, Runs, is_stored};
use crate::support::eventually;

on_both_backends! {
    warm_loads_what_is_missing_and_tells_how_far_it_is,
    warm_ends_with_the_first_failure_and_keeps_what_was_loaded,
    warm_of_nothing_is_done_at_once,
    refresh_loads_whatever_is_there,
    get_or_load_many_keeps_the_order_and_loads_what_is_missing_once,
    get_or_load_many_waits_for_what_others_load,
}

/// A loader of squares that notes what it was asked for.
fn squares(
    asked: &Arc<Mutex<Vec<usize>>>,
) -> impl Fn(Vec<String>) -> super::Loading<Vec<(String, u64)>> + Clone + use<> {
    let asked = Arc::clone(asked);
    move |keys| {
        asked.lock().unwrap().push(keys.len());
        let square = |key: String| {
            let number: u64 = key.parse().unwrap();
            // There are no odd ones.
            number.is_multiple_of(2).then_some((key, number * number))
        };
        let found = keys.into_iter().filter_map(square).collect();
        Box::pin(async move { Ok(found) })
    }
}

fn names(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

async fn warm_loads_what_is_missing_and_tells_how_far_it_is(redis: &RedisManager) {
    let (cache, asked) = (redis.cache("warming"), Arc::default());
    assert!(cache.put("0", &0_u64).await && cache.put("1200", &1_u64).await);
    let mut told = Vec::new();
    let done = cache
        .warm(names(0..1_300), squares(&asked), |progress| told.push(progress))
        .await;
    let done = done.unwrap();
    assert_eq!((done.done, done.total, done.found), (1_300, 1_300, 650));
    assert_eq!(*asked.lock().unwrap(), [499, 500, 299]);
    let steps: Vec<_> = told
        .iter()
        .map(|progress| (progress.done, progress.total, progress.found))
        .collect();
    assert_eq!(steps, [(500, 1_300, 250), (1_000, 1_300, 500), (1_300, 1_300, 650)]);
    eventually("all is stored", || async { cache.metrics().stored == 650 }).await;
    assert_eq!(cache.get::<u64>("1200").await, Some(1), "it is left alone");
    assert_eq!(cache.get::<u64>("1298").await, Some(1_298 * 1_298));
}

async fn warm_ends_with_the_first_failure_and_keeps_what_was_loaded(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("warming"), Runs::default());
    let load = {
        let runs = runs.clone();
        move |keys: Vec<String>| {
            let is_first = runs.one_more() == 1;
            let pairs = keys.into_iter().map(|key| (key, 7_u64)).collect::<Vec<_>>();
            async move { if is_first { Ok(pairs) } else { Err("no database") } }
        }
    };
    let mut told = 0;
    let error = cache.warm(names(0..1_500), load, |_| told += 1).await.unwrap_err();
    assert!(matches!(error, LoadError::Failed(_)), "{error:?}");
    assert_eq!((runs.count(), told), (2, 1));
    eventually("they are stored", || async { cache.get::<u64>("499").await == Some(7) }).await;
}

async fn warm_of_nothing_is_done_at_once(redis: &RedisManager) {
    let (cache, asked) = (redis.cache("warming"), Arc::default());
    let done = cache.warm(Vec::<String>::new(), squares(&asked), |_| {}).await.unwrap();
    assert_eq!(done, redis_manager::WarmProgress::default());
    assert!(asked.lock().unwrap().is_empty());
}

async fn refresh_loads_whatever_is_there(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("warming"), Runs::default());
    for value in 1..4_u64 {
        assert_eq!(cache.refresh("k", runs.bring(value)).await.unwrap(), value);
        eventually("it is stored", || async { cache.get::<u64>("k").await == Some(value) }).await;
    }
    assert!(cache.refresh("k", runs.fail::<u64>()).await.is_err());
    assert_eq!(cache.get::<u64>("k").await, Some(3));
    assert_eq!(cache.metrics().loads, 4);
}

async fn get_or_load_many_keeps_the_order_and_loads_what_is_missing_once(redis: &RedisManager) {
    let (cache, asked) = (redis.cache("warming"), Arc::default());
    assert!(cache.put("4", &1_u64).await);
    let keys = || ["6", "1", "4", "6", "2"].map(str::to_owned);
    let expected = [Some(36), None, Some(1), Some(36), Some(4)];
    assert_eq!(cache.get_or_load_many(keys(), squares(&asked)).await.unwrap(), expected);
    eventually("all is stored", || async { cache.metrics().stored == 3 }).await;
    assert_eq!(cache.get_or_load_many(keys(), squares(&asked)).await.unwrap(), expected);
    // Each once; that there is no 1 is not remembered.
    assert_eq!(*asked.lock().unwrap(), [3, 1]);
    let none = cache.get_or_load_many(Vec::<String>::new(), squares(&asked)).await;
    assert!(none.unwrap().is_empty() && asked.lock().unwrap().len() == 2);
}

async fn get_or_load_many_waits_for_what_others_load(redis: &RedisManager) {
    let (cache, asked, gate) = (redis.cache("warming"), Arc::default(), Gate::closed());
    let other = cache.get_or_load("6", gate.bring(7_u64));
    let many = async {
        gate.is_reached().await;
        let many = cache.get_or_load_many(["2".to_owned(), "6".to_owned()], squares(&asked));
        let opening = async {
            is_stored::<u64>(&cache, "2").await;
            gate.open();
        };
        tokio::join!(many, opening).0
    };
    let (other, many) = tokio::join!(other, many);
    assert_eq!((other.unwrap(), many.unwrap()), (7, vec![Some(4), Some(7)]));
    assert_eq!(*asked.lock().unwrap(), [1]);
    let failed = cache.get_or_load_many(["8"], |_| async { Err::<Vec<(&str, u64)>, Failure>("no database") });
    assert!(failed.await.is_err());
}
