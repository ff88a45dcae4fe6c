//! Behaviour 11, by chance: whoever asks gets nothing that was invalidated before.
//!
//! One source holds a number that only grows. Whoever makes it grow invalidates the cache, and then raises the floor: what is asked for later may not be below it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use redis_manager::{Cache, CachePolicy, Load, RedisManager};
use tokio::{
    sync::RwLock,
    task::{JoinSet, yield_now},
    time::sleep,
};

use super::Failure;
use crate::{
    face::{embedded, patient},
    support::RedisServer,
};

const KEYS: [&str; 2] = ["a", "b"];

/// What is behind one key.
#[derive(Default)]
struct Source {
    number: AtomicU64,
    /// One who puts a value has to know that it is the last.
    order: RwLock<()>,
    /// What every process has to know.
    floor: AtomicU64,
}

/// One process, as far as the others can tell.
struct Process {
    cache: Cache,
    /// What it has invalidated itself, by keys: then it shares no load from before.
    floors: [AtomicU64; KEYS.len()],
}

/// A little chance, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    async fn pause(&mut self) {
        match self.roll(4) {
            0 => {}
            1 | 2 => yield_now().await,
            _ => sleep(Duration::from_micros(500 + self.roll(2_000))).await,
        }
    }
}

impl Source {
    /// Reads the number, and takes its time.
    fn load(self: &Arc<Self>, mut dice: Dice) -> impl Future<Output = Result<u64, Failure>> + Send + use<> {
        let source = Arc::clone(self);
        async move {
            dice.pause().await;
            let number = source.number.load(SeqCst);
            dice.pause().await;
            Ok(number)
        }
    }

    fn grow(&self) -> u64 {
        self.number.fetch_add(1, SeqCst) + 1
    }
}

impl Process {
    async fn change(&self, source: &Source, at: usize, dice: &mut Dice) {
        let (cache, key) = (&self.cache, KEYS[at]);
        // Writers need no order among themselves: of two at once neither stays.
        let kind = dice.roll(9);
        let number = if kind < 2 {
            let _order = source.order.read().await;
            let write = cache.write(key, || async {
                dice.pause().await;
                let number = source.grow();
                dice.pause().await;
                Ok::<_, Failure>(number)
            });
            write.await.unwrap()
        } else {
            let _order = source.order.write().await;
            let number = source.grow();
            let done = match kind {
                2 => cache.remove(key).await,
                3 => cache.remove(KEYS).await,
                4 => cache.put(key, &number).await,
                5 => cache.invalidate_tag(key).await,
                6 => cache.invalidate_tag("all").await,
                7 => cache.clear().await,
                _ => {
                    cache.expire(key).await;
                    true
                }
            };
            assert!(done);
            number
        };
        self.floors[at].fetch_max(number, SeqCst);
        source.floor.fetch_max(number, SeqCst);
    }

    async fn ask(&self, source: &Arc<Source>, at: usize, dice: &mut Dice) {
        let (cache, key) = (&self.cache, KEYS[at]);
        let (floor, own) = (source.floor.load(SeqCst), self.floors[at].load(SeqCst));
        let own_dice = Dice(dice.roll(u64::MAX));
        let load = source.load(own_dice);
        let (kind, floor, found) = match dice.roll(6) {
            0 | 1 => ("get_or_load", own, cache.get_or_load(key, || load).await.ok()),
            2 => {
                let tagged = move |_| async move { Ok::<_, Failure>(Load::new(load.await?).tag(key)) };
                let answer = cache.get_or_load_with(key, tagged).await;
                ("get_or_load_with", own, answer.unwrap().value)
            }
            3 => {
                let many = move |keys: Vec<&'static str>| async move { Ok::<_, Failure>(vec![(keys[0], load.await?)]) };
                let values = cache.get_or_load_many([key], many).await;
                ("get_or_load_many", own, values.unwrap()[0])
            }
            4 => ("refresh", floor, cache.refresh(key, || load).await.ok()),
            _ => match cache.get::<u64>(key).await {
                Some(found) => ("get", floor, Some(found)),
                None => return,
            },
        };
        assert!(
            found.is_some_and(|found| found >= floor),
            "{kind} {key}: {found:?} is below {floor}"
        );
    }
}

async fn nobody_gets_what_was_invalidated(managers: &[RedisManager], policy: CachePolicy, rounds: usize) {
    let sources = Arc::new(KEYS.map(|_| Arc::new(Source::default())));
    let hits = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for (number, redis) in managers.iter().enumerate() {
        let process = Arc::new(Process {
            // Each key has a tag of its own besides, from the loaders that give it.
            cache: redis
                .cache("model")
                .with(policy.clone())
                .tagged(["all", KEYS[0], KEYS[1]]),
            floors: Default::default(),
        });
        for task in 0..8 {
            let (sources, process, hits) = (Arc::clone(&sources), Arc::clone(&process), Arc::clone(&hits));
            tasks.spawn(async move {
                let mut dice = Dice((number * 8 + task + 1) as u64 * 7_919);
                for _ in 0..rounds {
                    let at = usize::try_from(dice.roll(KEYS.len() as u64)).unwrap();
                    if task < 2 {
                        process.change(&sources[at], at, &mut dice).await;
                        sleep(Duration::from_micros(dice.roll(6_000))).await;
                    } else {
                        process.ask(&sources[at], at, &mut dice).await;
                        dice.pause().await;
                    }
                }
                hits.fetch_max(usize::try_from(process.cache.metrics().hits).unwrap(), SeqCst);
            });
        }
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert!(
        hits.load(SeqCst) > rounds / 10,
        "something was served from the cache: {hits:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_11_at_random_nobody_gets_what_was_invalidated_in_memory() {
    nobody_gets_what_was_invalidated(&[embedded()], CachePolicy::new(), 800).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_11_at_random_nobody_gets_what_was_invalidated_at_a_server() {
    let server = RedisServer::start();
    nobody_gets_what_was_invalidated(&[patient(&server.url(), "")], CachePolicy::new(), 800).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_11_at_random_nobody_gets_what_another_manager_has_invalidated() {
    let server = RedisServer::start();
    let managers = [patient(&server.url(), ""), patient(&server.url(), "")];
    nobody_gets_what_was_invalidated(&managers, CachePolicy::new(), 500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_11_at_random_nobody_gets_what_was_invalidated_under_leases() {
    let server = RedisServer::start();
    let managers = [patient(&server.url(), ""), patient(&server.url(), "")];
    let policy = CachePolicy::new().lease(Duration::from_secs(1));
    nobody_gets_what_was_invalidated(&managers, policy, 300).await;
}
