//! The near cache in front of a cluster: each node tells of its own keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use redis_manager::{Config, NearCacheState, RedisManager};

use crate::{
    deployment::{Cluster, slot_of},
    support::{checks::is_near, eventually},
};

fn manager(cluster: &Cluster) -> RedisManager {
    let mut config = Config::from_url(cluster.url());
    config.near_cache_mb = 8;
    config.socket_timeout = Duration::from_secs(5);
    RedisManager::new(config).unwrap()
}

async fn reads(redis: &RedisManager, key: &str, value: Option<&str>) {
    eventually("the change is seen", || async {
        redis.get(key).await.as_deref() == value
    })
    .await;
}

#[tokio::test]
async fn every_node_tells_of_the_changes_of_others() {
    let cluster = Cluster::of_masters(3).await;
    let redis = manager(&cluster);
    let keys: Vec<_> = (0..3).map(|node| cluster.key_on(node)).collect();
    for key in &keys {
        assert!(redis.set(key.as_str(), "old").await);
        is_near(&redis, key).await;
    }
    assert_eq!(redis.health().near_cache.state, NearCacheState::On);
    for (node, key) in keys.iter().enumerate() {
        cluster.command(node, &["SET", key, "new"]).ok();
        reads(&redis, key, Some("new")).await;
        is_near(&redis, key).await;
        cluster.command(node, &["FLUSHALL"]).ok();
        reads(&redis, key, None).await;
    }
    let values = redis.get_many(keys.as_slice()).await;
    assert_eq!(values, [None, None, None]);
}

#[tokio::test]
async fn own_writes_are_seen_at_once_however_they_go() {
    let cluster = Cluster::of_masters(3).await;
    let redis = manager(&cluster);
    let service = redis.service();
    let strings = service.string();
    for round in 0..50 {
        for node in 0..3 {
            let key = &format!("{{{}}}:n", cluster.key_on(node));
            let key = key.as_str();
            redis.get(key).await;
            assert!(redis.set(key, round).await);
            assert_eq!(redis.get(key).await, Some(round.to_string()));
            redis.get(key).await;
            service
                .pipeline((strings.incr(key), strings.incr("other")))
                .await
                .unwrap();
            assert_eq!(redis.get(key).await, Some((round + 1).to_string()));
            redis.get(key).await;
            service.transaction((strings.incr(key),)).await.unwrap();
            assert_eq!(redis.get(key).await, Some((round + 2).to_string()));
            assert!(redis.set_many([(key, "a"), ("other", "1")]).await);
            assert_eq!(redis.get_many([key]).await, [Some("a".to_owned())]);
            assert_eq!(redis.delete([key, "absent"]).await, 1);
            assert_eq!(redis.get(key).await, None);
        }
    }
}

#[tokio::test]
async fn nothing_stale_is_served_while_and_after_a_slot_moves() {
    let cluster = Cluster::of_masters(2).await;
    let redis = manager(&cluster);
    let slot = slot_of("{tag}");
    let keys: Vec<_> = (0..6).map(|at| format!("{{tag}}:{at}")).collect();
    for key in &keys {
        assert!(redis.set(key.as_str(), "old").await);
        is_near(&redis, key).await;
    }
    assert_eq!(redis.get("{tag}:born").await, None);
    let from = cluster.owner_of(slot);
    let migration = cluster.begin_migration(slot, 1 - from);
    assert_eq!(cluster.step(&migration, 6), 6);
    let elsewhere = |words: &[&str]| cluster.commands(1 - from, &[&["ASKING"], words])[1].ok();
    for key in &keys {
        elsewhere(&["SET", key, "new"]);
        reads(&redis, key, Some("new")).await;
    }
    elsewhere(&["SET", "{tag}:born", "new"]);
    reads(&redis, "{tag}:born", Some("new")).await;
    cluster.finish_migration(migration).await;
    for key in &keys {
        is_near(&redis, key).await;
        cluster.command(1 - from, &["SET", key, "newer"]).ok();
        reads(&redis, key, Some("newer")).await;
    }
    cluster.migrate_slot(slot, from, Duration::ZERO).await;
    for key in &keys {
        cluster.command(from, &["SET", key, "newest"]).ok();
        reads(&redis, key, Some("newest")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stale_is_served_after_a_failover() {
    let mut cluster = Cluster::start().await;
    let redis = Arc::new(manager(&cluster));
    let key = cluster.key_on(0);
    assert!(redis.set(key.as_str(), 0).await);
    is_near(&redis, &key).await;
    // Readers note the greatest value that they saw: none may ever see a smaller one again.
    let (is_over, stale) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (redis, key, is_over, stale) = (
                Arc::clone(&redis),
                key.clone(),
                Arc::clone(&is_over),
                Arc::clone(&stale),
            );
            tokio::spawn(async move {
                let mut greatest = 0;
                while !is_over.load(SeqCst) {
                    if let Some(value) = redis.get(key.as_str()).await {
                        let value: u64 = value.parse().unwrap();
                        if value < greatest {
                            stale.fetch_add(1, SeqCst);
                        }
                        greatest = greatest.max(value);
                    }
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            })
        })
        .collect();
    cluster.stop(0);
    let promoted = cluster.wait_for_promotion(0).await;
    for value in 1..=50 {
        cluster.command(promoted, &["SET", &key, &value.to_string()]).ok();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    reads(&redis, &key, Some("50")).await;
    cluster.resume(0);
    is_near(&redis, &key).await;
    cluster.command(promoted, &["SET", &key, "51"]).ok();
    reads(&redis, &key, Some("51")).await;
    is_over.store(true, SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(stale.load(SeqCst), 0);
}
