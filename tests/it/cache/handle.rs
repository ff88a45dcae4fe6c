//! What a handle tells and counts, and what handles of one name share.

use std::time::Duration;

use redis_manager::{CacheLookup, CachePolicy, Load, RedisManager, Served, StaleReason};

use super::{Failure, HOUR, Runs, is_stored, put_stale};

on_both_backends! {
    lookup_tells_all_that_is_known,
    expire_declares_stale_what_is_there_and_nothing_else,
    get_many_keeps_the_order_of_its_keys,
    answers_tell_where_they_came_from,
    metrics_count_what_happened,
    handles_of_one_name_share_what_they_know,
    what_is_tagged_goes_with_any_of_its_tags,
    removing_nothing_is_done_at_once,
}

async fn lookup_tells_all_that_is_known(redis: &RedisManager) {
    let policy = CachePolicy::new().stale_for(HOUR).negative_ttl(HOUR);
    let (cache, runs) = (redis.cache("handle").with(policy), Runs::default());
    assert_eq!(cache.lookup::<u64>("k").await, CacheLookup::Absent);
    assert!(cache.put("k", &7_u64).await);
    let CacheLookup::Found(answer) = cache.lookup::<u64>("k").await else {
        panic!("it is there")
    };
    assert!(
        answer.value == Some(7) && matches!(answer.served, Served::Cached { .. }),
        "{answer:?}"
    );
    assert!(cache.expire("k").await);
    let CacheLookup::Found(answer) = cache.lookup::<u64>("k").await else {
        panic!("it is there")
    };
    assert!(answer.value == Some(7) && answer.served.is_stale(), "{answer:?}");
    assert_eq!(cache.get::<u64>("k").await, None, "it is not fresh");
    assert!(cache.remove("k").await);
    assert_eq!(cache.lookup::<u64>("k").await, CacheLookup::Absent);
    assert_eq!(cache.find_or_load("k", runs.bring(None::<u64>)).await.unwrap(), None);
    is_stored::<u64>(&cache, "k").await;
    assert_eq!(cache.lookup::<u64>("k").await, CacheLookup::NotFound);
    assert_eq!(runs.count(), 1);
}

async fn expire_declares_stale_what_is_there_and_nothing_else(redis: &RedisManager) {
    let cache = redis.cache("handle").with(CachePolicy::new().stale_for(HOUR));
    assert!(!cache.expire("k").await, "there is none");
    put_stale(&cache, "k", &7_u64).await;
    assert!(cache.expire("k").await, "it is there");
    assert!(cache.remove("k").await && !cache.expire("k").await);
    put_stale(&cache, "k", &7_u64).await;
    assert_eq!(cache.get_or_load("k", Runs::default().bring(8_u64)).await.unwrap(), 8);
    is_stored::<u64>(&cache, "k").await;
    crate::support::eventually("it is fresh", || async { cache.get::<u64>("k").await == Some(8) }).await;
    // Without a grace it is gone.
    let strict = redis.cache("strict");
    assert!(strict.put("k", &7_u64).await && strict.expire("k").await);
    assert_eq!(strict.lookup::<u64>("k").await, CacheLookup::Absent);
}

async fn get_many_keeps_the_order_of_its_keys(redis: &RedisManager) {
    let cache = redis.cache("handle");
    assert!(cache.put("a", &1_u64).await && cache.put("b", &2_u64).await);
    let values = cache.get_many::<u64, _>(["b", "none", "a", "b"]).await;
    assert_eq!(values, [Some(2), None, Some(1), Some(2)]);
    assert!(cache.get_many::<u64, &str>([]).await.is_empty());
}

async fn answers_tell_where_they_came_from(redis: &RedisManager) {
    let policy = CachePolicy::new().stale_while_revalidate(HOUR);
    let cache = redis.cache("handle").with(policy);
    let ask = || cache.get_or_load_with("k", |_| async { Ok::<_, Failure>(Load::new(7_u64)) });
    assert_eq!(ask().await.unwrap().served, Served::Loaded);
    is_stored::<u64>(&cache, "k").await;
    let Served::Cached { age } = ask().await.unwrap().served else {
        panic!("it is cached")
    };
    assert!(age < Duration::from_secs(60), "{age:?}");
    assert!(cache.expire("k").await);
    let served = ask().await.unwrap().served;
    assert!(
        matches!(
            served,
            Served::Stale {
                reason: StaleReason::Revalidating,
                ..
            }
        ),
        "{served:?}"
    );
    // Two at once: one loads, and the other one shares it.
    let both = tokio::join!(cache.get_or_load_with("l", slow), cache.get_or_load_with("l", slow));
    let served = [both.0.unwrap().served, both.1.unwrap().served];
    assert!(
        served.contains(&Served::Loaded) && served.contains(&Served::Fresh),
        "{served:?}"
    );
}

