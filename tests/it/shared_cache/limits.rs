//! While Redis is gone all callers load: as many at once as the policy permits.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use redis_manager::{CachePolicy, LoadError, RedisManager};
use tokio::task::JoinSet;

use crate::support::{RedisServer, SLACK};

/// How many loaders run, and how many ran at most.
#[derive(Clone, Default)]
struct Crowd(Arc<[AtomicUsize; 2]>);

/// One loader that runs.
struct Present(Crowd);

impl Crowd {
    fn enter(&self) -> Present {
        let now = self.0[0].fetch_add(1, SeqCst) + 1;
        self.0[1].fetch_max(now, SeqCst);
        Present(self.clone())
    }

    fn most(&self) -> usize {
        self.0[1].load(SeqCst)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.0[0].fetch_sub(1, SeqCst);
    }
}

fn absent() -> RedisManager {
    RedisServer::absent(&[]).manager()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_05_in_an_outage_no_more_loaders_run_at_once_than_permitted() {
    let redis = absent();
    let cache = redis.cache("c").with(CachePolicy::new().max_loads_in_outage(2));
    let crowd = Crowd::default();
    let mut callers = JoinSet::new();
    for number in 0..40_u64 {
        let (cache, crowd) = (cache.clone(), crowd.clone());
        callers.spawn(async move {
            let load = move || async move {
                let _present = crowd.enter();
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok::<_, Infallible>(number)
            };
            let loaded = match number % 2 {
                0 => cache.get_or_load(format!("k:{number}"), load).await.unwrap(),
                _ => {
                    let key = format!("k:{number}");
                    let many = move |keys: Vec<String>| async move {
                        let Ok(value) = load().await;
                        Ok::<_, Infallible>(keys.into_iter().map(|key| (key, value)).collect())
                    };
                    cache.get_or_load_many([key], many).await.unwrap()[0].unwrap()
                }
            };
            assert_eq!(loaded, number);
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    assert_eq!(crowd.most(), 2);
    assert_eq!(cache.metrics().loads, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_05_whoever_gets_no_turn_in_an_outage_is_told_so_after_the_hard_timeout() {
    let redis = absent();
    let policy = CachePolicy::new()
        .max_loads_in_outage(2)
        .hard_timeout(Duration::from_millis(200));
    let cache = redis.cache("c").with(policy);
    let crowd = Crowd::default();
    let mut callers = JoinSet::new();
    for number in 0..10 {
        let (cache, crowd) = (cache.clone(), crowd.clone());
        callers.spawn(async move {
            let began = Instant::now();
            let load = move || async move {
                let _present = crowd.enter();
                std::future::pending::<Result<u64, Infallible>>().await
            };
            let error = cache.get_or_load(format!("k:{number}"), load).await.unwrap_err();
            assert!(
                began.elapsed() < Duration::from_millis(400) + SLACK,
                "{:?}",
                began.elapsed()
            );
            error
        });
    }
    let mut overloaded = 0;
    while let Some(error) = callers.join_next().await {
        match error.unwrap() {
            LoadError::Overloaded => overloaded += 1,
            LoadError::TimedOut(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((6..=8).contains(&overloaded), "{overloaded} of ten");
    assert_eq!(crowd.most(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_05_while_redis_answers_there_is_no_limit() {
    let server = RedisServer::start();
    let redis = server.manager();
    let cache = redis.cache("c").with(CachePolicy::new().max_loads_in_outage(1));
    let all = Arc::new(tokio::sync::Barrier::new(8));
    let mut callers = JoinSet::new();
    for number in 0..8_u64 {
        let (cache, all) = (cache.clone(), Arc::clone(&all));
        callers.spawn(async move {
            let load = move || async move {
                all.wait().await;
                Ok::<_, Infallible>(number)
            };
            cache.get_or_load(format!("k:{number}"), load).await.unwrap()
        });
    }
    callers.join_all().await;
}
