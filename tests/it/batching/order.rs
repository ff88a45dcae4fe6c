//! A caller sees its own writes in its own order, as if each call had been alone.

use std::{collections::HashMap, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures_util::future::{join_all, maybe_done};
use redis_manager::{ErrorKind, RedisManager};
use tokio::time::{sleep, timeout};

use super::{CALLERS, Dice, Load, at_once, configured, patient};
use crate::support::{Proxy, RedisServer};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_reads_what_it_has_written() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    at_once(200, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (mut dice, strings) = (Dice::of(task), redis.service().string());
            for round in 0..30 {
                let (key, value) = (format!("k:{task}"), format!("{task} in {round}"));
                let set = strings.set(&key, &*value);
                let set = if dice.below(2) == 0 { set.ex(60) } else { set };
                assert!(set.await.unwrap());
                let found = match dice.below(2) {
                    0 => strings.get::<String>(&key).await.unwrap(),
                    _ => strings.get_many(["nobody", &key]).await.unwrap().remove(1),
                };
                assert_eq!(found, Some(value));
            }
        }
    })
    .await;
}

/// Whoever writes waits for each write, so that nobody may ever see a writer's versions go back.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_a_shared_key_go_back() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    at_once(200, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (mut dice, strings) = (Dice::of(task), redis.service().string());
            let mut seen: HashMap<(usize, usize), usize> = HashMap::new();
            for version in 1..30 {
                let place = dice.below(3);
                let key = format!("shared:{place}");
                let set = strings.set(&key, format!("{task} {version}"));
                let set = if version % 2 == 0 { set.ex(60) } else { set };
                assert!(set.await.unwrap());
                seen.insert((place, task), version);
                let found: String = strings.get(&key).await.unwrap().unwrap();
                let (writer, version) = found.split_once(' ').unwrap();
                let (writer, version) = (writer.parse().unwrap(), version.parse().unwrap());
                let before = seen.insert((place, writer), version).unwrap_or_default();
                assert!(before <= version, "{version} of {writer} after {before}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writes_that_one_task_joins_the_last_one_stays() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    // What is asked for before there is a connection has no order.
    assert!(redis.initialize().await);
    let load = Load::on(&redis, 16);
    at_once(16, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (mut dice, key) = (Dice::of(task), format!("k:{task}"));
            for round in 0..60 {
                let count = 2 + dice.below(18);
                let is_expiring = dice.below(2) == 0;
                let writes = (0..count).map(|number| {
                    let set = redis.set(&key, format!("{round} {number}"));
                    let set = if is_expiring || number % 3 == 1 {
                        set.ex(60)
                    } else {
                        set
                    };
                    set.into_future()
                });
                assert!(join_all(writes).await.into_iter().all(|is_set| is_set));
                assert_eq!(redis.get(&key).await, Some(format!("{round} {}", count - 1)));
            }
        }
    })
    .await;
    load.end().await;
}