async fn slow(_: redis_manager::Loading<u64>) -> Result<Load<u64>, Failure> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(Load::new(7))
}

async fn metrics_count_what_happened(redis: &RedisManager) {
    let policy = CachePolicy::new().stale_for(HOUR).retry_after(HOUR);
    let (cache, runs) = (redis.cache("counted").with(policy), Runs::default());
    assert_eq!(cache.metrics(), redis_manager::CacheMetrics::default());
    cache.get_or_load("k", runs.bring(7_u64)).await.unwrap();
    is_stored::<u64>(&cache, "k").await;
    let counted = cache.metrics();
    assert_eq!(
        (counted.loads, counted.stored, counted.load_failures),
        (1, 1, 0),
        "{counted:?}"
    );
    cache.get_or_load("k", runs.bring(7_u64)).await.unwrap();
    assert_eq!(cache.metrics().hits, counted.hits + 1);
    assert!(cache.expire("k").await);
    for _ in 0..3 {
        assert_eq!(cache.get_or_load("k", runs.fail::<u64>()).await.unwrap(), 7);
    }
    assert!(cache.get_or_load("l", runs.fail::<u64>()).await.is_err());
    let after = cache.metrics();
    assert_eq!((after.loads, after.load_failures, after.stale), (3, 2, 3), "{after:?}");
    assert_eq!(
        (after.unreadable, after.unavailable, after.journaled, after.not_stored),
        (0, 0, 0, 0),
        "{after:?}"
    );
    assert_eq!(redis.cache("another").metrics(), redis_manager::CacheMetrics::default());
}

async fn handles_of_one_name_share_what_they_know(redis: &RedisManager) {
    let (first, second) = (
        redis.cache("shared"),
        redis.cache("shared").with(CachePolicy::new().ttl(HOUR)),
    );
    assert!(first.put("k", &7_u64).await);
    assert_eq!(second.get::<u64>("k").await, Some(7));
    assert!(second.remove("k").await);
    assert_eq!(first.get::<u64>("k").await, None);
    assert_eq!(first.metrics(), second.metrics());
    assert_eq!(first.key("k"), second.key("k"));
    assert_eq!(redis.cache("other").get::<u64>("k").await, None);
}

async fn what_is_tagged_goes_with_any_of_its_tags(redis: &RedisManager) {
    let cache = redis.cache("handle");
    let (red, both) = (
        cache.clone().tagged(["red"]),
        cache.clone().tagged(["red"]).tagged(["round", "red"]),
    );
    for tag in ["red", "round"] {
        assert!(red.put("rose", &1_u64).await && both.put("apple", &2_u64).await && cache.put("sky", &3_u64).await);
        assert_eq!(
            cache.get_many::<u64, _>(["rose", "apple", "sky"]).await,
            [Some(1), Some(2), Some(3)]
        );
        assert!(cache.invalidate_tag(tag).await);
        let rose = (tag == "round").then_some(1);
        assert_eq!(
            cache.get_many::<u64, _>(["rose", "apple", "sky"]).await,
            [rose, None, Some(3)]
        );
    }
    assert!(cache.clear().await);
    assert_eq!(cache.get_many::<u64, _>(["rose", "apple", "sky"]).await, [None; 3]);
    assert!(cache.put("sky", &3_u64).await);
    assert_eq!(cache.get::<u64>("sky").await, Some(3));
}

async fn removing_nothing_is_done_at_once(redis: &RedisManager) {
    let cache = redis.cache("handle");
    assert!(cache.remove(Vec::<String>::new()).await);
    assert!(cache.invalidate_tags(Vec::<String>::new()).await);
    assert!(cache.remove("never there").await);
}
