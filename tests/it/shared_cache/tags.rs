//! Tags: however many entries have one, to invalidate them is to write one key.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use redis_manager::{Cache, CachePolicy, Load, RedisManager};

use super::{Source, reads};
use crate::support::{RedisServer, SLACK, eventually, is_surveyed};

/// Loads with a tag that the loader gives.
async fn load_tagged(cache: &Cache, key: &str, tag: &'static str) -> u64 {
    let loader = move |_loading| async move { Ok::<_, Infallible>(Load::new(7).tag(tag)) };
    let answer = cache.get_or_load_with(key, loader).await.unwrap();
    answer.value.unwrap()
}

async fn are_stored(cache: &Cache, keys: &[String]) {
    eventually("all are stored", || async {
        cache.get_many::<u64, _>(keys).await.iter().all(Option::is_some)
    })
    .await;
}

async fn warm(cache: &Cache, keys: &[String]) {
    let load = |missing: Vec<String>| async move {
        Ok::<_, Infallible>(missing.into_iter().map(|key| (key, 1_u64)).collect())
    };
    let warmed = cache.warm(keys.iter().cloned(), load, |_| {}).await.unwrap();
    assert_eq!(warmed.found, keys.len());
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k:{number}")).collect()
}

/// The only lines of a reply with the names of all keys, which are few.
fn lives(server: &RedisServer, keys: &[&str]) -> Vec<i64> {
    let lives = keys.iter().map(|key| server.command(&["PTTL", key]));
    lives
        .map(|life| life.trim_start_matches(':').parse().unwrap())
        .collect()
}

#[tokio::test]
async fn behaviour_14_an_invalidation_writes_one_key_and_reads_are_one_round_trip() {
    let server = RedisServer::start();
    let redis = server.manager();
    let (cache, source) = (redis.cache("c").tagged(["a", "b"]), Source::of(1));
    let keys = numbered(200);
    for key in &keys {
        source.through(&cache, key).await;
    }
    are_stored(&cache, &keys).await;
    is_surveyed(&redis).await;
    let size = server.command(&["DBSIZE"]);
    assert_eq!(size, ":203", "the entries, two tags, and the version of all");

    server.forget_executed();
    assert_eq!(cache.get::<u64>("k:0").await, Some(1));
    assert_eq!(reads(&server), ["mget:calls=1"]);
    assert_eq!(server.executed().len(), 1, "{:?}", server.executed());

    server.forget_executed();
    assert!(cache.invalidate_tag("a").await);
    let written = server.executed();
    assert_eq!(written, ["set:calls=1"]);
    assert_eq!(server.command(&["DBSIZE"]), size);
    for key in &keys {
        assert_eq!(cache.get::<u64>(key).await, None);
    }
    source.is_stored(&cache, "k:0").await;
    assert!(cache.invalidate_tag("unknown").await);
    assert_eq!(cache.get::<u64>("k:0").await, Some(1));
}

