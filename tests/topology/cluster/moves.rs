//! Slots that move, and nodes that come and go, while the cluster is used.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use redis_manager::{RedisManager, Script};
use tokio::task::JoinSet;

use super::patient_manager;
use crate::deployment::{Cluster, slot_of};

/// Callers of every kind, in one slot. Each counts what it has done; no call may fail.
fn call_all_the_time(redis: &Arc<RedisManager>, is_over: &Arc<AtomicBool>) -> JoinSet<u64> {
    let mut tasks = JoinSet::new();
    for task in 0..24 {
        let (redis, is_over) = (Arc::clone(redis), Arc::clone(is_over));
        tasks.spawn(async move {
            let mut count = 0;
            while !is_over.load(SeqCst) {
                count += 1;
                call(&redis, task, count).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            count
        });
    }
    tasks
}

async fn call(redis: &RedisManager, task: u64, count: u64) {
    let service = redis.service();
    let strings = service.string();
    let key = format!("{{tag}}:{}", count % 40);
    match task % 8 {
        0 => {
            strings.get::<Option<String>>(key).await.unwrap();
        }
        1 => {
            let own = format!("{{tag}}:own:{task}");
            strings.set(own.as_str(), count).await.unwrap();
            assert_eq!(strings.get::<u64>(own).await.unwrap(), Some(count));
        }
        2 => {
            let own = format!("{{tag}}:count:{task}");
            assert_eq!(strings.incr(own).await.unwrap(), i64::try_from(count).unwrap());
        }
        3 => {
            let own = format!("{{tag}}:hash:{task}");
            service.hash().hset(own.as_str(), [("f", count)]).await.unwrap();
            assert_eq!(service.hash().hget::<u64>(own, "f").await.unwrap(), Some(count));
        }
        4 => {
            let keys: Vec<_> = (0..20).map(|at| format!("{{tag}}:{at}")).collect();
            let values = strings.get_many::<String>(keys.as_slice()).await.unwrap();
            assert_eq!(values.len(), 20);
            let operations: Vec<_> = (0..5)
                .map(|at| strings.incr(format!("{{tag}}:p:{task}:{at}")))
                .collect();
            let counts = service.pipeline(operations).await.unwrap();
            assert_eq!(counts, [i64::try_from(count).unwrap(); 5]);
        }
        5 => {
            let (here, there) = (format!("{{tag}}:here:{task}"), format!("{{tag}}:there:{task}"));
            let count = i64::try_from(count).unwrap();
            loop {
                let operations = (strings.incr(here.as_str()), strings.decr(there.as_str()));
                match service.transaction(operations).await {
                    Ok(moved) => break assert_eq!(moved, (count, -count)),
                    // As long as one key is here and the other there, nobody can.
                    Err(error) => assert!(error.is_retryable(), "{error:?}"),
                }
            }
        }
        6 => {
            let script = Script::new("return redis.call('INCR', KEYS[1])");
            let own = format!("{{tag}}:script:{task}");
            let counted: u64 = service.scripts().run(&script, own, [0; 0]).await.unwrap();
            assert_eq!(counted, count);
        }
        _ => {
            let own = format!("{{tag}}:list:{task}");
            service.list().rpush(own.as_str(), [count]).await.unwrap();
            let list: Vec<u64> = service.list().lrange(own.as_str(), 0, -1).await.unwrap();
            assert_eq!(list, [count]);
            let wait = Duration::from_secs(5);
            let taken: Option<(redis_manager::Key, u64)> = service.list().blpop(own, wait).await.unwrap();
            assert_eq!(taken.map(|(_, value)| value), Some(count));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_its_slot_moves() {
    let cluster = Cluster::of_masters(3).await;
    let redis = Arc::new(patient_manager(&cluster));
    let slot = slot_of("{tag}");
    for at in 0..40 {
        assert!(redis.set(format!("{{tag}}:{at}"), at).await);
    }
    let is_over = Arc::<AtomicBool>::default();
    let mut tasks = call_all_the_time(&redis, &is_over);
    for _ in 0..4 {
        let from = cluster.owner_of(slot);
        let to = (from + 1) % 3;
        cluster.migrate_slot(slot, to, Duration::from_millis(5)).await;
        assert_eq!(cluster.owner_of(slot), to);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    is_over.store(true, SeqCst);
    let mut calls = 0;
    while let Some(done) = tasks.join_next().await {
        calls += done.unwrap();
    }
    assert!(calls > 1000, "{calls} calls");
    let metrics = redis.metrics();
    assert_eq!(
        (metrics.outages, metrics.timeouts, metrics.broken),
        (0, 0, 0),
        "{metrics:?}"
    );
}

#[tokio::test]
async fn a_half_moved_slot_is_read_and_written_on_both_sides() {
    let cluster = Cluster::of_masters(2).await;
    let redis = patient_manager(&cluster);
    let keys: Vec<_> = (0..10).map(|at| format!("{{tag}}:{at}")).collect();
    for key in &keys {
        assert!(redis.set(key.as_str(), key.as_str()).await);
    }
    let slot = slot_of("{tag}");
    let to = 1 - cluster.owner_of(slot);
    let migration = cluster.begin_migration(slot, to);
    assert_eq!(cluster.step(&migration, 5), 5);
    for key in &keys {
        assert_eq!(redis.get(key.as_str()).await.as_ref(), Some(key));
        assert!(redis.set(key.as_str(), "new").await);
        assert_eq!(redis.get(key.as_str()).await.as_deref(), Some("new"));
    }
    assert!(
        redis.set("{tag}:born", "v").await,
        "what is new is written where the slot goes"
    );
    assert_eq!(redis.get("{tag}:born").await.as_deref(), Some("v"));
    let values = redis.get_many(keys.as_slice()).await;
    assert!(values.iter().all(|value| value.as_deref() == Some("new")), "{values:?}");
    assert_eq!(redis.service().keys().exists(keys.as_slice()).await.unwrap(), 10);
    assert!(redis.set_many(keys.iter().map(|key| (key.as_str(), "new"))).await);
    assert!(
        redis
            .set_many([("{tag}:0", "a"), ("{tag}:x", "b"), ("{tag}:9", "c")])
            .ex(60)
            .await
    );
    assert_eq!(redis.delete(["{tag}:0", "{tag}:9", "{tag}:x"]).await, 3);
    assert!(redis.set_many([("{tag}:0", "new"), ("{tag}:9", "new")]).await);
    let service = redis.service();
    let strings = service.string();
    let mut watch = service.watch("{tag}:born").await.unwrap();
    let seen: Option<String> = watch.read(strings.get("{tag}:born")).await.unwrap();
    assert_eq!(seen.as_deref(), Some("v"));
    assert_eq!(watch.commit((strings.incr("{tag}:count"),)).await.unwrap(), Some((1,)));
    cluster.finish_migration(migration).await;
    for key in &keys {
        assert_eq!(redis.get(key.as_str()).await.as_deref(), Some("new"));
    }
    assert_eq!(cluster.command(to, &["GET", "{tag}:count"]).text(), "1");
}

#[tokio::test]
async fn a_watch_whose_slot_has_moved_executes_nothing() {
    let cluster = Cluster::of_masters(2).await;
    let redis = patient_manager(&cluster);
    let (service, slot) = (redis.service(), slot_of("{tag}"));
    let strings = service.string();
    redis.set("{tag}:k", 1).await;
    let mut watch = service.watch("{tag}:k").await.unwrap();
    let _seen: Option<i64> = watch.read(strings.get("{tag}:k")).await.unwrap();
    cluster
        .migrate_slot(slot, 1 - cluster.owner_of(slot), Duration::ZERO)
        .await;
    assert_eq!(watch.commit((strings.incr("{tag}:k"),)).await.unwrap(), None);
    watch.again().await.unwrap();
    assert_eq!(watch.commit((strings.incr("{tag}:k"),)).await.unwrap(), Some((2,)));
}

#[tokio::test]
async fn a_blocking_pop_goes_on_where_its_list_has_moved() {
    let cluster = Cluster::of_masters(2).await;
    let redis = Arc::new(patient_manager(&cluster));
    let slot = slot_of("{tag}");
    let waiting = {
        let redis = Arc::clone(&redis);
        tokio::spawn(async move {
            let wait = Duration::from_secs(20);
            redis.service().list().blpop::<String>("{tag}:queue", wait).await
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster
        .migrate_slot(slot, 1 - cluster.owner_of(slot), Duration::ZERO)
        .await;
    redis.service().list().rpush("{tag}:queue", ["job"]).await.unwrap();
    let taken = waiting.await.unwrap().unwrap();
    assert_eq!(taken.map(|(_, job)| job).as_deref(), Some("job"));
}

#[tokio::test]
async fn a_scan_finds_what_was_there_all_the_time_while_slots_move() {
    let cluster = Cluster::of_masters(2).await;
    let redis = patient_manager(&cluster);
    let tags: Vec<_> = (0..40).map(|tag| format!("{{t{tag}}}")).collect();
    let keys: HashSet<_> = tags
        .iter()
        .flat_map(|tag| (0..10).map(move |at| format!("{tag}:{at}")))
        .collect();
    assert!(redis.set_many(keys.iter().map(|key| (key.as_str(), "v"))).await);
    let mut scan = redis.service().keys().scan("*").count(10);
    let mut found = HashSet::new();
    let mut tags = tags.iter();
    while let Some(key) = scan.next().await {
        found.insert(key.unwrap().to_string());
        if found.len() % 20 == 0
            && let Some(tag) = tags.next()
        {
            let slot = slot_of(tag);
            cluster
                .migrate_slot(slot, 1 - cluster.owner_of(slot), Duration::ZERO)
                .await;
        }
    }
    assert!(found.is_superset(&keys), "{} of {}", found.len(), keys.len());
}

#[tokio::test]
async fn a_scan_ends_and_misses_nothing_while_a_slot_stays_half_moved() {
    let cluster = Cluster::of_masters(2).await;
    let redis = patient_manager(&cluster);
    let keys: HashSet<_> = (0..20).map(|at| format!("{{tag}}:{at}")).collect();
    assert!(redis.set_many(keys.iter().map(|key| (key.as_str(), "v"))).await);
    let slot = slot_of("{tag}");
    let migration = cluster.begin_migration(slot, 1 - cluster.owner_of(slot));
    assert_eq!(cluster.step(&migration, 10), 10);
    let mut scan = redis.service().keys().scan("*").count(5);
    let mut found = HashSet::new();
    while let Some(key) = scan.next().await {
        found.insert(key.unwrap().to_string());
    }
    assert_eq!(found, keys);
    assert_eq!(redis.service().keys().delete_pattern("*").await.unwrap(), 20);
    cluster.finish_migration(migration).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_come_and_go() {
    let mut cluster = Cluster::of_masters(2).await;
    let redis = Arc::new(patient_manager(&cluster));
    for at in 0..40 {
        assert!(redis.set(format!("{{tag}}:{at}"), at).await);
    }
    let is_over = Arc::<AtomicBool>::default();
    let mut tasks = call_all_the_time(&redis, &is_over);
    let slot = slot_of("{tag}");
    let home = cluster.owner_of(slot);
    let added = cluster.add_node().await;
    cluster.migrate_slot(slot, added, Duration::from_millis(1)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    cluster.migrate_slot(slot, home, Duration::from_millis(1)).await;
    is_over.store(true, SeqCst);
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    cluster.remove_node(added).await;
    for at in 0..40 {
        assert_eq!(redis.get(format!("{{tag}}:{at}")).await, Some(at.to_string()));
    }
}
