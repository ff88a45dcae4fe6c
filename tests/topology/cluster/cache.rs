//! The read-through cache in a cluster: each entry stands or falls with its own node.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use redis_manager::{Cache, CachePolicy, Config, RedisManager};
use tokio::{task::JoinSet, time::sleep};

use super::{manager, patient_manager};
use crate::{
    deployment::{Cluster, slot_of},
    support::eventually,
};

/// Loads a number that can be changed.
#[derive(Clone, Default)]
struct Source(Arc<AtomicU64>);

impl Source {
    async fn through(&self, cache: &Cache, key: &str) -> u64 {
        let source = Arc::clone(&self.0);
        let loaded = cache.get_or_load(key, move || async move { Ok::<_, Infallible>(source.load(SeqCst)) });
        loaded.await.unwrap()
    }

    async fn is_stored(&self, cache: &Cache, key: &str, value: u64) {
        eventually("it is stored", || async {
            assert_eq!(self.through(cache, key).await, value, "{key}");
            cache.get::<u64>(key).await == Some(value)
        })
        .await;
    }

    fn change(&self, value: u64) {
        self.0.store(value, SeqCst);
    }
}

/// Loads numbers, and remembers the keys that it was asked for.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    async fn through(&self, cache: &Cache, keys: &[String]) -> Vec<Option<usize>> {
        let asked = Arc::clone(&self.0);
        let load = move |keys: Vec<String>| async move {
            asked.lock().unwrap().extend(keys.clone());
            Ok::<_, Infallible>(keys.into_iter().map(|key| (key.clone(), key.len())).collect())
        };
        cache.get_or_load_many(keys.to_vec(), load).await.unwrap()
    }

    fn taken(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.0.lock().unwrap()).into_iter().collect()
    }
}

fn values(keys: &[String]) -> Vec<Option<usize>> {
    keys.iter().map(|key| Some(key.len())).collect()
}

/// A name under which a node has an entry of the cache.
fn entry_on(cluster: &Cluster, cache: &Cache, node: usize) -> String {
    let mut names = (0..).map(|number: u32| format!("k:{number}"));
    let is_there = |name: &String| cluster.node_of(key_of(cache, name).as_str()) == node;
    names.find(is_there).unwrap()
}

fn key_of(cache: &Cache, name: &str) -> String {
    cache.key(name).as_str().unwrap().to_owned()
}

/// How many scripts a node has run, in a line of its statistics.
fn scripts(line: &str) -> Option<u64> {
    let counts = line.strip_prefix("cmdstat_eval")?.split_once("calls=")?.1;
    counts.split(',').next()?.parse().ok()
}

