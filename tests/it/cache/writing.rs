//! Writing through: to the source, and then to the cache.

use std::{future::pending, time::Duration};

use redis_manager::{Cache, CachePolicy, RedisManager};
use tokio::{task::JoinSet, time::timeout};

use super::{Failure, Gate, HOUR, Runs, is_stored, put_stale};
use crate::support::{Proxy, RedisServer, eventually};

on_both_backends! {
    write_through_a_success_updates_the_cache,
    write_through_a_failure_leaves_the_cache_alone,
    write_through_a_writer_who_goes_leaves_no_entry,
    write_through_a_caller_who_goes_after_the_writer_has_succeeded_leaves_no_old_value,
    write_through_a_panicking_writer_leaves_no_entry,
    write_through_of_two_at_once_no_old_value_stays,
    write_through_many_at_once_leave_the_last_value_or_none,
    write_through_a_value_that_is_not_kept_leaves_no_old_one,
    write_through_what_is_loaded_before_it_is_not_stored_after_it,
    write_through_what_was_not_found_is_found,
}

fn of(redis: &RedisManager) -> Cache {
    redis
        .cache("writing")
        .with(CachePolicy::new().stale_for(HOUR).negative_ttl(HOUR))
}

async fn write_through_a_success_updates_the_cache(redis: &RedisManager) {
    let (cache, runs) = (of(redis), Runs::default());
    for value in [1_u64, 2, 3] {
        assert_eq!(cache.write("k", runs.bring(value)).await, Ok(value));
        assert_eq!(cache.get::<u64>("k").await, Some(value));
    }
    put_stale(&cache, "k", &4_u64).await;
    assert_eq!(cache.write("k", runs.bring(5_u64)).await, Ok(5));
    assert_eq!(cache.get::<u64>("k").await, Some(5));
    assert!(cache.remove("k").await);
    assert_eq!(cache.write("k", runs.bring(6_u64)).await, Ok(6));
    assert_eq!(cache.get::<u64>("k").await, Some(6));
    assert_eq!(cache.metrics().loads, 0);
}

async fn write_through_a_failure_leaves_the_cache_alone(redis: &RedisManager) {
    let (cache, runs) = (of(redis), Runs::default());
    assert!(cache.put("k", &1_u64).await);
    assert_eq!(cache.write("k", runs.fail::<u64>()).await, Err("no database"));
    assert_eq!(cache.write("absent", runs.fail::<u64>()).await, Err("no database"));
    assert_eq!(cache.get_many::<u64, _>(["k", "absent"]).await, [Some(1), None]);
    assert!(!redis.exists(cache.key("absent")).await);
}

async fn write_through_a_writer_who_goes_leaves_no_entry(redis: &RedisManager) {
    let cache = of(redis);
    assert!(cache.put("k", &1_u64).await);
    let write = cache.write("k", pending::<Result<u64, Failure>>);
    assert!(timeout(Duration::from_millis(20), write).await.is_err());
    assert_eq!(cache.get::<u64>("k").await, None, "at once");
    assert_eq!(cache.get_or_load("k", Runs::default().bring(2_u64)).await.unwrap(), 2);
    // The removal has to be sent before that.
    eventually("it is stored again", || async {
        cache.get_or_load("k", Runs::default().bring(2_u64)).await.unwrap();
        cache.get::<u64>("k").await == Some(2)
    })
    .await;
}

async fn write_through_a_caller_who_goes_after_the_writer_has_succeeded_leaves_no_old_value(redis: &RedisManager) {
    let cache = of(redis);
    for rounds in 0..20 {
        assert!(cache.put("k", &1_u64).await);
        let runs = Runs::default();
        let writing = tokio::spawn({
            let (cache, write) = (cache.clone(), runs.bring(2_u64));
            async move { cache.write("k", write).await }
        });
        // Wherever it is by then.
        for _ in 0..rounds {
            tokio::task::yield_now().await;
        }
        writing.abort();
        drop(writing.await);
        if runs.count() > 0 {
            eventually("the old value is gone", || async {
                cache.get::<u64>("k").await != Some(1)
            })
            .await;
        }
    }
}

