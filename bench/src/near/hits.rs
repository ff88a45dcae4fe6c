//! How fast the near cache answers, against the caches that one could use without Redis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::runtime::Runtime;

use crate::{
    Outcome,
    arguments::Arguments,
    contest::key,
    peers::{Near, Peer},
    progress,
    report::{Goal, Sample, per_call},
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// Keys that are asked for in turn where throughput is measured.
const KEYS: usize = 1000;

/// Tasks there, each on a thread of its own.
const TASKS: usize = 2;

/// More than all keys.
const CAPACITY: usize = 20_000;

/// Somebody who keeps values in this process.
trait Store: Clone + Send + Sync + 'static {
    /// Its name in the figures.
    const NAME: &'static str;

    /// Returns how long the value is, after having had it in hand.
    fn length(&self, key: &str) -> impl Future<Output = usize> + Send;
}

/// Ours, as text.
#[derive(Debug, Clone)]
struct Text(Near);

/// Ours, as bytes.
#[derive(Debug, Clone)]
struct Raw(Near);

/// `quick_cache` of texts that are shared.
#[derive(Clone)]
struct QuickText(Arc<quick_cache::sync::Cache<String, Arc<str>>>);

/// `quick_cache` of bytes.
#[derive(Clone)]
struct QuickBytes(Arc<quick_cache::sync::Cache<String, Bytes>>);

/// `moka` of bytes.
#[derive(Clone)]
struct Moka(moka::future::Cache<String, Bytes>);

/// Everybody, filled with the same.
struct Stores {
    /// Ours, as text.
    text: Text,
    /// Ours, as bytes.
    raw: Raw,
    /// `quick_cache` of texts.
    quick_text: QuickText,
    /// `quick_cache` of bytes.
    quick_bytes: QuickBytes,
    /// `moka`.
    moka: Moka,
}

/// How somebody fared, round by round.
#[derive(Debug, Default)]
struct Turns(Vec<f64>);

/// Measures one task that asks for one key.
pub(super) fn hit(arguments: &Arguments) -> Outcome {
    let mut rounds = Rounds::start(arguments, 1, 1)?;
    let [text, raw, quick_text, quick_bytes, moka] = rounds.run()?;
    text.nanos().print_median("near_hit_ns", Goal::AtMost(150.0));
    raw.nanos().print_median("near_hit_bytes_ns", Goal::AtMost(150.0));
    quick_text.nanos().print_median("quick_cache_hit_ns", Goal::Any);
    quick_bytes.nanos().print_median("quick_cache_hit_bytes_ns", Goal::Any);
    moka.nanos().print_median("moka_hit_bytes_ns", Goal::Any);
    Ok(())
}

/// Measures two tasks that ask for many keys.
pub(super) fn throughput(arguments: &Arguments) -> Outcome {
    let mut rounds = Rounds::start(arguments, TASKS, KEYS)?;
    let [text, raw, quick_text, quick_bytes, moka] = rounds.run()?;
    let goal = Goal::AtLeast(0.6);
    text.to(&quick_text).print_median("near_throughput_ratio", goal);
    raw.to(&quick_bytes).print_median("near_throughput_bytes_ratio", goal);
    raw.to(&moka).print_median("near_throughput_moka_ratio", Goal::Any);
    for (name, turns) in [
        ("near_get_per_s", text),
        ("near_get_bytes_per_s", raw),
        ("quick_cache_get_per_s", quick_text),
        ("quick_cache_get_bytes_per_s", quick_bytes),
        ("moka_get_bytes_per_s", moka),
    ] {
        turns.sample().print_median(name, Goal::Any);
    }
    Ok(())
}

/// What is needed for turns.
struct Rounds {
    /// The server behind ours.
    _server: RedisServer,
    /// Where the tasks run.
    runtime: Runtime,
    /// Who takes turns.
    stores: Stores,
    /// What is asked for.
    keys: Vec<String>,
    /// How many tasks ask.
    tasks: usize,
    /// How many rounds.
    count: usize,
    /// How long each turn is.
    length: Duration,
}

impl Rounds {
    /// Fills everybody with the same.
    fn start(arguments: &Arguments, tasks: usize, keys: usize) -> Outcome<Self> {
        let server = RedisServer::start(arguments)?;
        let runtime = runtime()?;
        let keys: Vec<_> = (0..keys).map(key).collect();
        let stores = runtime.block_on(Stores::filled(server.port(), &keys))?;
        Ok(Self {
            _server: server,
            runtime,
            stores,
            keys,
            tasks,
            count: arguments.either(15, 3),
            length: Duration::from_millis(arguments.either(250, 50)),
        })
    }

