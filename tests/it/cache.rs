//! The read-through cache in one process, by the behaviours that it promises; `shared_cache` has those of several processes, and of outages that are more than an absence.

mod ahead;
mod corruption;
#[cfg(feature = "encryption")]
mod encryption;
mod envelope;
mod handle;
mod in_place;
mod keys;
mod lifetimes;
mod model;
mod outage;
mod single_flight;
mod stale;
mod stale_set;
mod timeouts;
mod warming;
mod writing;

use std::{
    future::{Ready, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use redis_manager::{Cache, CacheLookup, Cacheable};
use tokio::sync::Semaphore;

use crate::support::eventually;

/// What loaders of these tests fail with.
type Failure = &'static str;

type Loading<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

const HOUR: Duration = Duration::from_secs(3600);

/// Counts how often loaders run.
#[derive(Debug, Clone, Default)]
struct Runs(Arc<AtomicUsize>);

impl Runs {
    fn one_more(&self) -> usize {
        self.0.fetch_add(1, SeqCst) + 1
    }

    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }

    /// A loader that brings this value.
    fn bring<T: Send + 'static>(&self, value: T) -> impl FnOnce() -> Ready<Result<T, Failure>> + Send + use<T> {
        let runs = self.clone();
        move || {
            runs.one_more();
            ready(Ok(value))
        }
    }

    /// A loader that fails.
    fn fail<T: Send + 'static>(&self) -> impl FnOnce() -> Ready<Result<T, Failure>> + Send + use<T> {
        let runs = self.clone();
        move || {
            runs.one_more();
            ready(Err("no database"))
        }
    }
}

/// Where a loader stops until it is let go.
#[derive(Debug, Clone)]
struct Gate {
    arrivals: Arc<Semaphore>,
    permits: Arc<Semaphore>,
}

impl Gate {
    fn closed() -> Self {
        Self {
            arrivals: Arc::new(Semaphore::new(0)),
            permits: Arc::new(Semaphore::new(0)),
        }
    }

    async fn pass(&self) {
        self.arrivals.add_permits(1);
        self.permits.acquire().await.unwrap().forget();
    }

    /// Waits until somebody, who was not waited for before, stands before it.
    async fn is_reached(&self) {
        self.arrivals.acquire().await.unwrap().forget();
    }

    fn open(&self) {
        self.permits.add_permits(1_000);
    }

    /// A loader that reads its value, and then stands before this gate.
    fn bring<T: Send + 'static>(&self, value: T) -> impl FnOnce() -> Loading<T> + Send + use<T> {
        let gate = self.clone();
        move || {
            Box::pin(async move {
                gate.pass().await;
                Ok(value)
            })
        }
    }
}

/// Waits until what was loaded is stored, which happens in the background.
async fn is_stored<T: Cacheable>(cache: &Cache, key: &str) {
    eventually("it is stored", || async {
        matches!(
            cache.lookup::<T>(key).await,
            CacheLookup::Found(_) | CacheLookup::NotFound
        )
    })
    .await;
}

/// Stores a value that is stale from the beginning.
async fn put_stale<T: Cacheable>(cache: &Cache, key: &str, value: &T) {
    assert!(cache.put(key, value).await && cache.expire(key).await);
}

/// How many loads have come to their end: what they brought was stored, or was not.
fn settled(cache: &Cache) -> u64 {
    let metrics = cache.metrics();
    metrics.stored + metrics.not_stored
}
