//! Large values hold nobody up for long, and are not kept for longer than their readers want them.

use std::sync::Arc;

use bytes::Bytes;

use super::{CALLERS, Load, at_once, patient};
use crate::support::RedisServer;

const MB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_very_large_value_does_not_make_small_reads_fail() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    let large = Bytes::from(vec![b'x'; 20 * MB]);
    assert!(redis.set("large", large.clone()).await);
    let load = Load::on(&redis, 32);
    for _ in 0..5 {
        assert!(redis.get_bytes("large").await.is_some_and(|found| found == large));
    }
    load.end().await;
    let metrics = redis.metrics();
    assert_eq!(
        (metrics.timeouts, metrics.broken, metrics.outages),
        (0, 0, 0),
        "{metrics:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_all_sizes_are_written_at_once() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    let load = Load::on(&redis, 16);
    at_once(CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let key = format!("k:{task}");
            for length in [0, 1, 100, 20 * 1024, 300 * 1024, MB + task, 17] {
                let value = vec![b"abcdefghij"[task % 10]; length];
                assert!(redis.set(&key, value.clone()).ex(3_600).await);
                assert!(redis.get_bytes(&key).await.is_some_and(|found| found == value));
                assert!(redis.set(&key, value.clone()).await);
                assert!(redis.get_bytes(&key).await.is_some_and(|found| found == value));
            }
        }
    })
    .await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_keys_than_a_batch_holds_are_found_all_the_same() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    let pairs: Vec<_> = (0..3_000).map(|number| (format!("k:{number}"), number)).collect();
    assert!(redis.set_many(pairs.clone()).await);
    let keys: Vec<_> = pairs.iter().map(|(key, _)| key.clone()).collect();
    let keys = Arc::new(keys);
    at_once(CALLERS, |task| {
        let (redis, keys) = (Arc::clone(&redis), Arc::clone(&keys));
        async move {
            let from = task * 20;
            for count in [1, 100, 255, 256, 257, 1_000] {
                let found = redis
                    .service()
                    .string()
                    .get_many::<usize>(&keys[from..from + count])
                    .await
                    .unwrap();
                assert!(found.into_iter().eq((from..from + count).map(Some)));
                assert_eq!(redis.get(&keys[task]).await, Some(task.to_string()));
            }
        }
    })
    .await;
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The values of others that came in the same reply are not kept with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_kept_keeps_nothing_else() {
    const KEPT: usize = 120;
    const LENGTH: usize = 100 * 1024;
    let server = RedisServer::start();
    let redis = patient(&server.url());
    for task in 0..CALLERS {
        assert!(redis.set(format!("k:{task}"), vec![b'x'; LENGTH]).await);
    }
    let round = || {
        at_once(CALLERS, |task| {
            let redis = Arc::clone(&redis);
            async move { redis.get_bytes(format!("k:{task}")).await.unwrap() }
        })
    };
    for _ in 0..5 {
        drop(round().await);
    }
    // All values of all rounds would be 768 MB, each time. Other tests run in this process as well, and take more now and then.
    let (mut kept, mut least) = (Vec::new(), usize::MAX);
    for _ in 0..5 {
        let before = resident_bytes();
        for _ in 0..KEPT {
            kept.push(round().await.pop().unwrap());
        }
        least = least.min(resident_bytes().saturating_sub(before));
        assert!(kept.iter().all(|value| value.len() == LENGTH));
        if least < 300 * MB {
            return;
        }
    }
    panic!("{} MB for {KEPT} values of 100 KB", least / MB);
}
