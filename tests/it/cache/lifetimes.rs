//! Behaviour 20: how long values live, and how long it is known that there is none.

use std::time::{Duration, Instant};

use redis_manager::{Cache, CacheLookup, CachePolicy, Key, KeyTtl, Load, RedisManager, Served};
use tokio::time::sleep;

use super::{Failure, HOUR, Runs, is_stored};
use crate::support::{SLACK, eventually};

on_both_backends! {
    behaviour_20_jitter_spreads_the_ends_of_what_was_loaded_together,
    behaviour_20_nothing_found_is_remembered_and_told_from_absent,
    behaviour_20_without_a_negative_time_nothing_found_is_not_remembered,
    behaviour_20_a_loader_says_how_long_its_value_lives,
    behaviour_20_a_loader_gives_tags,
    behaviour_20_a_loader_keeps_its_value_out_of_the_cache,
    behaviour_20_a_sliding_value_lives_while_it_is_read,
    behaviour_20_a_sliding_value_lives_no_longer_than_its_time_to_live,
    behaviour_20_a_value_is_gone_after_its_time_to_live,
}

/// How long an entry has yet to live, as the server knows it.
async fn left(redis: &RedisManager, cache: &Cache, key: impl Into<Key>) -> Duration {
    match redis.service().keys().ttl(cache.key(key)).await.unwrap() {
        KeyTtl::Expires(left) => left,
        other => panic!("{other:?}"),
    }
}

async fn behaviour_20_jitter_spreads_the_ends_of_what_was_loaded_together(redis: &RedisManager) {
    const COUNT: usize = 2_000;
    let policy = CachePolicy::new().ttl(Duration::from_secs(60)).jitter(0.1);
    let cache = redis.cache("lifetimes").with(policy);
    let keys: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    let load = |keys: Vec<String>| async move {
        let pairs = keys.into_iter().map(|key| (key, 7_u64));
        Ok::<_, Failure>(pairs.collect::<Vec<_>>())
    };
    assert_eq!(cache.warm(keys.clone(), load, |_| {}).await.unwrap().found, COUNT);
    eventually("all are stored", || async { cache.metrics().stored == COUNT as u64 }).await;
    let mut seconds = [0_usize; 70];
    for key in keys {
        let left = left(redis, &cache, key).await;
        seconds[usize::try_from(left.as_secs()).unwrap()] += 1;
    }
    let (first, last) = (
        seconds.iter().position(|count| *count > 0).unwrap(),
        seconds.iter().rposition(|count| *count > 0).unwrap(),
    );
    // A busy machine may be some seconds late.
    assert!(first >= 40 && last <= 66 && last - first >= 10, "{seconds:?}");
    let most = *seconds.iter().max().unwrap();
    assert!(most <= 2 * COUNT / 12, "{seconds:?}");
}

async fn behaviour_20_nothing_found_is_remembered_and_told_from_absent(redis: &RedisManager) {
    let negative = Duration::from_millis(400);
    let (cache, runs) = (
        redis.cache("lifetimes").with(CachePolicy::new().negative_ttl(negative)),
        Runs::default(),
    );
    assert_eq!(cache.lookup::<u64>("k").await, CacheLookup::Absent);
    assert_eq!(cache.find_or_load("k", runs.bring(None::<u64>)).await.unwrap(), None);
    let began = Instant::now();
    eventually("it is known", || async {
        cache.lookup::<u64>("k").await == CacheLookup::NotFound
    })
    .await;
    assert_eq!(cache.get::<u64>("k").await, None);
    assert_eq!(cache.find_or_load("k", runs.bring(Some(7_u64))).await.unwrap(), None);
    let answer = cache
        .get_or_load_with("k", |_| async { Ok::<_, Failure>(Load::new(7_u64)) })
        .await
        .unwrap();
    assert!(
        answer.value.is_none() && matches!(answer.served, Served::Cached { .. }),
        "{answer:?}"
    );
    assert_eq!(runs.count(), 1);
    eventually("it is forgotten", || async {
        cache.lookup::<u64>("k").await == CacheLookup::Absent
    })
    .await;
    let elapsed = began.elapsed();
    assert!(elapsed >= negative / 2 && elapsed < negative + SLACK, "{elapsed:?}");
    assert_eq!(cache.find_or_load("k", runs.bring(Some(7_u64))).await.unwrap(), Some(7));
}

async fn behaviour_20_without_a_negative_time_nothing_found_is_not_remembered(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("lifetimes"), Runs::default());
    for count in 1..4 {
        assert_eq!(cache.find_or_load("k", runs.bring(None::<u64>)).await.unwrap(), None);
        assert_eq!(runs.count(), count);
    }
    let own = |_| async { Ok::<_, Failure>(Load::<u64>::not_found().ttl(HOUR)) };
    assert_eq!(cache.get_or_load_with("k", own).await.unwrap().value, None);
    eventually("it is known", || async {
        cache.lookup::<u64>("k").await == CacheLookup::NotFound
    })
    .await;
}

