//! Many keys at once.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use redis_manager::{Cache, CachePolicy};
use tokio::task::JoinSet;

use super::reads;
use crate::support::{RedisServer, eventually, is_surveyed};

/// Loads the number in a key, and remembers what it was asked for.
#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<Vec<Vec<String>>>>);

impl Numbers {
    async fn through(&self, cache: &Cache, keys: Vec<String>) -> Vec<Option<u64>> {
        let asked = Arc::clone(&self.0);
        let load = move |keys: Vec<String>| async move {
            asked.lock().unwrap().push(keys.clone());
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, Infallible>(keys.iter().map(|key| (key.clone(), number(key))).collect())
        };
        cache.get_or_load_many(keys, load).await.unwrap()
    }

    /// What the loader was asked for since the last time.
    fn asked(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn number(key: &str) -> u64 {
    key.rsplit(':').next().unwrap().parse().unwrap()
}

fn keys(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("k:{number}")).collect()
}

fn values(numbers: impl IntoIterator<Item = u64>) -> Vec<Option<u64>> {
    numbers.into_iter().map(Some).collect()
}

async fn are_stored(cache: &Cache, keys: &[String]) {
    eventually("they are stored", || async {
        cache.get_many::<u64, _>(keys).await.iter().all(Option::is_some)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_10_a_thousand_keys_are_one_round_trip_and_one_load_of_what_is_missing() {
    let server = RedisServer::start();
    let redis = server.manager();
    let (cache, numbers) = (redis.cache("c"), Numbers::default());
    let there = keys((0..1_000).filter(|number| number % 10 != 3));
    numbers.through(&cache, there.clone()).await;
    are_stored(&cache, &there).await;
    numbers.asked();
    is_surveyed(&redis).await;
    // Not in the order in which they were stored.
    let wanted = || (0..1_000).rev();
    server.forget_executed();
    assert_eq!(numbers.through(&cache, keys(wanted())).await, values(wanted()));
    assert_eq!(reads(&server), ["mget:calls=1"]);
    assert_eq!(numbers.asked(), [keys(wanted().filter(|number| number % 10 == 3))]);
    are_stored(&cache, &keys(0..1_000)).await;
    assert_eq!(numbers.through(&cache, keys(wanted())).await, values(wanted()));
    assert!(numbers.asked().is_empty());
    assert_eq!(cache.metrics().loads, 2);
}

#[tokio::test]
async fn behaviour_10_keys_that_are_named_twice_are_loaded_once_and_none_is_no_load() {
    let server = RedisServer::start();
    let redis = server.manager();
    let (cache, numbers) = (redis.cache("c"), Numbers::default());
    let twice = || [3, 1, 3, 2, 1];
    assert_eq!(numbers.through(&cache, keys(twice())).await, values(twice()));
    assert_eq!(numbers.asked(), [keys([3, 1, 2])]);
    assert!(numbers.through(&cache, Vec::new()).await.is_empty());
    assert!(numbers.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_10_overlapping_calls_at_one_time_load_each_key_once() {
    let server = RedisServer::start();
    let redis = server.manager();
    let (cache, numbers) = (redis.cache("c"), Numbers::default());
    let mut callers = JoinSet::new();
    for first in 0..40 {
        let (cache, numbers) = (cache.clone(), numbers.clone());
        callers.spawn(async move {
            let wanted = || first..first + 30;
            assert_eq!(numbers.through(&cache, keys(wanted())).await, values(wanted()));
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let mut loaded = HashMap::<String, usize>::new();
    for key in numbers.asked().into_iter().flatten() {
        *loaded.entry(key).or_default() += 1;
    }
    assert_eq!(loaded.len(), 69);
    assert!(loaded.values().all(|times| *times == 1), "{loaded:?}");
}

#[tokio::test]
async fn behaviour_10_what_the_loader_does_not_bring_is_none_and_remembered_if_wanted() {
    let server = RedisServer::start();
    let redis = server.manager();
    let cache = redis
        .cache("c")
        .with(CachePolicy::new().negative_ttl(Duration::from_secs(60)));
    let even = |keys: Vec<String>| async move {
        let found = keys.into_iter().map(|key| (number(&key), key));
        let even = found.filter(|(number, _)| number % 2 == 0);
        Ok::<Vec<(String, u64)>, Infallible>(even.map(|(number, key)| (key, number)).collect())
    };
    let found = cache.get_or_load_many(keys(0..4), even).await.unwrap();
    assert_eq!(found, [Some(0), None, Some(2), None]);
    eventually("that is remembered", || async {
        let nothing = cache.lookup::<u64>("k:3").await;
        nothing == redis_manager::CacheLookup::NotFound
    })
    .await;
    let never = |keys: Vec<String>| async move { panic!("{keys:?} are loaded again") };
    let found = cache
        .get_or_load_many::<_, u64, Infallible, _, _>(keys(0..4), never)
        .await;
    assert_eq!(found.unwrap(), [Some(0), None, Some(2), None]);
}

#[tokio::test]
async fn behaviour_10_in_an_outage_all_keys_are_loaded_at_once() {
    let redis = RedisServer::absent(&[]).manager();
    let (cache, numbers) = (redis.cache("c"), Numbers::default());
    assert_eq!(numbers.through(&cache, keys(0..100)).await, values(0..100));
    assert_eq!(numbers.asked(), [keys(0..100)]);
}
