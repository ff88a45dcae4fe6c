//! Removals that could not be sent: how many are kept, by whom, and what becomes of them while other calls pass.

use std::time::{Duration, Instant};

use redis_manager::RedisManager;

use super::{Readers, Source, Way, impatient};
use crate::support::{Proxy, RedisServer, SLACK, eventually, is_back, is_refusing};

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k:{number}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_08_too_many_removals_invalidate_all_of_their_namespace_and_no_other() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let (redis, other) = (proxy.manager(), server.manager());
    let (full, small) = (redis.cache("full"), redis.cache("small"));
    for key in ["k:0", "k:4999", "never named"] {
        Source::of(1).is_stored(&full, key).await;
        Source::of(1).is_stored(&small, key).await;
    }
    proxy.stall();
    is_refusing(&redis).await;
    assert!(!full.remove(numbered(5_000)).await && !small.remove("k:0").await);
    assert_eq!((full.metrics().journaled, small.metrics().journaled), (5_000, 1));
    proxy.cut();
    proxy.restore();
    is_back(&redis).await;
    assert!(server.command(&["GET", "full%epoch"]).starts_with('r'), "it was raised");
    assert!(server.command(&["GET", "small%epoch"]).starts_with('c'), "it was not");
    assert_eq!(redis.metrics().replayed, 2);
    for redis in [&redis, &other] {
        for key in ["k:0", "k:4999", "never named"] {
            assert_eq!(redis.cache("full").get::<u64>(key).await, None, "{key}");
        }
        assert_eq!(redis.cache("small").get::<u64>("k:0").await, None);
        assert_eq!(redis.cache("small").get::<u64>("never named").await, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_08_however_many_are_removed_in_an_outage_little_is_kept() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    let cache = redis.cache("c");
    Source::of(1).is_stored(&cache, "k:0").await;
    proxy.stall();
    is_refusing(&redis).await;
    let began = Instant::now();
    for number in 0..100_000 {
        cache.remove(format!("k:{number}")).await;
    }
    let tags: Vec<_> = numbered(100_000);
    cache.invalidate_tags(tags).await;
    assert!(began.elapsed() < 10 * SLACK, "{:?}", began.elapsed());
    assert_eq!(cache.metrics().journaled, 200_000);
    proxy.cut();
    proxy.restore();
    is_back(&redis).await;
    assert_eq!(redis.metrics().replayed, 1, "all of them became one");
    assert_eq!(cache.get::<u64>("k:0").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behaviour_08_what_timed_out_while_other_calls_pass_holds_at_once_and_is_sent_again() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = impatient(proxy.url());
    for way in Way::ALL {
        let (cache, source) = (way.cache(&redis), Source::of(1));
        for round in 0..5 {
            let (old, new) = (2 * round + 1, 2 * round + 2);
            source.change(old);
            cache.remove("k").await;
            eventually("it is stored", || async {
                source.through(&cache, "k").await;
                cache.get::<u64>("k").await == Some(old)
            })
            .await;
            let replayed = redis.metrics().replayed;
            source.change(new);
            proxy.stall();
            way.invalidate(&cache, new).await;
            let readers = Readers::of(&cache, "k", &source, new);
            proxy.restore();
            eventually("it is sent again", || async { redis.metrics().replayed > replayed }).await;
            for _ in 0..20 {
                assert_eq!(source.through(&cache, "k").await, new, "{way:?}");
            }
            readers.end().await;
        }
    }
}

#[tokio::test]
async fn behaviour_08_what_was_written_by_a_caller_who_has_gone_is_not_served_as_it_was() {
    let server = RedisServer::start();
    let redis = server.manager();
    let (cache, source) = (redis.cache("c"), Source::of(1));
    source.is_stored(&cache, "k").await;
    let began = std::sync::Arc::new(tokio::sync::Notify::new());
    let writer = {
        let (cache, began, source) = (cache.clone(), std::sync::Arc::clone(&began), source.clone());
        tokio::spawn(async move {
            let write = cache.write("k", || async move {
                source.change(2);
                began.notify_one();
                std::future::pending::<Result<u64, ()>>().await
            });
            write.await
        })
    };
    began.notified().await;
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    for _ in 0..50 {
        assert_eq!(source.through(&cache, "k").await, 2);
    }
    eventually("others are told", || async {
        server.manager().cache("c").get::<u64>("k").await != Some(1)
    })
    .await;
}

#[tokio::test]
async fn behaviour_08_a_disabled_manager_keeps_no_removals() {
    let redis = RedisManager::disabled("a test");
    for way in Way::ALL {
        let (cache, source) = (way.cache(&redis), Source::of(1));
        assert!(!way.invalidate(&cache, 2).await, "{way:?}");
        assert_eq!(cache.metrics().journaled, 0, "{way:?}");
        assert_eq!(source.through(&cache, "k").await, 1, "{way:?}");
        assert_eq!(cache.metrics().unavailable, cache.metrics().misses);
    }
    assert_eq!(redis.metrics().replayed, 0);
}

#[test]
fn behaviour_08_a_manager_whose_removals_wait_can_be_dropped() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let redis = RedisServer::absent(&[]).manager();
        for way in Way::ALL {
            let cache = way.cache(&redis);
            way.invalidate(&cache, 2).await;
            assert_eq!(cache.get::<u64>("k").await, None);
        }
        drop(redis);
        eventually("its tasks end", || async {
            tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0
        })
        .await;
    });
}

#[tokio::test]
async fn behaviour_08_no_connection_is_made_for_waiting_removals_after_a_disconnect() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = impatient(proxy.url());
    assert!(redis.initialize().await);
    proxy.stall();
    for way in [Way::Remove, Way::RemoveMatching] {
        assert!(!way.invalidate(&way.cache(&redis), 2).await);
    }
    redis.disconnect().await;
    proxy.restore();
    let before = proxy.accepted();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!((proxy.accepted(), redis.metrics().replayed), (before, 0));
    is_back(&redis).await;
    eventually("they are sent with the next calls", || async {
        redis.metrics().replayed == 2
    })
    .await;
}