async fn behaviour_20_a_loader_says_how_long_its_value_lives(redis: &RedisManager) {
    let cache = redis
        .cache("lifetimes")
        .with(CachePolicy::new().ttl(Duration::from_secs(10)));
    for (key, ttl) in [
        ("longer", Duration::from_secs(1_000)),
        ("shorter", Duration::from_secs(2)),
    ] {
        let load = move |_| async move { Ok::<_, Failure>(Load::new(7_u64).ttl(ttl)) };
        assert_eq!(cache.get_or_load_with(key, load).await.unwrap().value, Some(7));
        is_stored::<u64>(&cache, key).await;
        let left = left(redis, &cache, key).await;
        assert!(left <= ttl && (ttl < SLACK * 2 || left > ttl / 2), "{key} {left:?}");
    }
    assert!(cache.put_with("put", Load::new(7_u64).ttl(HOUR)).await);
    assert!(left(redis, &cache, "put").await > HOUR / 2);
}

async fn behaviour_20_a_loader_gives_tags(redis: &RedisManager) {
    let cache = redis.cache("lifetimes").tagged(["of all"]);
    for tag in ["tenant:7", "of all"] {
        for (key, tenant) in [("a", "tenant:7"), ("b", "tenant:8")] {
            let load = move |_| async move { Ok::<_, Failure>(Load::new(7_u64).tag(tenant)) };
            eventually("it is stored", || async {
                cache.get_or_load_with(key, load).await.unwrap();
                cache.get::<u64>(key).await == Some(7)
            })
            .await;
        }
        assert!(cache.invalidate_tag(tag).await);
        assert_eq!(cache.get::<u64>("a").await, None);
        assert_eq!(cache.get::<u64>("b").await, (tag == "tenant:7").then_some(7));
    }
    assert!(cache.put_with("put", Load::new(7_u64).tag("tenant:9")).await);
    assert_eq!(cache.get::<u64>("put").await, Some(7));
    assert!(cache.invalidate_tags(["tenant:1", "tenant:9"]).await);
    assert_eq!(cache.get::<u64>("put").await, None);
}

async fn behaviour_20_a_loader_keeps_its_value_out_of_the_cache(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("lifetimes"), Runs::default());
    for count in 1..4 {
        let load = runs.bring(Load::new(7_u64).uncached());
        let answer = cache.get_or_load_with("k", move |_| load()).await.unwrap();
        assert_eq!((answer.value, answer.served), (Some(7), Served::Loaded));
        assert_eq!(runs.count(), count);
    }
    assert!(!redis.exists(cache.key("k")).await);
}

async fn behaviour_20_a_sliding_value_lives_while_it_is_read(redis: &RedisManager) {
    let idle = Duration::from_millis(600);
    let cache = redis
        .cache("lifetimes")
        .with(CachePolicy::new().ttl(HOUR).sliding(idle));
    assert!(cache.put("read", &7_u64).await && cache.put("left alone", &7_u64).await);
    let began = Instant::now();
    while began.elapsed() < 3 * idle {
        assert_eq!(cache.get::<u64>("read").await, Some(7), "{:?}", began.elapsed());
        sleep(Duration::from_millis(10)).await;
    }
    assert!(!redis.exists(cache.key("left alone")).await);
    assert_eq!(
        cache.get_or_load("read", Runs::default().bring(8_u64)).await.unwrap(),
        7
    );
    eventually("it ends", || async { !redis.exists(cache.key("read")).await }).await;
}

async fn behaviour_20_a_sliding_value_lives_no_longer_than_its_time_to_live(redis: &RedisManager) {
    let (ttl, idle) = (Duration::from_millis(900), Duration::from_millis(400));
    let cache = redis.cache("lifetimes").with(CachePolicy::new().ttl(ttl).sliding(idle));
    assert!(cache.put("k", &7_u64).await);
    let began = Instant::now();
    eventually("it ends", || async { cache.get::<u64>("k").await.is_none() }).await;
    let lived = began.elapsed();
    assert!(
        lived > ttl - Duration::from_millis(50) && lived < ttl + SLACK,
        "{lived:?}"
    );
}

async fn behaviour_20_a_value_is_gone_after_its_time_to_live(redis: &RedisManager) {
    let ttl = Duration::from_millis(200);
    let cache = redis.cache("lifetimes").with(CachePolicy::new().ttl(ttl));
    assert!(cache.put("k", &7_u64).await);
    let began = Instant::now();
    eventually("it ends", || async { cache.get::<u64>("k").await.is_none() }).await;
    let lived = began.elapsed();
    assert!(
        lived > ttl - Duration::from_millis(50) && lived < ttl + SLACK,
        "{lived:?}"
    );
    eventually("nothing is left of it", || async {
        !redis.exists(cache.key("k")).await
    })
    .await;
}
