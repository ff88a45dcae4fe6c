//! The read-through cache between several processes, and through outages. Each test bears the number of the behaviour that it proves.

#[cfg(feature = "near-cache")]
mod coherence;
mod limits;
mod many;
mod outages;
mod processes;
mod removals;
mod restricted;
mod tags;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use redis_manager::{Cache, CachePolicy, Config, RedisManager};
use tokio::task::JoinSet;

use crate::support::{RedisServer, eventually};

/// What stands behind the cache: a number that is changed, and how often it was loaded.
#[derive(Clone, Default)]
struct Source(Arc<State>);

#[derive(Default)]
struct State {
    value: AtomicU64,
    loads: AtomicU64,
}

impl Source {
    fn of(value: u64) -> Self {
        let source = Self::default();
        source.change(value);
        source
    }

    fn change(&self, value: u64) {
        self.0.value.store(value, SeqCst);
    }

    fn loads(&self) -> u64 {
        self.0.loads.load(SeqCst)
    }

    fn load(&self) -> u64 {
        self.0.loads.fetch_add(1, SeqCst);
        self.0.value.load(SeqCst)
    }

    /// Reads through the cache.
    async fn through(&self, cache: &Cache, key: &str) -> u64 {
        let source = self.clone();
        let loaded = cache.get_or_load(key, move || async move { Ok::<_, Infallible>(source.load()) });
        loaded.await.unwrap()
    }

    /// Reads through the cache until it was stored.
    async fn is_stored(&self, cache: &Cache, key: &str) {
        let value = self.through(cache, key).await;
        eventually("what was loaded is stored", || async {
            cache.get::<u64>(key).await == Some(value)
        })
        .await;
    }
}

/// Tasks that read a key through the cache all the time, and have to get one value.
struct Readers {
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<u64>,
}

impl Readers {
    fn of(cache: &Cache, key: &'static str, source: &Source, expected: u64) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (cache, source, is_over) = (cache.clone(), source.clone(), Arc::clone(&is_over));
            tasks.spawn(async move {
                let mut asked = 0;
                while !is_over.load(SeqCst) {
                    let seen = source.through(&cache, key).await;
                    assert_eq!(seen, expected, "what was removed is served: {cache:?}");
                    asked += 1;
                    tokio::task::yield_now().await;
                }
                asked
            });
        }
        Self { is_over, tasks }
    }

    async fn end(self) {
        self.is_over.store(true, SeqCst);
        assert!(self.tasks.join_all().await.into_iter().all(|asked| asked > 0));
    }
}

/// Every way to invalidate what is at one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Remove,
    RemoveMatching,
    InvalidateTag,
    Clear,
    Put,
    Write,
    Expire,
}

impl Way {
    const ALL: [Self; 7] = [
        Self::Remove,
        Self::RemoveMatching,
        Self::InvalidateTag,
        Self::Clear,
        Self::Put,
        Self::Write,
        Self::Expire,
    ];

    /// A namespace of its own for each.
    fn cache(self, redis: &RedisManager) -> Cache {
        let policy = CachePolicy::new().stale_for(Duration::from_secs(3600));
        redis.cache(format!("{self:?}")).with(policy).tagged(["tag"])
    }

    /// Invalidates the key `k`, whose value is this from now on. Says whether Redis has confirmed it.
    async fn invalidate(self, cache: &Cache, value: u64) -> bool {
        match self {
            Self::Remove => cache.remove("k").await,
            Self::RemoveMatching => cache.remove_matching("[jk]*").await.is_some(),
            Self::InvalidateTag => cache.invalidate_tag("tag").await,
            Self::Clear => cache.clear().await,
            Self::Put => cache.put("k", &value).await,
            Self::Write => {
                let written = cache.write("k", || async { Ok::<_, Infallible>(value) }).await;
                let Ok(written) = written;
                assert_eq!(written, value);
                cache.get::<u64>("k").await == Some(value)
            }
            Self::Expire => cache.expire("k").await,
        }
    }
}

/// A manager with a near cache that bridges outages.
#[cfg(feature = "near-cache")]
fn near_manager(url: String) -> RedisManager {
    let mut config = Config::from_url(url);
    config.near_cache_mb = 8;
    config.serve_stale_in_outage = Duration::from_secs(60);
    RedisManager::new(config).unwrap()
}

/// Reads a key until the near cache answers for it.
#[cfg(feature = "near-cache")]
async fn is_near(redis: &RedisManager, cache: &Cache, key: &str) {
    eventually("the entry is near", || async {
        let before = redis.metrics().near_hits;
        cache.get::<u64>(key).await.is_some() && redis.metrics().near_hits > before
    })
    .await;
}

/// A manager with a deadline that a test can wait for.
fn impatient(url: String) -> RedisManager {
    let mut config = Config::from_url(url);
    config.socket_timeout = Duration::from_millis(50);
    RedisManager::new(config).unwrap()
}

/// Commands that the server has executed, each as `name:calls=count`.
fn reads(server: &RedisServer) -> Vec<String> {
    let is_read = |line: &String| line.starts_with("get:") || line.starts_with("mget:");
    server.executed().into_iter().filter(is_read).collect()
}