#[tokio::test]
async fn of_more_writes_than_may_wait_the_last_one_stays() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    assert!(redis.initialize().await);
    for round in 0..3 {
        let write = |number| redis.set("k", format!("{round} {number}")).into_future();
        let mut writes: Vec<_> = (0..3_000).map(|number| Box::pin(maybe_done(write(number)))).collect();
        // Each is begun before the next one.
        poll_fn(|context| {
            let mut under_way = 0;
            for write in &mut writes {
                under_way += usize::from(write.as_mut().poll(context).is_pending());
            }
            if under_way == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let are_set = writes.iter_mut().map(|write| write.as_mut().take_output());
        assert!(are_set.into_iter().all(|is_set| is_set == Some(true)));
        assert_eq!(redis.get("k").await, Some(format!("{round} 2999")));
    }
}

/// Begins a call and gives it up: before or after it was sent, by chance.
async fn give_up<F: Future>(call: F, dice: &mut Dice) {
    let mut call = pin!(call);
    match dice.below(3) {
        0 => {
            // Polled so many times, and gone.
            let mut polls = 1 + dice.below(3);
            poll_fn(|context| {
                polls -= 1;
                let is_over = call.as_mut().poll(context).is_ready() || polls == 0;
                context.waker().wake_by_ref();
                if is_over { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        1 => {
            let _given_up = timeout(Duration::from_micros(dice.below(200) as u64), &mut call).await;
        }
        _ => {
            tokio::select! {
                biased;
                _ = &mut call => {}
                () = tokio::task::yield_now() => {}
            }
        }
    }
}

/// A write that was given up, and what the same caller does then.
async fn change_ones_mind(redis: &RedisManager, key: &str, round: usize, dice: &mut Dice) {
    let (strings, keys) = (redis.service().string(), redis.service().keys());
    let first = strings.set(key, 1_000_000);
    let first = if dice.below(2) == 0 { first.ex(60) } else { first };
    give_up(first.into_future(), dice).await;
    match dice.below(5) {
        0 => {
            assert!(strings.set(key, round).await.unwrap());
            assert_eq!(strings.get::<usize>(key).await.unwrap(), Some(round));
        }
        1 => {
            assert!(strings.set(key, round).ex(60).await.unwrap());
            assert_eq!(strings.get::<usize>(key).await.unwrap(), Some(round));
        }
        2 => {
            keys.delete([key]).await.unwrap();
            assert_eq!(strings.get::<usize>(key).await.unwrap(), None);
        }
        3 => {
            let count = strings.incr(key).await.unwrap();
            assert_eq!(strings.get::<i64>(key).await.unwrap(), Some(count));
        }
        _ => {
            keys.delete([key]).await.unwrap();
            redis.service().hash().hset(key, [("field", round)]).await.unwrap();
            let found: Option<usize> = redis.service().hash().hget(key, "field").await.unwrap();
            assert_eq!(found, Some(round));
            keys.delete([key]).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_gave_up_on_does_not_come_after_what_it_did_then() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    let load = Load::on(&redis, 32);
    at_once(8, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (mut dice, key) = (Dice::of(task), format!("k:{task}"));
            for round in 0..500 {
                change_ones_mind(&redis, &key, round, &mut dice).await;
            }
        }
    })
    .await;
    load.end().await;
}

/// Somebody else's write is refused all the time, so that what left with it is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_gave_up_on_does_not_come_later_because_anothers_write_was_refused() {
    let server = RedisServer::start();
    server.command(&["ACL", "SETUSER", "ada", "reset", "on", ">sesame", "~k:*", "+@all"]);
    let redis = as_ada(&server.url());
    let refused = tokio::spawn({
        let redis = Arc::clone(&redis);
        async move {
            // Until the server is gone.
            while let Err(error) = redis.service().string().set("secret", 1).await {
                if error.kind() != ErrorKind::Auth {
                    break;
                }
            }
        }
    });
    at_once(8, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let (mut dice, key) = (Dice::of(task), format!("k:{task}"));
            for round in 0..500 {
                change_ones_mind(&redis, &key, round, &mut dice).await;
            }
        }
    })
    .await;
    refused.abort();
}

/// The first batches of a connection may have to find out what the server knows.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_gave_up_on_does_not_come_later_because_the_connection_is_new() {
    let server = RedisServer::start();
    for attempt in 0..30 {
        let redis = patient(&server.url());
        assert!(redis.initialize().await);
        at_once(16, |task| {
            let redis = Arc::clone(&redis);
            async move {
                let (mut dice, key) = (Dice::of(task + 16 * attempt), format!("k:{task}"));
                for round in 0..4 {
                    change_ones_mind(&redis, &key, round, &mut dice).await;
                }
                redis.delete(&key).await;
            }
        })
        .await;
    }
}

fn as_ada(url: &str) -> Arc<RedisManager> {
    configured(url, |config| {
        config.username = Some("ada".into());
        config.password = Some("sesame".into());
    })
}

/// Long enough for what was asked to be on its way. If it is not, a test passes that should not, and never the other way round.
async fn until_it_is_on_its_way() {
    sleep(Duration::from_millis(100)).await;
}

/// Begins a write among others while nothing passes, gives it up, deletes its key, and lets everything pass.
async fn give_up_among(redis: &Arc<RedisManager>, proxy: &Proxy, others: [&'static str; 2]) -> Option<String> {
    assert!(redis.initialize().await);
    proxy.stall();
    let write = |key: &'static str| {
        let redis = Arc::clone(redis);
        tokio::spawn(async move { redis.set(key, "v").ex(60).await })
    };
    let others = others.map(write);
    let mine = write("k:mine");
    until_it_is_on_its_way().await;
    mine.abort();
    assert!(mine.await.is_err(), "nothing passes");
    let deletion = tokio::spawn({
        let redis = Arc::clone(redis);
        async move { redis.service().keys().delete(["k:mine"]).await }
    });
    until_it_is_on_its_way().await;
    proxy.restore();
    deletion.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap();
    }
    redis.get("k:mine").await
}

