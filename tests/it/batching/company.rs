//! What leaves together, told from the server's own counts.

use std::{collections::BTreeMap, sync::Arc};

use redis_manager::{Batching, RedisManager};

use super::{CALLERS, at_once, calls, configured, executed, forget_statistics, patient, statistic};
use crate::support::{RedisServer, is_surveyed};

const ROUNDS: usize = 100;

/// Lets all callers call at once, again and again.
async fn many<F>(redis: &Arc<RedisManager>, call: impl Fn(Arc<RedisManager>, usize, usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let call = &call;
    for round in 0..ROUNDS {
        at_once(CALLERS, |caller| call(Arc::clone(redis), caller, round)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_many_tasks_leave_in_few_commands() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    for caller in 0..CALLERS {
        assert!(redis.set(format!("k:{caller}"), caller).await);
    }
    forget_statistics(&server);
    many(&redis, |redis, caller, _| async move {
        assert_eq!(redis.get(format!("k:{caller}")).await, Some(caller.to_string()));
    })
    .await;
    let executed = executed(&server);
    let commands = executed.values().sum::<u64>();
    assert!(commands < (CALLERS * ROUNDS / 4) as u64, "{executed:?}");
    assert!(
        executed.keys().all(|name| ["get", "mget"].contains(&&**name)),
        "{executed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_caller_sends_each_command_as_it_is() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    assert!(redis.initialize().await);
    is_surveyed(&redis).await;
    forget_statistics(&server);
    for round in 0..50 {
        assert!(redis.set("k", round).await);
        assert!(redis.set("k", round).ex(60).await);
        assert_eq!(redis.get("k").await, Some(round.to_string()));
        assert_eq!(redis.get("nobody").await, None);
    }
    let expected = [("get".to_owned(), 100), ("set".to_owned(), 100)];
    assert_eq!(executed(&server), BTreeMap::from(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_many_ask_for_is_asked_for_once_in_a_command() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    assert!(redis.set("k", "v").await);
    forget_statistics(&server);
    many(&redis, |redis, _, _| async move {
        assert_eq!(redis.get("k").await.as_deref(), Some("v"));
    })
    .await;
    let commands = calls(&server, "get") + calls(&server, "mget");
    assert_eq!(statistic(&server, "keyspace_hits"), commands);
    assert!(commands < (CALLERS * ROUNDS / 4) as u64, "{commands} commands");
}

async fn read_and_write(redis: Arc<RedisManager>, caller: usize, round: usize) {
    let (plain, expiring) = (format!("plain:{caller}"), format!("expiring:{caller}"));
    assert!(redis.set(&plain, round).await);
    assert_eq!(redis.get(&plain).await, Some(round.to_string()));
    assert!(redis.set(&expiring, round).ex(60).await);
    assert_eq!(redis.get(&expiring).await, Some(round.to_string()));
}

async fn executed_with(batching: Batching) -> BTreeMap<String, u64> {
    let server = RedisServer::start();
    let redis = configured(&server.url(), |config| config.batching = batching);
    assert!(redis.initialize().await);
    is_surveyed(&redis).await;
    forget_statistics(&server);
    many(&redis, read_and_write).await;
    executed(&server)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_together_when_batching_is_off() {
    let each = (2 * CALLERS * ROUNDS) as u64;
    let expected = [("get".to_owned(), each), ("set".to_owned(), each)];
    assert_eq!(executed_with(Batching::Off).await, BTreeMap::from(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_reads_leave_together_when_batching_is_for_reads() {
    let each = (2 * CALLERS * ROUNDS) as u64;
    let executed = executed_with(Batching::Reads).await;
    assert_eq!(executed["set"], each, "{executed:?}");
    assert!(executed["mget"] > 0, "{executed:?}");
    assert!(
        executed.keys().all(|name| ["get", "mget", "set"].contains(&&**name)),
        "{executed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_writes_leave_together_when_batching_is_on() {
    let each = (2 * CALLERS * ROUNDS) as u64;
    let executed = executed_with(Batching::On).await;
    assert!(executed["mget"] > 0 && executed["get"] < each / 2, "{executed:?}");
    assert!(executed["mset"] > 0, "{executed:?}");
    assert!(executed.get("set").is_none_or(|sets| *sets < each / 2), "{executed:?}");
}