async fn are_stored(cache: &Cache, keys: &[String]) {
    eventually("they are stored", || async {
        cache.get_many::<usize, _>(keys).await.iter().all(Option::is_some)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_10_a_dead_node_makes_its_own_keys_missing_and_no_others() {
    let mut cluster = Cluster::start_with(3, 0, &["--cluster-require-full-coverage", "no"]).await;
    let redis = manager(&cluster);
    let (cache, asked) = (redis.cache("c"), Asked::default());
    let keys: Vec<_> = (0..300).map(|number| format!("k:{number}")).collect();
    assert_eq!(asked.through(&cache, &keys).await, values(&keys));
    are_stored(&cache, &keys).await;
    assert_eq!(asked.taken().len(), 300);
    let of_node = |node: usize| -> BTreeSet<String> {
        let theirs = keys.iter().filter(|key| cluster.node_of(&key_of(&cache, key)) == node);
        theirs.cloned().collect()
    };
    let dead = of_node(1);
    assert!((50..200).contains(&dead.len()));
    for node in 0..3 {
        cluster.command(node, &["CONFIG", "RESETSTAT"]).ok();
    }
    assert_eq!(asked.through(&cache, &keys).await, values(&keys));
    assert!(asked.taken().is_empty());
    for node in 0..3 {
        let asked = cluster.command(node, &["INFO", "commandstats"]);
        let calls: Vec<u64> = asked.text().lines().filter_map(scripts).collect();
        assert!(
            matches!(calls[..], [1..=8]),
            "a few commands for two hundred keys: {calls:?}"
        );
    }
    cluster.kill(1);
    eventually("only the dead node's are loaded", || async {
        assert_eq!(asked.through(&cache, &keys).await, values(&keys), "in their order");
        let loaded = asked.taken();
        assert!(loaded.is_subset(&dead), "of the others: {:?}", loaded.difference(&dead));
        loaded == dead
    })
    .await;
    let other = manager(&cluster);
    eventually("to another manager as well", || async {
        assert_eq!(asked.through(&other.cache("c"), &keys).await, values(&keys));
        asked.taken() == dead
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_14_tags_and_clear_hold_on_every_node() {
    let cluster = Cluster::of_masters(3).await;
    let (redis, other) = (patient_manager(&cluster), patient_manager(&cluster));
    let (cache, theirs) = (redis.cache("c").tagged(["a", "b"]), other.cache("c"));
    let source = Source::default();
    let names: Vec<_> = (0..3).map(|node| entry_on(&cluster, &cache, node)).collect();
    let mut value = 0;
    for round in 0..3 {
        for name in &names {
            source.is_stored(&cache, name, value).await;
            assert_eq!(theirs.get::<u64>(name).await, Some(value));
        }
        value += 1;
        source.change(value);
        let is_confirmed = match round {
            0 => theirs.invalidate_tag("b").await,
            1 => theirs.clear().await,
            _ => theirs.remove(&names).await,
        };
        assert!(is_confirmed, "round {round}");
        for name in &names {
            for cache in [&cache, &theirs] {
                assert_eq!(cache.get::<u64>(name).await, None, "round {round}");
            }
            assert_eq!(source.through(&cache, name).await, value);
        }
    }
    assert!(theirs.remove_matching("k:*").await.is_some());
    for name in &names {
        assert_eq!(source.through(&cache, name).await, value);
    }
}

#[tokio::test]
async fn behaviour_14_an_entry_and_the_version_of_its_namespace_are_in_one_slot() {
    let cluster = Cluster::of_masters(3).await;
    let redis = manager(&cluster);
    let (cache, source) = (redis.cache("c"), Source::default());
    for node in 0..3 {
        let name = entry_on(&cluster, &cache, node);
        source.is_stored(&cache, &name, 0).await;
        let entry = key_of(&cache, &name);
        let slot = slot_of(&entry).to_string();
        let keys = cluster.command(node, &["CLUSTER", "GETKEYSINSLOT", &slot, "10"]);
        let keys: BTreeSet<_> = keys.list().iter().map(|key| key.text().to_owned()).collect();
        assert_eq!(keys.len(), 2, "{keys:?}");
        assert!(keys.contains(&entry) && keys.iter().any(|key| key.starts_with("c%epoch{")));
    }
}

/// Tasks that read entries through the cache all the time, and never see less than what each was changed to last.
struct Readers {
    floor: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<u64>,
}

impl Readers {
    fn of(cache: &Cache, names: &[String], source: &Source) -> Self {
        let (floor, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let mut tasks = JoinSet::new();
        for at in 0..2 * names.len() {
            let (cache, source, name) = (cache.clone(), source.clone(), names[at % names.len()].clone());
            let (floor, is_over) = (Arc::clone(&floor), Arc::clone(&is_over));
            tasks.spawn(async move {
                let mut asked = 0;
                while !is_over.load(SeqCst) {
                    let least = floor.load(SeqCst);
                    let seen = source.through(&cache, &name).await;
                    assert!(seen >= least, "{name}: {seen} is served after {least}");
                    asked += 1;
                    tokio::task::yield_now().await;
                }
                asked
            });
        }
        Self { floor, is_over, tasks }
    }

    async fn end(self) {
        self.is_over.store(true, SeqCst);
        assert!(self.tasks.join_all().await.into_iter().all(|asked| asked > 0));
    }
}

/// Waits until the replicas have what their masters have.
fn replicate(cluster: &Cluster, masters: &[usize]) {
    for master in masters {
        let key = cluster.key_on(*master);
        let replies = cluster.commands(*master, &[&["SET", &key, "barrier"], &["WAIT", "1", "5000"]]);
        assert!(replies.iter().all(|reply| !reply.is_error()), "{replies:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_08_nothing_removed_before_or_while_a_node_fails_is_served_by_its_successor() {
    let mut cluster = Cluster::start().await;
    let (redis, other) = (manager(&cluster), manager(&cluster));
    let (cache, theirs, source) = (redis.cache("c").tagged(["a"]), other.cache("c"), Source::default());
    let names: Vec<_> = (0..3).map(|node| entry_on(&cluster, &cache, node)).collect();
    let mut tasks = Readers::of(&cache, &names, &source);
    for (value, hurt) in (1..).zip(0..2) {
        for name in &names {
            source.is_stored(&cache, name, value - 1).await;
        }
        // Removed before, and confirmed.
        source.change(value);
        eventually("it is confirmed", || cache.remove(&names)).await;
        replicate(
            &cluster,
            &[0, 1, 2].map(|node| if node < hurt { node + 3 } else { node }),
        );
        tasks.floor.store(value, SeqCst);
        cluster.kill(hurt);
        cluster.wait_for_promotion(hurt).await;
        for name in &names {
            assert_eq!(source.through(&cache, name).await, value);
            assert_eq!(source.through(&theirs, name).await, value);
        }
    }
    tasks.end().await;
    tasks = Readers::of(&cache, &names, &source);
    // Removed while it is dead, in each way that has to reach every node.
    for name in &names {
        source.is_stored(&cache, name, 2).await;
    }
    replicate(&cluster, &[2]);
    cluster.kill(2);
    eventually("it is refused", || async { !cache.remove(&names[2]).await }).await;
    source.change(3);
    cache.remove(&names).await;
    cache.clear().await;
    tasks.floor.store(3, SeqCst);
    cluster.wait_for_promotion(2).await;
    for _ in 0..100 {
        for name in &names {
            assert_eq!(source.through(&cache, name).await, 3);
        }
    }
    eventually("another sees it too", || async {
        let mut seen = Vec::new();
        for name in &names {
            seen.push(source.through(&theirs, name).await);
        }
        seen == [3, 3, 3]
    })
    .await;
    tasks.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_08_what_was_invalidated_while_a_node_hung_holds_for_others_when_it_goes_on() {
    let mut cluster = Cluster::start_with(3, 0, &["--cluster-require-full-coverage", "no"]).await;
    let mut config = Config::from_url(cluster.url());
    config.socket_timeout = Duration::from_millis(200);
    let (redis, other) = (RedisManager::new(config).unwrap(), manager(&cluster));
    let policy = CachePolicy::new().stale_for(Duration::from_secs(3600));
    let ways = ["removed", "cleared", "tagged", "matching", "put", "expired"];
    let cache = |redis: &RedisManager, way: &str| redis.cache(way).with(policy.clone()).tagged(["{tag}"]);
    let source = Source::default();
    for way in ways {
        let cache = cache(&redis, way);
        for node in 0..3 {
            source.is_stored(&cache, &entry_on(&cluster, &cache, node), 0).await;
        }
    }
    cluster.stop(1);
    eventually("it is refused", || async {
        !redis.cache("x").remove(&entry_on(&cluster, &redis.cache("x"), 1)).await
    })
    .await;
    source.change(1);
    for way in ways {
        let cache = cache(&redis, way);
        let names: Vec<_> = (0..3).map(|node| entry_on(&cluster, &cache, node)).collect();
        match way {
            "removed" => drop(cache.remove(&names).await),
            "cleared" => drop(cache.clear().await),
            "tagged" => drop(cache.invalidate_tag("{tag}").await),
            "put" => {
                for name in &names {
                    cache.put(name, &1_u64).await;
                }
            }
            "expired" => {
                for name in &names {
                    cache.expire(name).await;
                }
            }
            _ => drop(cache.remove_matching("k:*").await),
        }
        for name in &names {
            assert_eq!(source.through(&cache, name).await, 1, "{way}");
        }
    }
    cluster.resume(1);
    for way in ways {
        let (ours, theirs) = (cache(&redis, way), cache(&other, way));
        for node in 0..3 {
            let name = entry_on(&cluster, &ours, node);
            eventually("others see it", || async {
                assert_eq!(source.through(&ours, &name).await, 1, "{way}");
                source.through(&theirs, &name).await == 1
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_08_nothing_old_is_served_while_slots_move() {
    let cluster = Cluster::of_masters(2).await;
    let redis = patient_manager(&cluster);
    let (cache, source) = (redis.cache("c").tagged(["a"]), Source::default());
    let names: Vec<_> = (0..4).map(|number| format!("{{tag}}:{number}")).collect();
    let slot = slot_of("{tag}");
    for name in &names {
        assert_eq!(slot_of(&key_of(&cache, name)), slot);
        source.is_stored(&cache, name, 0).await;
    }
    let readers = Readers::of(&cache, &names, &source);
    let mut to = 1 - cluster.owner_of(slot);
    for value in 1..=4 {
        let moving = cluster.migrate_slot(slot, to, Duration::from_millis(10));
        let removing = async {
            source.change(value);
            match value % 3 {
                0 => drop(cache.remove(&names).await),
                1 => drop(cache.invalidate_tag("a").await),
                _ => drop(cache.clear().await),
            }
            readers.floor.store(value, SeqCst);
        };
        tokio::join!(moving, removing);
        for name in &names {
            source.is_stored(&cache, name, value).await;
        }
        to = 1 - to;
    }
    readers.end().await;
}

#[tokio::test]
async fn behaviour_10_an_entry_whose_slot_is_in_two_places_is_there() {
    let cluster = Cluster::of_masters(2).await;
    let redis = patient_manager(&cluster);
    let (cache, source) = (redis.cache("c"), Source::default());
    source.is_stored(&cache, "{tag}:0", 0).await;
    source.change(1);
    let slot = slot_of("{tag}");
    let migration = cluster.begin_migration(slot, 1 - cluster.owner_of(slot));
    let mut steps = 0;
    loop {
        assert_eq!(source.through(&cache, "{tag}:0").await, 0, "after {steps} keys");
        let mut together = JoinSet::new();
        for _ in 0..50 {
            let cache = cache.clone();
            together.spawn(async move { cache.get::<u64>("{tag}:0").await });
        }
        assert_eq!(together.join_all().await, vec![Some(0); 50], "after {steps} keys");
        if cluster.step(&migration, 1) == 0 {
            break;
        }
        steps += 1;
    }
    // The entry, and the version of its namespace.
    assert_eq!(steps, 2);
    cluster.finish_migration(migration).await;
    assert_eq!(source.through(&cache, "{tag}:0").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_13_one_of_two_processes_loads_and_the_other_is_told_on_every_node() {
    let cluster = Cluster::of_masters(3).await;
    let managers = [patient_manager(&cluster), patient_manager(&cluster)];
    let caches = managers
        .each_ref()
        .map(|redis| redis.cache("c").with(CachePolicy::new().distributed()));
    for node in 0..3 {
        let (name, loads) = (entry_on(&cluster, &caches[0], node), Arc::<AtomicU64>::default());
        let mut callers = JoinSet::new();
        for cache in caches.iter().cycle().take(20) {
            let (cache, name, loads) = (cache.clone(), name.clone(), Arc::clone(&loads));
            callers.spawn(async move {
                let load = move || async move {
                    loads.fetch_add(1, SeqCst);
                    sleep(Duration::from_millis(300)).await;
                    Ok::<u64, Infallible>(7)
                };
                cache.get_or_load(name, load).await.unwrap()
            });
        }
        assert_eq!(callers.join_all().await, vec![7; 20]);
        assert_eq!(loads.load(SeqCst), 1, "node {node}");
    }
}