#[tokio::test]
async fn a_deleted_key_does_not_come_back_with_the_first_batch_of_a_connection() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = patient(&proxy.url());
    assert_eq!(give_up_among(&redis, &proxy, ["k:1", "k:2"]).await, None);
}

#[tokio::test]
async fn a_deleted_key_does_not_come_back_because_anothers_write_was_refused() {
    let server = RedisServer::start();
    server.command(&["ACL", "SETUSER", "ada", "reset", "on", ">sesame", "~k:*", "+@all"]);
    let proxy = Proxy::before(&server).await;
    let redis = as_ada(&proxy.url());
    assert_eq!(give_up_among(&redis, &proxy, ["k:1", "secret"]).await, None);
}

/// Two writes of one task, of which the first one leaves with others and the second one by itself.
async fn write_twice(redis: &Arc<RedisManager>, proxy: &Proxy, other: &'static str) -> Option<String> {
    assert!(redis.initialize().await);
    proxy.stall();
    let write = |key: &'static str, value: &'static str| {
        let redis = Arc::clone(redis);
        tokio::spawn(async move { redis.set(key, value).await })
    };
    let alone = write("k:alone", "v");
    until_it_is_on_its_way().await;
    let writes = [write(other, "v"), write("k:mine", "first")];
    until_it_is_on_its_way().await;
    let last = write("k:mine", "second");
    until_it_is_on_its_way().await;
    proxy.restore();
    assert!(alone.await.unwrap());
    for write in writes.into_iter().chain([last]) {
        write.await.unwrap();
    }
    redis.get("k:mine").await
}

#[tokio::test]
async fn the_later_of_two_writes_stays_although_a_third_was_refused() {
    let server = RedisServer::start();
    server.command(&["ACL", "SETUSER", "ada", "reset", "on", ">sesame", "~k:*", "+@all"]);
    let proxy = Proxy::before(&server).await;
    let redis = as_ada(&proxy.url());
    assert_eq!(write_twice(&redis, &proxy, "secret").await.as_deref(), Some("second"));
}

#[tokio::test]
async fn a_large_write_does_not_overtake_a_small_one_of_the_same_task() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    assert!(redis.initialize().await);
    let load = Load::on(&redis, 8);
    let large = "x".repeat(20 * 1024);
    for _ in 0..200 {
        let (small, large_one) = tokio::join!(
            biased;
            redis.set("k", "small").into_future(),
            redis.set("k", &*large).into_future()
        );
        assert!(small && large_one);
        assert_eq!(redis.get("k").await.unwrap().len(), large.len());
    }
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_after_a_deletion_finds_nothing() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    at_once(CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let key = format!("k:{task}");
            for round in 0..40 {
                assert!(redis.set(&key, round).ex(60).await);
                assert_eq!(redis.delete(&key).await, 1);
                assert_eq!(redis.get(&key).await, None);
                assert_eq!(redis.incr(&key).await, Some(1));
                assert_eq!(redis.get(&key).await.as_deref(), Some("1"));
            }
        }
    })
    .await;
}
