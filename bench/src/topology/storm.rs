//! Whether every answer is the call's own, whatever happens to the cluster and whatever is stored there.

mod caller;
mod model;
mod sky;
mod tally;
mod weather;
mod word;

use std::{
    panic,
    sync::{
        Arc, Once,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use redis_manager::{Config, RedisManager};
use tokio::task::JoinSet;

use self::{
    caller::{CALLERS, Caller, Storm},
    sky::Sky,
    tally::Tally,
    weather::Weather,
};
use crate::{Outcome, arguments::Arguments, deployment::Cluster};

/// Which faults come in which order.
const SEED: u64 = 6379;

/// Panics of any thread, and so of any task, also of those that are the library's.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Lets many tasks use a cluster in a storm.
pub(super) async fn storm(arguments: &Arguments) -> Outcome {
    count_panics();
    let mut cluster = Cluster::start().await;
    let storm = Arc::new(Storm {
        redis: RedisManager::new(Config::from_url(cluster.url()))?,
        sky: Sky::default(),
        is_over: AtomicBool::new(false),
    });
    let before = PANICS.load(SeqCst);
    let callers: Vec<_> = (0..CALLERS).map(|task| Caller::new(&storm, task)).collect();
    for caller in &callers {
        caller.settle().await?;
    }
    let mut tasks = JoinSet::new();
    for caller in callers {
        tasks.spawn(caller.live());
    }
    let mut weather = Weather::new(&mut cluster, &storm, SEED);
    let length = Duration::from_secs(arguments.either(60, 10));
    weather.rage(length).await;
    let told = format!("seed {SEED}: {}", weather.told());
    storm.is_over.store(true, Relaxed);
    let mut looking = JoinSet::new();
    while let Some(caller) = tasks.join_next().await {
        // A task that panicked is counted as a panic.
        if let Ok(caller) = caller {
            looking.spawn(caller.look_back());
        }
    }
    let mut tally = Tally::default();
    while let Some(looked) = looking.join_next().await {
        if let Ok(looked) = looked {
            tally.add(looked);
        }
    }
    tally.print(&told, PANICS.load(SeqCst) - before);
    Ok(())
}

/// Has every panic counted, beside what was done with it before.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |told| {
            PANICS.fetch_add(1, SeqCst);
            before(told);
        }));
    });
}
