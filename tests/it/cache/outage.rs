//! Behaviour 5: whatever becomes of Redis, the value is the loader's.

use std::time::{Duration, Instant};

use redis_manager::{CacheLookup, CachePolicy, Config, LoadError, RedisManager, Served};
use tokio::task::JoinSet;

use super::{Failure, HOUR, Runs};
use crate::support::{DEADLINE, RedisServer, SLACK, is_back, is_refusing};

/// Asks for everything there is to be asked for, and gets the loader's answer each time.
async fn the_loader_has_the_last_word(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("outage"), Runs::default());
    for key in ["a", "b", "a"] {
        assert_eq!(cache.get_or_load(key, runs.bring(7_u64)).await.unwrap(), 7);
    }
    let answer = cache.get_or_load_with("a", |loading| async move {
        assert_eq!(loading.stale, None);
        Ok::<_, Failure>(redis_manager::Load::new(8_u64))
    });
    assert_eq!(answer.await.unwrap().served, Served::Loaded);
    assert_eq!(cache.find_or_load("a", runs.bring(None::<u64>)).await.unwrap(), None);
    assert_eq!(cache.get_or_load_in_place("a", runs.bring(7_u64)).await, Ok(7));
    assert_eq!(cache.refresh("a", runs.bring(9_u64)).await.unwrap(), 9);
    let load = |keys: Vec<&'static str>| async move {
        let pairs = keys.into_iter().map(|key| (key, 7_u64));
        Ok::<_, Failure>(pairs.collect::<Vec<_>>())
    };
    assert_eq!(
        cache.get_or_load_many(["a", "b"], load).await.unwrap(),
        [Some(7), Some(7)]
    );
    assert_eq!(cache.warm(["a", "b"], load, |_| {}).await.unwrap().found, 2);
    assert_eq!(cache.write("a", runs.bring(7_u64)).await, Ok(7));
    assert_eq!(cache.write("a", runs.fail::<u64>()).await, Err("no database"));
    let failed = cache.get_or_load("a", runs.fail::<u64>()).await.unwrap_err();
    assert!(matches!(failed, LoadError::Failed(_)), "{failed:?}");
}

/// What is asked of the cache alone is answered by nothing.
async fn nothing_is_known(redis: &RedisManager) {
    let cache = redis.cache("outage");
    assert_eq!(cache.get::<u64>("a").await, None);
    assert_eq!(cache.get_many::<u64, _>(["a", "b"]).await, [None, None]);
    assert_eq!(cache.lookup::<u64>("a").await, CacheLookup::Unavailable);
    assert!(!cache.put("a", &7_u64).await && !cache.remove("a").await && !cache.expire("a").await);
    assert!(!cache.invalidate_tag("t").await && !cache.clear().await);
    assert_eq!(cache.remove_matching("*").await, None);
}

#[tokio::test]
async fn behaviour_05_where_redis_is_disabled_the_value_is_the_loaders() {
    let redis = RedisManager::disabled("a test");
    the_loader_has_the_last_word(&redis).await;
    nothing_is_known(&redis).await;
    let metrics = redis.cache("outage").metrics();
    assert_eq!(
        (metrics.hits, metrics.stored, metrics.journaled),
        (0, 0, 0),
        "{metrics:?}"
    );
    assert_eq!(metrics.unavailable, metrics.misses);
}

#[tokio::test]
async fn behaviour_05_where_redis_is_disabled_a_writer_who_goes_leaves_nothing_to_be_made_up_for() {
    let cache = RedisManager::disabled("a test").cache("outage");
    let never = std::future::pending::<Result<u64, Failure>>;
    let gone = tokio::time::timeout(Duration::from_millis(10), cache.write("a", never)).await;
    assert!(gone.is_err());
    assert_eq!(cache.metrics().journaled, 0);
}

#[tokio::test]
async fn behaviour_05_where_redis_is_absent_the_value_is_the_loaders() {
    let server = RedisServer::absent(&[]);
    let redis = server.manager();
    the_loader_has_the_last_word(&redis).await;
    nothing_is_known(&redis).await;
}

#[tokio::test]
async fn behaviour_05_where_redis_is_killed_the_value_is_the_loaders() {
    let mut server = RedisServer::start();
    let redis = server.manager();
    assert!(redis.cache("outage").put("a", &1_u64).await);
    server.kill();
    the_loader_has_the_last_word(&redis).await;
    is_refusing(&redis).await;
    the_loader_has_the_last_word(&redis).await;
    nothing_is_known(&redis).await;
    server.restart();
    is_back(&redis).await;
    let cache = redis.cache("outage");
    assert_eq!(cache.get_or_load("a", Runs::default().bring(7_u64)).await.unwrap(), 7);
    super::is_stored::<u64>(&cache, "a").await;
}

#[tokio::test]
async fn behaviour_05_where_redis_hangs_the_value_is_the_loaders_and_soon() {
    let server = RedisServer::start();
    let redis = server.manager();
    let (cache, runs) = (redis.cache("outage"), Runs::default());
    assert!(cache.put("a", &1_u64).await);
    server.stop();
    let began = Instant::now();
    assert_eq!(cache.get_or_load("a", runs.bring(7_u64)).await.unwrap(), 7);
    assert!(began.elapsed() < DEADLINE + SLACK, "{:?}", began.elapsed());
    is_refusing(&redis).await;
    the_loader_has_the_last_word(&redis).await;
    nothing_is_known(&redis).await;
    server.resume();
}

#[tokio::test]
async fn behaviour_05_behind_the_open_breaker_loads_take_no_longer_than_their_loader() {
    let server = RedisServer::start();
    let redis = server.manager();
    assert!(redis.initialize().await);
    server.stop();
    is_refusing(&redis).await;
    let (cache, runs) = (redis.cache("outage"), Runs::default());
    let began = Instant::now();
    for number in 0..2_000_u64 {
        let key = number.to_string();
        assert_eq!(cache.get_or_load(key, runs.bring(number)).await.unwrap(), number);
    }
    // One deadline alone is half a second.
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    assert_eq!(runs.count(), 2_000);
    let metrics = cache.metrics();
    assert_eq!((metrics.misses, metrics.unavailable), (2_000, 2_000), "{metrics:?}");
    server.resume();
}

#[tokio::test]
async fn behaviour_05_callers_whom_an_outage_strikes_get_their_values_and_what_was_stored_before_is_not_lost() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.socket_timeout = Duration::from_millis(100);
    let redis = RedisManager::new(config).unwrap();
    let cache = redis.cache("outage").with(CachePolicy::new().stale_for(HOUR));
    assert!(cache.put("kept", &1_u64).await);
    server.stop();
    let mut callers = JoinSet::new();
    for number in 0..200_u64 {
        let cache = cache.clone();
        callers.spawn(async move {
            let load = Runs::default().bring(number);
            cache.get_or_load(number.to_string(), load).await.unwrap() == number
        });
    }
    assert!(callers.join_all().await.into_iter().all(|is_own| is_own));
    server.resume();
    is_back(&redis).await;
    assert_eq!(cache.get::<u64>("kept").await, Some(1));
}
