//! What happens without the guard, and that the manager notices.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fred::interfaces::KeysInterface;
use redis_manager::RedisManager;
use tokio::task::JoinSet;

use crate::support::{RedisServer, eventually};

/// Sends what the guard never would: an array whose first element a user has written.
async fn bypass_the_guard(redis: &RedisManager) {
    let client = redis.client().expect("there is a connection");
    let keys = ["first", "own:0", "own:1"].map(fred::types::Key::from).to_vec();
    let answer: Result<Vec<Option<String>>, _> = client.mget(keys).await;
    assert_ne!(
        answer.unwrap_or_default().first(),
        Some(&Some("message".to_owned())),
        "fred reads such arrays now: is the guard still needed?"
    );
}

/// Eight concurrent reads. Says whether each got what is its own.
async fn reads_are_right(redis: &Arc<RedisManager>) -> bool {
    let mut reads = JoinSet::new();
    for name in 0..8 {
        let redis = Arc::clone(redis);
        reads.spawn(async move { redis.get(format!("own:{name}")).await == Some(format!("value of {name}")) });
    }
    reads.join_all().await.into_iter().all(|is_right| is_right)
}

async fn with_values() -> (RedisServer, Arc<RedisManager>) {
    let server = RedisServer::start();
    let redis = Arc::new(server.manager());
    assert!(
        redis
            .set_many((0..8).map(|n| (format!("own:{n}"), format!("value of {n}"))))
            .await
    );
    assert!(redis.set("first", "message").await);
    assert!(reads_are_right(&redis).await);
    (server, redis)
}

#[tokio::test]
async fn without_the_guard_others_get_wrong_replies() {
    let (_server, redis) = with_values().await;
    let wrong_replies = || async {
        let bypass = Arc::clone(&redis);
        let bypass = tokio::spawn(async move { bypass_the_guard(&bypass).await });
        tokio::task::yield_now().await;
        let were_right = reads_are_right(&redis).await;
        bypass.await.unwrap();
        eventually("there is a connection", || async { redis.initialize().await }).await;
        !were_right
    };
    eventually("the bypass did harm", wrong_replies).await;
}

#[tokio::test]
async fn a_connection_out_of_step_is_noticed_and_replaced() {
    let (_server, redis) = with_values().await;
    assert_eq!(redis.metrics().connects, 1);
    bypass_the_guard(&redis).await;
    let took = eventually("own reads are right on a new connection", || async {
        redis.metrics().connects > 1 && reads_are_right(&redis).await
    })
    .await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    for _ in 0..20 {
        assert!(reads_are_right(&redis).await, "and they stay so");
    }
    assert_eq!(redis.metrics().connects, 2, "one new connection was enough");
}

/// Then hardly a call times out: each gets a reply, but another's. Only a question that nobody else asks finds that out.
#[tokio::test]
async fn a_connection_out_of_step_is_noticed_under_load_too() {
    let (_server, redis) = with_values().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..4 {
        let (redis, is_over) = (Arc::clone(&redis), Arc::clone(&is_over));
        load.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                reads_are_right(&redis).await;
                tokio::task::yield_now().await;
            }
        });
    }
    bypass_the_guard(&redis).await;
    let took = eventually("own reads are right on a new connection", || async {
        redis.metrics().connects > 1 && reads_are_right(&redis).await
    })
    .await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    is_over.store(true, Ordering::Relaxed);
    load.join_all().await;
}
