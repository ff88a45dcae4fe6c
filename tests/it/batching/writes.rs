//! What writers are told is what is stored.

use std::{sync::Arc, time::Duration};

use redis_manager::{ErrorKind, KeyTtl, RedisManager};

use super::{CALLERS, Dice, Load, at_once, patient};
use crate::support::{RedisServer, wait_until};

/// What a key is given on the way, on the busiest machine.
const LATE: Duration = Duration::from_secs(120);

async fn assert_stored(redis: &RedisManager, key: &str, value: &str, seconds: Option<u64>) {
    assert_eq!(
        redis.service().string().get::<String>(key).await.unwrap().as_deref(),
        Some(value)
    );
    match (redis.service().keys().ttl(key).await.unwrap(), seconds) {
        (KeyTtl::Persistent, None) => {}
        (KeyTtl::Expires(left), Some(seconds)) => {
            let given = Duration::from_secs(seconds);
            assert!(left <= given && left > given - LATE, "{left:?} of {given:?}");
        }
        other => panic!("{key}: {other:?}"),
    }
}

/// Each key changes between living for some time and living for ever, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn every_value_is_stored_with_its_own_time_to_live() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    at_once(2 * CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (mut dice, key) = (Dice::of(task), format!("k:{task}"));
            for round in 0..40 {
                let value = format!("{task} in {round}");
                let seconds = [None, Some(1_000), Some(2_000), Some(3_000 + task as u64)][dice.below(4)];
                let set = redis.service().string().set(&key, &*value);
                let is_set = match seconds {
                    None => set.await,
                    Some(seconds) if dice.below(2) == 0 => set.ex(seconds).await,
                    Some(seconds) => set.px(seconds * 1_000).await,
                };
                assert!(is_set.unwrap());
                assert_stored(&redis, &key, &value, seconds).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_binary_are_stored_as_they_are() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    at_once(CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (json, binary) = (format!("json:{task}"), format!("binary:{task}"));
            for round in 0..20 {
                let value = vec![format!("{task}\r\n\0"), format!("{round}")];
                let bytes: Vec<u8> = (0..=255).cycle().skip(round).take(300 + task).collect();
                assert!(redis.set_json(&json, &value).ex(60).await);
                assert!(redis.set(&binary, bytes.clone()).px(60_000 + task as u64).await);
                assert_eq!(redis.get_json::<Vec<String>>(&json).await, Some(value));
                assert_eq!(redis.get_bytes(&binary).await.as_deref(), Some(&*bytes));
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_and_the_shortest_time_to_live_are_kept() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    let longest = redis_manager::Ttl::MAX.as_millis();
    at_once(CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (keys, strings) = (redis.service().keys(), redis.service().string());
            let (long, short) = (format!("long:{task}"), format!("short:{task}"));
            for _ in 0..10 {
                assert!(strings.set(&long, "v").px(longest).await.unwrap());
                assert!(strings.set(&short, "v").px(1).await.unwrap());
                assert!(matches!(keys.ttl(&long).await.unwrap(), KeyTtl::Expires(left) if left.as_millis() > u128::from(longest / 2)));
            }
        }
    })
    .await;
    wait_until("what lives for a millisecond is gone", || {
        server.command(&["EXISTS", "short:0", "short:1", "short:63"]) == ":0"
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_stay_exact_among_plain_writes() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    let load = Load::on(&redis, 16);
    for round in 0..30 {
        let (lock, chain, absent) = (
            format!("lock:{round}"),
            format!("chain:{round}"),
            format!("absent:{round}"),
        );
        let answers = at_once(CALLERS, |task| {
            let redis = Arc::clone(&redis);
            let (lock, chain, absent) = (lock.clone(), chain.clone(), absent.clone());
            async move {
                let strings = redis.service().string();
                let has_won = strings.set(&lock, task).ex(60).nx().await.unwrap();
                let old: Option<usize> = strings.set(&chain, task).get().await.unwrap();
                assert!(!strings.set(&absent, task).xx().await.unwrap());
                (has_won.then_some(task), old)
            }
        })
        .await;
        let (winners, mut seen): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        let winners: Vec<_> = winners.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{winners:?} have won");
        assert_eq!(redis.get(&lock).await, Some(winners[0].to_string()));
        // Everybody's value was seen once: by the next one, or by us.
        seen.push(redis.service().string().get(&chain).await.unwrap());
        seen.sort_unstable();
        let everybody: Vec<_> = std::iter::once(None).chain((0..CALLERS).map(Some)).collect();
        assert_eq!(seen, everybody);
        assert_eq!(redis.get(&absent).await, None);
    }
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_to_live_is_kept_where_that_is_asked_for() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    at_once(CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let key = format!("k:{task}");
            for round in 0..20 {
                assert!(redis.set(&key, "first").ex(1_000).await);
                let value = format!("{task} in {round}");
                assert!(redis.set(&key, &*value).keep_ttl().await);
                assert_stored(&redis, &key, &value, Some(1_000)).await;
                assert!(redis.set(&key, &*value).await);
                assert_stored(&redis, &key, &value, None).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_stores_exactly_what_it_says_it_stored() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]);
    let redis = patient(&server.url());
    assert!(redis.initialize().await);
    server.command(&["CONFIG", "SET", "maxmemory", "4mb"]);
    let told = at_once(CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (strings, mut told) = (redis.service().string(), Vec::new());
            for round in 0..30 {
                let (key, value) = (format!("k:{task}:{round}"), format!("{task}|").repeat(1_000));
                let set = strings.set(&key, &*value);
                let is_stored = match if round % 2 == 0 { set.await } else { set.ex(1_000).await } {
                    Ok(is_set) => is_set,
                    Err(error) => {
                        assert_eq!(
                            (error.kind(), error.server_code()),
                            (ErrorKind::OutOfMemory, Some("OOM")),
                            "{error}"
                        );
                        false
                    }
                };
                told.push((key, value, is_stored));
            }
            told
        }
    })
    .await;
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    let told: Vec<_> = told.into_iter().flatten().collect();
    let stored = told.iter().filter(|(_, _, is_stored)| *is_stored).count();
    assert!(stored > 0 && stored < told.len(), "{stored} of {}", told.len());
    for (key, value, is_stored) in told {
        assert_eq!(redis.get(&key).await, is_stored.then_some(value), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_refuses_every_writer_and_answers_every_reader() {
    let master = RedisServer::start();
    master.command(&["SET", "k", "v"]);
    let replica = RedisServer::start();
    let port = master.port().to_string();
    assert_eq!(replica.command(&["REPLICAOF", "127.0.0.1", &port]), "+OK");
    wait_until("the replica has the data", || replica.command(&["GET", "k"]) == "v");
    let redis = patient(&replica.url());
    at_once(CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let strings = redis.service().string();
            for round in 0..20 {
                let set = strings.set(format!("own:{task}"), round);
                let refused = match round % 3 {
                    0 => set.await,
                    1 => set.ex(60).await,
                    _ => set.px(60_000 + task as u64).await,
                };
                let error = refused.unwrap_err();
                assert_eq!(
                    (error.kind(), error.server_code()),
                    (ErrorKind::ReadOnly, Some("READONLY")),
                    "{error}"
                );
                assert_eq!(strings.get::<String>("k").await.unwrap().as_deref(), Some("v"));
            }
        }
    })
    .await;
    assert_eq!(master.command(&["DBSIZE"]), ":1");
}