    /// Lets all take turns.
    fn run(&mut self) -> Outcome<[Turns; 5]> {
        let mut all = <[Turns; 5]>::default();
        progress::expect(self.count);
        for _ in 0..self.count {
            let [text, raw, quick_text, quick_bytes, moka] = &mut all;
            text.0.push(self.turn(&self.stores.text)?);
            quick_text.0.push(self.turn(&self.stores.quick_text)?);
            raw.0.push(self.turn(&self.stores.raw)?);
            quick_bytes.0.push(self.turn(&self.stores.quick_bytes)?);
            moka.0.push(self.turn(&self.stores.moka)?);
            progress::advance();
        }
        Ok(all)
    }

    /// Returns how many calls somebody answers in a second. Each task has a thread of its own: a worker of a runtime keeps tasks that never wait for
    /// itself, and would run one after the other.
    fn turn<S: Store>(&self, store: &S) -> Outcome<f64> {
        let (is_over, began) = (AtomicBool::new(false), Instant::now());
        let calls = thread::scope(|scope| {
            let callers: Vec<_> = (0..self.tasks)
                .map(|task| {
                    let asking = call(store.clone(), &self.keys, task, &is_over);
                    scope.spawn(|| self.runtime.block_on(asking))
                })
                .collect();
            thread::sleep(self.length);
            is_over.store(true, Relaxed);
            let calls = callers.into_iter().map(|caller| match caller.join() {
                Ok(calls) => calls,
                Err(_) => Err("a caller panicked".into()),
            });
            calls.sum::<Outcome<u64>>()
        })?;
        Ok(per_call(calls, 1) / began.elapsed().as_secs_f64())
    }
}

/// Asks until it is over, and returns how often.
async fn call<S: Store>(store: S, keys: &[String], task: usize, is_over: &AtomicBool) -> Outcome<u64> {
    let mut calls = 0;
    for key in keys.iter().cycle().skip(task * keys.len() / TASKS) {
        if is_over.load(Relaxed) {
            break;
        }
        if store.length(key).await != VALUE.len() {
            return Err(format!("{} does not have {key}", S::NAME).into());
        }
        calls += 1;
    }
    Ok(calls)
}

impl Stores {
    /// Fills everybody with the same, ours by reading.
    async fn filled(port: u16, keys: &[String]) -> Outcome<Self> {
        let mut near = Near::connect(port).await?;
        let stores = Self {
            text: Text(near.clone()),
            raw: Raw(near.clone()),
            quick_text: QuickText(Arc::new(quick_cache::sync::Cache::new(CAPACITY))),
            quick_bytes: QuickBytes(Arc::new(quick_cache::sync::Cache::new(CAPACITY))),
            moka: Moka(moka::future::Cache::new(CAPACITY as u64)),
        };
        let bytes = Bytes::from_static(VALUE.as_bytes());
        for key in keys {
            if !near.set(key, VALUE).await {
                return Err("the server does not store".into());
            }
            stores.quick_text.0.insert(key.clone(), VALUE.into());
            stores.quick_bytes.0.insert(key.clone(), bytes.clone());
            stores.moka.0.insert(key.clone(), bytes.clone()).await;
        }
        for key in keys {
            near.get(key).await;
        }
        Ok(stores)
    }
}

impl Turns {
    /// Returns calls in a second.
    fn sample(&self) -> Sample {
        self.0.iter().copied().collect()
    }

    /// Returns the nanoseconds of a call, of one task.
    fn nanos(&self) -> Sample {
        self.0.iter().map(|per_second| 1e9 / per_second).collect()
    }

    /// Returns, round by round, how it is to another.
    fn to(&self, other: &Self) -> Sample {
        self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect()
    }
}

impl Store for Text {
    const NAME: &'static str = "near, as text";

    async fn length(&self, key: &str) -> usize {
        self.0.manager().get(key).await.map_or(0, |text| text.len())
    }
}

impl Store for Raw {
    const NAME: &'static str = "near, as bytes";

    async fn length(&self, key: &str) -> usize {
        self.0.manager().get_bytes(key).await.map_or(0, |bytes| bytes.len())
    }
}

impl Store for QuickText {
    const NAME: &'static str = "quick_cache of texts";

    async fn length(&self, key: &str) -> usize {
        self.0.get(key).map_or(0, |text| text.len())
    }
}

impl Store for QuickBytes {
    const NAME: &'static str = "quick_cache of bytes";

    async fn length(&self, key: &str) -> usize {
        self.0.get(key).map_or(0, |bytes| bytes.len())
    }
}

impl Store for Moka {
    const NAME: &'static str = "moka";

    async fn length(&self, key: &str) -> usize {
        self.0.get(key).await.map_or(0, |bytes| bytes.len())
    }
}
