//! `CacheStore`: one contract over every store, the faults of `FaultyCache`, and how an application tests what it does without its cache.

mod faults;
mod violations;

use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::{
    CacheStore, CacheStoreExt, Config, ErrorKind, MemoryCache, RedisManager, RedisService,
    testing::{CacheOperation, Fault, FaultyCache},
};

use crate::face::Shared;

/// A store on a server that lives as long.
struct OnServer<S> {
    store: S,
    _shared: Shared,
}

impl<S> OnServer<S> {
    fn new(make: impl FnOnce(RedisService) -> S) -> Self {
        let shared = Shared::join();
        Self {
            store: make(shared.redis.service().clone()),
            _shared: shared,
        }
    }
}

impl<S> Deref for OnServer<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.store
    }
}

fn memory() -> MemoryCache {
    MemoryCache::new(8 << 20)
}

mod memory_cache {
    redis_manager::testing::cache_store_contract!(async || Box::new(super::memory()));
}

mod redis_service {
    redis_manager::testing::cache_store_contract!(async || super::OnServer::new(|service| service));
}

mod faulty_memory_cache {
    use redis_manager::testing::FaultyCache;

    redis_manager::testing::cache_store_contract!(async || Box::new(FaultyCache::new(super::memory())));
}

mod faulty_redis_service {
    use redis_manager::testing::FaultyCache;

    redis_manager::testing::cache_store_contract!(async || super::OnServer::new(FaultyCache::new));
}

mod any_store {
    use std::sync::Arc;

    use redis_manager::CacheStore;

    async fn store() -> Arc<dyn CacheStore> {
        Arc::new(super::memory())
    }

    redis_manager::testing::cache_store_contract!(store);
}

/// What an application is built of.
#[derive(Clone)]
struct AppState {
    cache: Arc<dyn CacheStore>,
}

impl AppState {
    /// The name from the cache, or else from the database; the cache may take 50 ms.
    async fn user_name(&self, id: usize) -> String {
        let key = format!("user:{id}:name");
        let asked = tokio::time::timeout(Duration::from_millis(50), self.cache.get_text(&key));
        if let Ok(Ok(Some(name))) = asked.await {
            return name;
        }
        let name = format!("user {id}");
        let minute = Some(Duration::from_secs(60));
        let told = self.cache.set(&key, name.as_str().into(), minute);
        drop(tokio::time::timeout(Duration::from_millis(50), told).await);
        name
    }
}

#[tokio::test]
async fn an_application_tests_what_it_does_without_its_cache() {
    let cache = FaultyCache::new(memory());
    let faults = cache.faults();
    let app = AppState { cache: Arc::new(cache) };
    for (id, fault) in [
        Fault::fail(ErrorKind::Unavailable),
        Fault::fail(ErrorKind::Timeout).late(),
        Fault::stall(),
        Fault::drop_writes(),
    ]
    .into_iter()
    .enumerate()
    {
        let fault = faults.inject(fault);
        assert_eq!(app.user_name(id).await, format!("user {id}"));
        assert!(fault.met() > 0);
    }
    faults.reset();
    assert_eq!(app.user_name(8).await, "user 8");
    assert_eq!(app.user_name(8).await, "user 8");
    assert_eq!(
        (faults.calls(CacheOperation::Get), faults.calls(CacheOperation::Set)),
        (2, 1)
    );
}

#[tokio::test]
async fn a_store_is_shared_and_its_calls_are_spawned() {
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let app = AppState {
        cache: Arc::new(memory()),
    };
    is_shared(&app);
    let task = {
        let app = app.clone();
        tokio::spawn(async move {
            app.cache.set_json("k", &[1, 2], None).await?;
            app.cache.get_json::<Vec<u8>>("k").await
        })
    };
    assert_eq!(task.await.unwrap().unwrap(), Some(vec![1, 2]));
    let boxed: Box<dyn CacheStore> = Box::new(Arc::clone(&app.cache));
    let borrowed: &dyn CacheStore = &boxed;
    assert!(CacheStore::exists(&borrowed, "k").await.unwrap());
}

#[tokio::test]
async fn each_memory_cache_is_its_own_and_bounded() {
    let (cache, other) = (MemoryCache::new(10_000), MemoryCache::new(10_000));
    cache.set("k", "v".into(), None).await.unwrap();
    assert!(!other.exists("k").await.unwrap());
    assert!(cache.clone().exists("k").await.unwrap());
    let error = cache.set("k", vec![0; 10_000].into(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    for number in 0..100 {
        cache
            .set(&format!("k{number}"), vec![0; 1_000].into(), None)
            .await
            .unwrap();
    }
    assert!(!cache.exists("k").await.unwrap());
    assert!(cache.exists("k99").await.unwrap());
}

#[tokio::test]
async fn redis_without_a_prefix_is_not_flushed() {
    let redis = RedisManager::new(Config::from_url("memory://")).unwrap();
    let store: &dyn CacheStore = redis.service();
    store.set("k", "v".into(), None).await.unwrap();
    assert_eq!(store.flush().await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(store.exists("k").await.unwrap());
}

#[tokio::test]
async fn a_disabled_redis_is_a_store_that_is_unavailable() {
    let off = RedisManager::disabled("a test");
    let store: &dyn CacheStore = off.service();
    assert!(store.get("k").await.unwrap_err().is_unavailable());
    assert!(store.set("k", "v".into(), None).await.unwrap_err().is_unavailable());
    assert!(store.ping().await.unwrap_err().is_unavailable());
    assert!(store.delete_pattern("*").await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn what_is_no_string_is_the_wrong_type_or_missing_among_many() {
    let shared = Shared::join();
    let store: &dyn CacheStore = shared.redis.service();
    assert_eq!(shared.redis.hset("h", "f", "v").await, 1);
    assert_eq!(store.get("h").await.unwrap_err().kind(), ErrorKind::WrongType);
    assert_eq!(store.get_many(&["h"]).await.unwrap(), [None]);
    assert!(store.delete("h").await.unwrap());
    shared.assert_undisturbed();
}

#[tokio::test]
async fn a_call_that_is_never_polled_does_nothing() {
    let shared = Shared::join();
    let memory = memory();
    let stores: [&dyn CacheStore; 2] = [shared.redis.service(), &memory];
    for store in stores {
        drop(store.set("k", "v".into(), None));
        drop(store.increment("n", 1));
        assert!(!store.exists("k").await.unwrap());
        assert_eq!(store.increment("n", 1).await.unwrap(), 1);
    }
}

/// Waits until a condition holds that no task is waiting for.
async fn settle() {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1) {
        tokio::task::yield_now().await;
    }
}
