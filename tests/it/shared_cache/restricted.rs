//! Accounts that may not do what the cache would like to: it keeps less then, and answers rightly all the same.

use std::{convert::Infallible, time::Duration};

use redis_manager::{Cache, CachePolicy, RedisManager};
use tokio::task::JoinSet;

use super::{Source, Way};
use crate::support::{RedisServer, eventually};

fn manager(server: &RedisServer, rules: &[&str]) -> RedisManager {
    let words = [&["ACL", "SETUSER", "app", "on", ">sesame", "~*", "&*", "+@all"], rules].concat();
    assert_eq!(server.command(&words), "+OK");
    let url = server.url().replace("redis://", "redis://app:sesame@");
    RedisManager::new(redis_manager::Config::from_url(url)).unwrap()
}

/// Changes and invalidates in every way, and reads by both sides.
async fn answers_rightly(redis: &RedisManager, other: &RedisManager) {
    for way in Way::ALL {
        let (cache, theirs, source) = (way.cache(redis), way.cache(other), Source::of(0));
        for value in 1..=6 {
            source.change(value);
            way.invalidate(&cache, value).await;
            for _ in 0..3 {
                assert_eq!(source.through(&cache, "k").await, value, "{way:?}");
            }
            // What the other side has just loaded it shares until it was stored, or found that it cannot be.
            eventually("the other side sees it", || async {
                source.through(&theirs, "k").await == value
            })
            .await;
            assert_eq!(source.through(&theirs, "k").await, value, "{way:?}");
            // A pattern finds only what was stored before.
            eventually("what it has loaded is stored, or not", || async {
                let metrics = theirs.metrics();
                metrics.loads == metrics.stored + metrics.not_stored
            })
            .await;
        }
    }
}

fn leased(redis: &RedisManager) -> Cache {
    let policy = CachePolicy::new().lease(Duration::from_millis(300));
    redis.cache("leased").with(policy)
}

/// Several callers of several managers at once.
async fn loads_for_all(managers: &[RedisManager]) {
    for round in 0..3 {
        let mut callers = JoinSet::new();
        for redis in managers {
            let cache = leased(redis);
            callers.spawn(async move {
                let load = move || async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok::<_, Infallible>(round)
                };
                cache.get_or_load(format!("k:{round}"), load).await.unwrap()
            });
        }
        assert_eq!(callers.join_all().await, vec![round; managers.len()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_05_an_account_without_scripts_gets_what_is_loaded_and_nothing_old() {
    let server = RedisServer::start();
    let rules = ["-eval", "-evalsha", "-eval_ro", "-evalsha_ro", "-script"];
    let redis = manager(&server, &rules);
    assert!(redis.initialize().await);
    answers_rightly(&redis, &manager(&server, &rules)).await;
    loads_for_all(&[manager(&server, &rules), manager(&server, &rules)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_05_what_others_have_stored_is_invalidated_by_an_account_without_scripts() {
    let server = RedisServer::start();
    let other = server.manager();
    let redis = manager(&server, &["-eval", "-evalsha", "-eval_ro", "-evalsha_ro", "-script"]);
    for way in Way::ALL {
        let source = Source::of(1);
        source.is_stored(&way.cache(&other), "k").await;
        assert_eq!(way.cache(&redis).get::<u64>("k").await, Some(1), "{way:?}");
        source.change(2);
        way.invalidate(&way.cache(&redis), 2).await;
        assert_eq!(source.through(&way.cache(&redis), "k").await, 2, "{way:?}");
        eventually("others see it", || async {
            source.through(&way.cache(&other), "k").await == 2
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaviour_13_an_account_without_messages_waits_for_the_lease_and_gets_what_is_loaded() {
    let server = RedisServer::start();
    let rules = [
        "-subscribe",
        "-psubscribe",
        "-ssubscribe",
        "-publish",
        "-spublish",
        "resetchannels",
    ];
    let managers: Vec<_> = (0..3).map(|_| manager(&server, &rules)).collect();
    answers_rightly(&managers[0], &managers[1]).await;
    loads_for_all(&managers).await;
}
