//! Behaviour 4: one load at a time for each key, and nobody who waits for it is left alone.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use redis_manager::{Cache, CachePolicy, LoadError, RedisManager};
use tokio::{
    runtime::Builder,
    task::{JoinSet, yield_now},
    time::sleep,
};

use super::{Failure, Gate, Runs, is_stored};
use crate::support::{RedisServer, SLACK, eventually};

on_both_backends! {
    behaviour_04_ten_thousand_callers_of_a_cold_key_run_the_loader_once,
    behaviour_04_a_leader_that_is_aborted_takes_nobodys_value_away,
    behaviour_04_a_panic_reaches_all_who_wait_and_the_next_call_loads,
    behaviour_04_an_error_reaches_all_who_wait_and_the_next_call_loads,
    behaviour_04_loads_of_different_types_do_not_meet,
    behaviour_04_who_needs_a_value_does_not_take_nothing_found_for_one,
    behaviour_04_a_value_that_cannot_be_stored_is_the_callers_all_the_same,
}

async fn behaviour_04_ten_thousand_callers_of_a_cold_key_run_the_loader_once(redis: &RedisManager) {
    all_share_one_load(&redis.cache("flights"), 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behaviour_04_callers_on_many_threads_run_the_loader_once() {
    let server = RedisServer::start();
    let redis = crate::face::patient(&server.url(), "");
    all_share_one_load(&redis.cache("flights"), 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behaviour_04_without_redis_callers_share_a_load_as_well() {
    all_share_one_load(&RedisManager::disabled("a test").cache("flights"), 10_000).await;
}

async fn all_share_one_load(cache: &Cache, count: u64) {
    let (runs, gate) = (Runs::default(), Gate::closed());
    let mut callers = JoinSet::new();
    for _ in 0..count {
        let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
        callers.spawn(async move {
            let load = move || async move {
                runs.one_more();
                gate.pass().await;
                Ok::<u64, Failure>(7)
            };
            cache.get_or_load("cold", load).await.unwrap()
        });
    }
    gate.is_reached().await;
    // Who comes after it has landed, and was not stored, loads for himself.
    eventually("all have come", || async { cache.metrics().misses == count }).await;
    sleep(Duration::from_millis(50)).await;
    gate.open();
    assert!(callers.join_all().await.into_iter().all(|value| value == 7));
    assert_eq!(runs.count(), 1);
    let metrics = cache.metrics();
    assert_eq!((metrics.loads, metrics.load_failures), (1, 0));
    assert_eq!(metrics.shared + metrics.hits, count - 1, "{metrics:?}");
}

async fn behaviour_04_a_leader_that_is_aborted_takes_nobodys_value_away(redis: &RedisManager) {
    let (cache, runs, gate) = (redis.cache("flights"), Runs::default(), Gate::closed());
    let leader = tokio::spawn({
        let (cache, load) = (cache.clone(), gate.bring(7_u64));
        async move { cache.get_or_load("k", load).await }
    });
    gate.is_reached().await;
    let mut others = JoinSet::new();
    for _ in 0..100 {
        let (cache, load) = (cache.clone(), runs.bring(8_u64));
        others.spawn(async move { cache.get_or_load("k", load).await.unwrap() });
    }
    yield_now().await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    gate.open();
    assert_eq!(others.join_all().await, [7; 100]);
    assert_eq!(runs.count(), 0);
    is_stored::<u64>(&cache, "k").await;
}

async fn behaviour_04_a_panic_reaches_all_who_wait_and_the_next_call_loads(redis: &RedisManager) {
    let (cache, gate) = (redis.cache("flights"), Gate::closed());
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let (cache, gate) = (cache.clone(), gate.clone());
        let load = move || async move {
            gate.pass().await;
            panic!("a bug in the loader")
        };
        callers.spawn(async move { cache.get_or_load::<u64, Failure, _, _>("k", load).await.unwrap_err() });
    }
    gate.is_reached().await;
    yield_now().await;
    gate.open();
    for error in callers.join_all().await {
        assert!(matches!(&error, LoadError::Panicked(message) if &**message == "a bug in the loader"));
    }
    assert_eq!(cache.metrics().loads, 1);
    let next = cache.get_or_load("k", Runs::default().bring(7_u64)).await;
    assert_eq!(next.unwrap(), 7);
}

async fn behaviour_04_an_error_reaches_all_who_wait_and_the_next_call_loads(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("flights"), Runs::default());
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let (cache, runs) = (cache.clone(), runs.clone());
        let load = move || async move {
            runs.one_more();
            sleep(Duration::from_millis(50)).await;
            Err::<u64, _>("no database")
        };
        callers.spawn(async move { cache.get_or_load("k", load).await.unwrap_err() });
    }
    for error in callers.join_all().await {
        assert_eq!(error.loader(), Some(&"no database"));
    }
    assert_eq!(runs.count(), 1);
    for count in 2..5 {
        let failed = cache.get_or_load("k", runs.fail::<u64>()).await;
        assert!(failed.is_err());
        assert_eq!(runs.count(), count, "no error is kept");
    }
    assert_eq!(cache.get_or_load("k", runs.bring(7_u64)).await.unwrap(), 7);
    assert_eq!(cache.metrics().load_failures, 4);
}

async fn behaviour_04_loads_of_different_types_do_not_meet(redis: &RedisManager) {
    let (cache, runs, gate) = (redis.cache("flights"), Runs::default(), Gate::closed());
    let number = cache.get_or_load("k", gate.bring(7_u64));
    let text = async {
        gate.is_reached().await;
        let text = cache.get_or_load("k", runs.bring("seven".to_owned())).await;
        gate.open();
        text
    };
    let (number, text) = tokio::join!(number, text);
    assert_eq!((number.unwrap(), text.unwrap().as_str()), (7, "seven"));
    for _ in 0..3 {
        is_stored_of_some_type(&cache).await;
        let number = cache.get_or_load("k", runs.bring(7_u64)).await;
        let text = cache.get_or_load("k", runs.bring("seven".to_owned())).await;
        assert_eq!((number.unwrap(), text.unwrap().as_str()), (7, "seven"));
    }
}

async fn is_stored_of_some_type(cache: &Cache) {
    eventually("it is stored", || async {
        cache.get::<u64>("k").await.is_some() || cache.get::<String>("k").await.is_some()
    })
    .await;
}

async fn behaviour_04_who_needs_a_value_does_not_take_nothing_found_for_one(redis: &RedisManager) {
    let policy = CachePolicy::new().negative_ttl(Duration::from_secs(60));
    let (cache, runs, gate) = (redis.cache("flights").with(policy), Runs::default(), Gate::closed());
    let nothing = cache.find_or_load("k", gate.bring(None::<u64>));
    let something = async {
        gate.is_reached().await;
        let something = cache.get_or_load("k", runs.bring(7_u64));
        tokio::pin!(something);
        tokio::select! {
            biased;
            _ = &mut something => panic!("it does not wait"),
            () = sleep(Duration::from_millis(20)) => gate.open(),
        }
        tokio::time::timeout(SLACK, something).await.unwrap()
    };
    let (nothing, something) = tokio::join!(nothing, something);
    assert_eq!((nothing.unwrap(), something.unwrap()), (None, 7));
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn behaviour_04_without_redis_who_needs_a_value_does_not_take_nothing_found_for_one() {
    behaviour_04_who_needs_a_value_does_not_take_nothing_found_for_one(&RedisManager::disabled("a test")).await;
}

async fn behaviour_04_a_value_that_cannot_be_stored_is_the_callers_all_the_same(redis: &RedisManager) {
    // JSON has no objects whose names are lists.
    let odd = std::collections::HashMap::from([(vec![1_u8], 7_u64)]);
    let (cache, runs) = (redis.cache("flights"), Runs::default());
    for count in 1..3 {
        assert_eq!(cache.get_or_load("k", runs.bring(odd.clone())).await.unwrap(), odd);
        assert_eq!(runs.count(), count);
    }
    assert!(!redis.exists(cache.key("k")).await);
}

#[tokio::test]
async fn behaviour_04_who_needs_a_value_does_not_take_anothers_word_that_there_is_none() {
    let shared = crate::face::Shared::join();
    let other = crate::face::patient(&shared.server.url(), &shared.prefix);
    let policy = CachePolicy::new().negative_ttl(SLACK).distributed();
    let (first, second) = (
        shared.redis.cache("flights").with(policy.clone()),
        other.cache("flights").with(policy),
    );
    let gate = Gate::closed();
    let nothing = first.find_or_load("k", gate.bring(None::<u64>));
    let something = async {
        gate.is_reached().await;
        let something = second.get_or_load("k", Runs::default().bring(7_u64));
        let opening = async {
            sleep(Duration::from_millis(50)).await;
            gate.open();
        };
        tokio::join!(something, opening).0
    };
    let (nothing, something) = tokio::join!(nothing, something);
    assert_eq!((nothing.unwrap(), something.unwrap()), (None, 7));
}

#[test]
fn behaviour_04_a_runtime_that_is_shut_down_while_it_loads_leaves_nobody_hanging() {
    let server = RedisServer::start();
    for redis in [
        server.manager(),
        crate::face::embedded(),
        RedisManager::disabled("a test"),
    ] {
        let redis = Arc::new(redis);
        let runtime = || {
            Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap()
        };
        let (ending, living) = (runtime(), runtime());
        let (cache, gate) = (redis.cache("flights"), Gate::closed());
        drop(ending.spawn({
            let (cache, load) = (cache.clone(), gate.bring(7_u64));
            async move { cache.get_or_load("k", load).await }
        }));
        living.block_on(gate.is_reached());
        let (sender, answers) = mpsc::channel();
        for number in 0..10_u64 {
            let (cache, sender) = (cache.clone(), sender.clone());
            drop(living.spawn(async move {
                let load = Runs::default().bring(100 + number);
                sender.send(cache.get_or_load("k", load).await.unwrap()).unwrap();
            }));
        }
        std::thread::sleep(Duration::from_millis(50));
        assert!(answers.try_recv().is_err(), "they wait");
        ending.shutdown_background();
        let values: Vec<u64> = (0..10).map(|_| answers.recv_timeout(5 * SLACK).unwrap()).collect();
        assert!(values.iter().all(|value| *value >= 100), "{values:?}");
    }
}
