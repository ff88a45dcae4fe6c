//! The near cache behind the cache's handle: what others change is seen, and what is near asks nobody.

use std::time::Duration;

use redis_manager::Cache;

use super::{Source, Way, is_near, near_manager, reads};
use crate::support::{RedisServer, SLACK, eventually, is_surveyed};

/// A change may take so long to be seen.
const SOON: Duration = Duration::from_millis(100);

async fn sees(cache: &Cache, source: &Source, value: u64, what: &str) {
    let took = eventually(what, || async { source.through(cache, "k").await == value }).await;
    assert!(took < SOON + SLACK, "{what}: seen after {took:?}");
    for _ in 0..20 {
        assert_eq!(source.through(cache, "k").await, value, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_09_what_another_manager_changes_is_seen_at_once() {
    let server = RedisServer::start();
    let (redis, other) = (near_manager(server.url()), near_manager(server.url()));
    for way in Way::ALL {
        let (cache, source) = (way.cache(&redis), Source::of(1));
        source.is_stored(&cache, "k").await;
        is_near(&redis, &cache, "k").await;
        source.change(2);
        assert!(way.invalidate(&way.cache(&other), 2).await, "{way:?}");
        sees(&cache, &source, 2, &format!("{way:?} is seen")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_09_what_is_done_to_an_entry_past_the_crate_is_seen_at_once() {
    let server = RedisServer::start();
    let redis = near_manager(server.url());
    let (cache, source) = (redis.cache("c"), Source::of(0));
    let foreign: [&[&str]; 5] = [
        &["DEL", "c:k"],
        &["SET", "c:k", "no envelope"],
        &["FLUSHALL"],
        &["DEL", "c%epoch"],
        &["RENAME", "c:k", "c:gone"],
    ];
    for (value, words) in (1..).zip(foreign) {
        eventually("it is near", || async {
            source.through(&cache, "k").await;
            cache.get::<u64>("k").await == Some(value - 1)
        })
        .await;
        is_near(&redis, &cache, "k").await;
        source.change(value);
        assert!(!server.command(words).starts_with('-'), "{words:?}");
        sees(&cache, &source, value, &format!("{words:?} is seen")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_09_what_is_near_asks_the_server_nothing() {
    let server = RedisServer::start();
    let redis = near_manager(server.url());
    let (cache, source) = (redis.cache("c").tagged(["tag"]), Source::of(1));
    source.is_stored(&cache, "k").await;
    is_near(&redis, &cache, "k").await;
    is_surveyed(&redis).await;
    server.forget_executed();
    for _ in 0..1_000 {
        assert_eq!(source.through(&cache, "k").await, 1);
        assert_eq!(cache.get_many::<u64, _>(["k", "k"]).await, [Some(1), Some(1)]);
    }
    assert_eq!(reads(&server), Vec::<String>::new());
    assert_eq!(source.loads(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_09_a_lost_feed_makes_nothing_stale() {
    let server = RedisServer::start();
    let redis = near_manager(server.url());
    let (cache, source) = (redis.cache("c"), Source::of(0));
    for value in 1..=5 {
        eventually("it is near", || async {
            source.through(&cache, "k").await;
            cache.get::<u64>("k").await == Some(value - 1)
        })
        .await;
        is_near(&redis, &cache, "k").await;
        source.change(value);
        server.commands(&[&["CLIENT", "KILL", "TYPE", "pubsub"], &["DEL", "c:k"]]);
        sees(&cache, &source, value, "a change without a feed is seen").await;
    }
}
