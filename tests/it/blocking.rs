//! Commands that wait at the server: what they take, when they give up, and that nothing is lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::{Config, ErrorKind, Key, RedisManager, Side};
use tokio::time::timeout;

use crate::support::{Proxy, RedisServer, SLACK, eventually, is_back};

on_both_backends! {
    what_is_there_is_taken_at_once,
    the_first_list_that_has_something_counts,
    what_comes_while_waiting_is_taken,
    nothing_in_time_is_none,
    a_move_waits_for_its_source,
    no_keys_and_no_time_are_refused,
    another_type_is_an_error,
    a_cancelled_pop_takes_nothing_that_comes_later,
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

async fn what_is_there_is_taken_at_once(redis: &RedisManager) {
    let list = redis.service().list();
    list.rpush("l", ["message", "b", "c"]).await.unwrap();
    let first: Option<(Key, String)> = list.blpop("l", LONG).await.unwrap();
    assert_eq!(first, Some(("l".into(), "message".to_owned())));
    let last: Option<(Key, String)> = list.brpop(["empty", "l"], LONG).await.unwrap();
    assert_eq!(last, Some(("l".into(), "c".to_owned())));
    assert_eq!(list.llen("l").await.unwrap(), 1);
}

async fn the_first_list_that_has_something_counts(redis: &RedisManager) {
    let list = redis.service().list();
    list.rpush("a", [1]).await.unwrap();
    list.rpush("b", [2]).await.unwrap();
    let taken: Option<(Key, i64)> = list.blpop(["b", "a"], LONG).await.unwrap();
    assert_eq!(taken, Some(("b".into(), 2)));
}

async fn what_comes_while_waiting_is_taken(redis: &RedisManager) {
    let list = redis.service().list();
    let push = async {
        tokio::time::sleep(SHORT).await;
        list.rpush("l", ["late"]).await.unwrap();
        redis.get("others are answered meanwhile").await
    };
    let (taken, _) = tokio::join!(list.blpop::<String>("l", LONG), push);
    assert_eq!(taken.unwrap(), Some(("l".into(), "late".to_owned())));
}

async fn nothing_in_time_is_none(redis: &RedisManager) {
    let began = Instant::now();
    let list = redis.service().list();
    assert_eq!(list.blpop::<String>("l", SHORT).await.unwrap(), None);
    let moved: Option<String> = list.blmove("l", "m", Side::Left, Side::Right, SHORT).await.unwrap();
    assert_eq!(moved, None);
    assert!(began.elapsed() >= SHORT * 2);
}

async fn a_move_waits_for_its_source(redis: &RedisManager) {
    let list = redis.service().list();
    let push = async {
        tokio::time::sleep(SHORT).await;
        list.rpush("from", ["job"]).await.unwrap()
    };
    let (moved, _) = tokio::join!(list.blmove::<String>("from", "to", Side::Left, Side::Right, LONG), push);
    assert_eq!(moved.unwrap().as_deref(), Some("job"));
    assert_eq!(list.lrange::<String>("to", 0, -1).await.unwrap(), ["job"]);
    assert_eq!(list.llen("from").await.unwrap(), 0);
}

async fn no_keys_and_no_time_are_refused(redis: &RedisManager) {
    let list = redis.service().list();
    let none: [&str; 0] = [];
    let error = list.blpop::<String>(none, LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    for wait in [Duration::ZERO, Duration::from_micros(999)] {
        let error = list.blpop::<String>("l", wait).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    let error = list.blpop::<String>("", LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

async fn another_type_is_an_error(redis: &RedisManager) {
    redis.set("text", "x").await;
    let error = redis.service().list().blpop::<String>("text", LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
}

async fn a_cancelled_pop_takes_nothing_that_comes_later(redis: &RedisManager) {
    let list = redis.service().list();
    assert!(timeout(SHORT, list.blpop::<String>("l", LONG)).await.is_err());
    list.rpush("l", ["kept"]).await.unwrap();
    eventually("the element is there to stay", async || {
        list.lrange::<String>("l", 0, -1).await.unwrap() == ["kept"]
    })
    .await;
    let again: Option<(Key, String)> = list.blpop("l", LONG).await.unwrap();
    assert_eq!(again.unwrap().1, "kept");
}

/// Consumers give up at every moment around that at which an element comes; none is lost, none is taken twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_pop_never_loses_an_element() {
    const COUNT: u64 = 400;
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.socket_timeout = Duration::from_secs(10);
    let redis = Arc::new(RedisManager::new(config).unwrap());
    let mut taken: Vec<u64> = Vec::new();
    for n in 0..COUNT {
        let producer = Arc::clone(&redis);
        let pushed = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_micros(500 + n % 40 * 50)).await;
            producer.service().list().rpush("l", [n]).await.unwrap()
        });
        let list = redis.service().list();
        if let Ok(popped) = timeout(Duration::from_micros(1_500), list.blpop::<u64>("l", LONG)).await {
            taken.extend(popped.unwrap().map(|(_, element)| element));
        }
        pushed.await.unwrap();
    }
    let cancelled = COUNT - taken.len() as u64;
    eventually("what was put back is there", async || {
        redis.service().list().llen("l").await.unwrap() == cancelled
    })
    .await;
    taken.extend(redis.service().list().lrange::<u64>("l", 0, -1).await.unwrap());
    taken.sort_unstable();
    assert_eq!(taken, (0..COUNT).collect::<Vec<_>>());
    assert!(
        cancelled > 0 && cancelled < COUNT,
        "both happened: {cancelled} of {COUNT}"
    );
}

#[tokio::test]
async fn a_lost_connection_ends_the_wait_at_once() {
    let mut server = RedisServer::start();
    let redis = server.manager();
    is_back(&redis).await;
    let list = redis.service().list();
    let began = Instant::now();
    let kill = async {
        tokio::time::sleep(SHORT).await;
        server.kill();
    };
    let (popped, ()) = tokio::join!(list.blpop::<String>("l", LONG), kill);
    assert!(popped.unwrap_err().is_unavailable());
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_hung_server_ends_the_wait_when_the_breaker_opens() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    is_back(&redis).await;
    let list = redis.service().list();
    let began = Instant::now();
    let stall = async {
        tokio::time::sleep(SHORT).await;
        proxy.stall();
    };
    let (popped, ()) = tokio::join!(list.blpop::<String>("l", LONG), stall);
    assert!(popped.unwrap_err().is_unavailable());
    assert!(began.elapsed() < SLACK * 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn more_waiters_than_connections_are_told_so() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.max_connections = 3;
    let redis = RedisManager::new(config).unwrap();
    is_back(&redis).await;
    let list = redis.service().list();
    let pop = || list.blpop::<String>("l", Duration::from_secs(2));
    let (first, second) = tokio::join!(pop(), async {
        tokio::time::sleep(SHORT).await;
        pop().await
    });
    assert_eq!(first.unwrap(), None);
    let error = second.unwrap_err();
    assert!(
        error.is_retryable() && error.to_string().contains("REDIS_MAX_CONNECTIONS"),
        "{error}"
    );
    assert_eq!(redis.incr("n").await, Some(1));
}