async fn write_through_a_panicking_writer_leaves_no_entry(redis: &RedisManager) {
    let cache = of(redis);
    assert!(cache.put("k", &1_u64).await);
    let writing = tokio::spawn({
        let cache = cache.clone();
        let panics = || async { panic!("a bug in the writer") };
        async move { cache.write::<u64, Failure, _, _>("k", panics).await }
    });
    assert!(writing.await.unwrap_err().is_panic());
    assert_eq!(cache.get::<u64>("k").await, None);
}

async fn write_through_of_two_at_once_no_old_value_stays(redis: &RedisManager) {
    let (cache, gate) = (of(redis), Gate::closed());
    for before in [None, Some(0_u64)] {
        match before {
            Some(value) => assert!(cache.put("k", &value).await),
            None => assert!(cache.remove("k").await),
        }
        // The first one has written to the source, and comes to the cache after the second one.
        let first = cache.write("k", gate.bring(1_u64));
        let second = async {
            gate.is_reached().await;
            let second = cache.write("k", Runs::default().bring(2_u64)).await;
            assert_eq!(cache.get::<u64>("k").await, Some(2));
            gate.permits.add_permits(1);
            second
        };
        assert_eq!(tokio::join!(first, second), (Ok(1), Ok(2)));
        assert_eq!(cache.get::<u64>("k").await, None, "nobody knows which is the last");
    }
}

async fn write_through_many_at_once_leave_the_last_value_or_none(redis: &RedisManager) {
    let (cache, runs) = (of(redis), Runs::default());
    for _ in 0..20 {
        let mut writers = JoinSet::new();
        for _ in 0..8 {
            let (cache, runs) = (cache.clone(), runs.clone());
            writers.spawn(async move {
                let write = || async {
                    let number = runs.one_more();
                    tokio::task::yield_now().await;
                    Ok::<usize, Failure>(number)
                };
                cache.write("k", write).await.unwrap();
            });
        }
        writers.join_all().await;
        let left = cache.get::<usize>("k").await;
        assert!(
            left.is_none_or(|left| left == runs.count()),
            "{left:?} of {}",
            runs.count()
        );
    }
}

async fn write_through_a_value_that_is_not_kept_leaves_no_old_one(redis: &RedisManager) {
    let cache = of(redis).with(CachePolicy::new().max_value_len(100));
    assert!(cache.put("k", &"short".to_owned()).await);
    let long = "x".repeat(200);
    assert_eq!(cache.write("k", Runs::default().bring(long.clone())).await, Ok(long));
    assert_eq!(cache.get::<String>("k").await, None);
}

async fn write_through_what_is_loaded_before_it_is_not_stored_after_it(redis: &RedisManager) {
    let (cache, gate) = (of(redis), Gate::closed());
    let loading = cache.get_or_load("k", gate.bring(1_u64));
    let writing = async {
        gate.is_reached().await;
        assert_eq!(cache.write("k", Runs::default().bring(2_u64)).await, Ok(2));
        gate.open();
    };
    assert_eq!(tokio::join!(loading, writing).0.unwrap(), 1);
    assert_eq!(cache.get::<u64>("k").await, Some(2));
}

async fn write_through_what_was_not_found_is_found(redis: &RedisManager) {
    let cache = of(redis);
    assert_eq!(
        cache
            .find_or_load("k", Runs::default().bring(None::<u64>))
            .await
            .unwrap(),
        None
    );
    is_stored::<u64>(&cache, "k").await;
    assert_eq!(cache.write("k", Runs::default().bring(2_u64)).await, Ok(2));
    assert_eq!(
        cache
            .find_or_load("k", Runs::default().fail::<Option<u64>>())
            .await
            .unwrap(),
        Some(2)
    );
}

#[tokio::test]
async fn write_through_a_caller_who_goes_while_the_cache_is_told_leaves_no_old_value() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    let cache = of(&redis);
    assert!(cache.put("k", &1_u64).await);
    let gate = Gate::closed();
    let writing = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move { cache.write("k", gate.bring(2_u64)).await }
    });
    gate.is_reached().await;
    // What the cache is told hangs on its way.
    proxy.stall();
    gate.open();
    tokio::time::sleep(Duration::from_millis(50)).await;
    writing.abort();
    assert!(writing.await.unwrap_err().is_cancelled());
    proxy.restore();
    eventually("the cache is told", || async { cache.get::<u64>("k").await == Some(2) }).await;
}