#[tokio::test]
async fn behaviour_14_tags_that_a_loader_gave_cost_another_process_one_more_round_trip_once() {
    let server = RedisServer::start();
    let (redis, other) = (server.manager(), server.manager());
    let (cache, theirs) = (redis.cache("c"), other.cache("c"));
    assert_eq!(load_tagged(&cache, "k", "given").await, 7);
    eventually("it is stored", || async { cache.get::<u64>("k").await == Some(7) }).await;
    // Its first answers bring the server's clock along.
    assert_eq!(theirs.get::<u64>("another").await, None);
    is_surveyed(&other).await;
    for round_trips in [2, 1, 1] {
        server.forget_executed();
        assert_eq!(theirs.get::<u64>("k").await, Some(7));
        assert_eq!(reads(&server), [format!("mget:calls={round_trips}")]);
    }
    assert!(theirs.invalidate_tag("given").await);
    assert_eq!(cache.get::<u64>("k").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_14_a_hundred_thousand_entries_are_invalidated_by_one_write() {
    let server = RedisServer::start();
    let redis = server.manager();
    let cache = redis.cache("c").tagged(["all"]);
    let keys = numbered(100_000);
    warm(&cache, &keys).await;
    eventually("all are stored", || async { server.command(&["DBSIZE"]) == ":100002" }).await;
    assert_eq!(cache.get::<u64>("k:99999").await, Some(1));
    let began = Instant::now();
    assert!(cache.invalidate_tag("all").await);
    assert!(
        began.elapsed() < Duration::from_millis(5) + SLACK / 4,
        "{:?}",
        began.elapsed()
    );
    for page in keys.chunks(5_000) {
        let found = cache.get_many::<u64, _>(page).await;
        assert!(found.iter().all(Option::is_none));
    }
    assert_eq!(server.command(&["DBSIZE"]), ":100002", "nothing grows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_14_when_entries_have_expired_a_few_keys_remain_and_not_for_ever() {
    let server = RedisServer::start();
    let redis = server.manager();
    let policy = CachePolicy::new().ttl(Duration::from_millis(200));
    let cache = redis.cache("c").with(policy).tagged(["a", "b"]);
    warm(&cache, &numbered(2_000)).await;
    cache.remove(numbered(10)).await;
    cache.invalidate_tag("a").await;
    eventually("the entries have expired", || async {
        let left = lives(&server, &["c:k:1999", "c:k:10"]);
        left == [-2, -2] && server.command(&["DBSIZE"]) != ":2003"
    })
    .await;
    let kept = ["c%epoch", "c%tag:a", "c%tag:b", "c:k:0", "c:k:9"];
    let lives = lives(&server, &kept);
    assert!(lives.iter().all(|life| *life > 0), "{kept:?}: {lives:?}");
    eventually("nothing else is left", || async {
        server.command(&["DBSIZE"]) == ":13"
    })
    .await;
}

#[tokio::test]
async fn behaviour_14_versions_that_were_evicted_make_misses_and_nothing_old() {
    let server = RedisServer::start();
    let (redis, other) = (server.manager(), server.manager());
    let (cache, source) = (redis.cache("c").tagged(["a"]), Source::of(0));
    for (value, gone) in (1..).zip(["c%tag:a", "c%epoch", "c%tag:a", "c%epoch"]) {
        source.change(value);
        assert!(cache.invalidate_tag("a").await);
        source.is_stored(&cache, "k").await;
        // What it was is not known any more, nor that it was raised.
        assert_eq!(server.command(&["DEL", gone]), ":1");
        for cache in [&cache, &other.cache("c")] {
            assert_eq!(cache.get::<u64>("k").await, None, "{gone}");
        }
        source.is_stored(&cache, "another").await;
        assert_eq!(cache.get::<u64>("k").await, None, "a new version is another: {gone}");
        source.is_stored(&cache, "k").await;
        assert_eq!(other.cache("c").get::<u64>("k").await, Some(value));
    }
}

#[tokio::test]
async fn behaviour_14_a_version_that_is_evicted_during_a_load_keeps_nothing_invalid() {
    let server = RedisServer::start();
    let (redis, other) = (server.manager(), server.manager());
    let (cache, theirs) = (redis.cache("c").tagged(["a"]), other.cache("c").tagged(["a"]));
    for round in 0..4 {
        Source::of(1).is_stored(&cache, "another").await;
        let key = format!("k:{round}");
        let (begin, go_on) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let (begin, go_on) = (std::sync::Arc::new(begin), std::sync::Arc::new(go_on));
        let loading = {
            let (cache, key) = (cache.clone(), key.clone());
            let (begin, go_on) = (std::sync::Arc::clone(&begin), std::sync::Arc::clone(&go_on));
            tokio::spawn(async move {
                let load = move || async move {
                    begin.notify_one();
                    go_on.notified().await;
                    Ok::<_, Infallible>(1_u64)
                };
                cache.get_or_load(key, load).await.unwrap()
            })
        };
        begin.notified().await;
        let settled = |redis: &RedisManager| {
            let counted = redis.cache("c").metrics();
            counted.stored + counted.not_stored
        };
        let before = settled(&redis);
        match round {
            0 => assert!(theirs.invalidate_tag("a").await),
            1 => assert!(theirs.clear().await),
            2 => {
                theirs.invalidate_tag("a").await;
                server.command(&["DEL", "c%tag:a"]);
            }
            _ => {
                theirs.clear().await;
                server.command(&["DEL", "c%epoch"]);
            }
        }
        go_on.notify_one();
        assert_eq!(loading.await.unwrap(), 1);
        eventually("it is stored, or not", || async { settled(&redis) > before }).await;
        assert_eq!(theirs.get::<u64>(&key).await, None, "round {round}");
        assert_eq!(cache.get::<u64>(&key).await, None, "round {round}");
    }
}
