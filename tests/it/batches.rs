//! Pipelines, transactions and watched keys.

use std::{sync::Arc, time::Duration};

use redis_manager::{Config, ErrorKind, RedisManager};
use tokio::task::JoinSet;

use crate::support::{Proxy, RedisServer, eventually, is_back};

on_both_backends! {
    a_pipeline_answers_each_operation_in_its_type,
    a_pipeline_keeps_the_order_of_its_commands,
    one_that_fails_stops_no_other,
    an_invalid_operation_is_an_error_in_its_place,
    an_empty_pipeline_answers_nothing,
    what_is_known_needs_no_place_in_a_pipeline,
    a_transaction_answers_each_operation_in_its_type,
    an_error_in_a_transaction_stays_in_its_place,
    an_invalid_operation_refuses_the_whole_transaction,
    an_unchanged_key_lets_the_commit_pass,
    a_changed_key_stops_the_commit_and_nothing_is_written,
    another_key_changes_nothing,
    optimistic_counters_lose_no_update,
}

async fn a_pipeline_answers_each_operation_in_its_type(redis: &RedisManager) {
    let service = redis.service();
    let (strings, hash) = (service.string(), service.hash());
    let (set, name, visits, fields, many): (bool, Option<String>, i64, u64, Vec<Option<String>>) = service
        .pipeline((
            strings.set("name", "Ada").ex(60),
            strings.get("name"),
            strings.incr("visits"),
            hash.hset("h", [("a", 1), ("b", 2)]),
            strings.get_many(["name", "nobody"]),
        ))
        .await
        .unwrap();
    assert_eq!((set, name.as_deref(), visits, fields), (true, Some("Ada"), 1, 2));
    assert_eq!(many, [Some("Ada".to_owned()), None]);
}

async fn a_pipeline_keeps_the_order_of_its_commands(redis: &RedisManager) {
    let strings = redis.service().string();
    let appends = (0..1_200)
        .map(|n| strings.append("log", format!("{n},")))
        .collect::<Vec<_>>();
    let lengths = redis.service().pipeline(appends).await.unwrap();
    assert!(lengths.is_sorted() && lengths.len() == 1_200);
    let right: String = (0..1_200).map(|n| format!("{n},")).collect();
    assert_eq!(redis.get("log").await, Some(right));
}

async fn one_that_fails_stops_no_other(redis: &RedisManager) {
    redis.set("text", "x").await;
    let strings = redis.service().string();
    let (before, wrong, after) = redis
        .service()
        .pipeline((strings.incr("n"), strings.incr("text"), strings.incr("n")))
        .each()
        .await;
    assert_eq!((before.unwrap(), after.unwrap()), (1, 2));
    let error = wrong.unwrap_err();
    assert_eq!((error.kind(), error.server_code()), (ErrorKind::Server, Some("ERR")));
    assert!(error.to_string().starts_with("INCRBY on key #"), "{error}");
    let all = redis
        .service()
        .pipeline((strings.incr("n"), strings.incr("text")))
        .await;
    assert_eq!(all.unwrap_err().kind(), ErrorKind::Server);
}

async fn an_invalid_operation_is_an_error_in_its_place(redis: &RedisManager) {
    let strings = redis.service().string();
    let (invalid, valid) = redis
        .service()
        .pipeline((strings.set("k", "v").nx().xx(), strings.incr("n")))
        .each()
        .await;
    assert_eq!(invalid.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(valid.unwrap(), 1);
}

async fn an_empty_pipeline_answers_nothing(redis: &RedisManager) {
    let none: Vec<redis_manager::SetCommand<'_>> = Vec::new();
    assert_eq!(redis.service().pipeline(none).await.unwrap(), Vec::<bool>::new());
}

async fn what_is_known_needs_no_place_in_a_pipeline(redis: &RedisManager) {
    let (keys, strings) = (redis.service().keys(), redis.service().string());
    let none: [&str; 0] = [];
    let answers = redis
        .service()
        .pipeline((strings.incr("n"), keys.delete(none), strings.incr("n")));
    assert_eq!(answers.await.unwrap(), (1, 0, 2));
}

async fn a_transaction_answers_each_operation_in_its_type(redis: &RedisManager) {
    redis.set("message", "message").await;
    let (strings, keys) = (redis.service().string(), redis.service().keys());
    let (text, many, count, gone): (Option<String>, Vec<Option<String>>, i64, u64) = redis
        .service()
        .transaction((
            strings.get("message"),
            strings.get_many(["message", "nobody", "message"]),
            strings.incr_with_ttl("n", 5, 60),
            keys.delete(["message"]),
        ))
        .await
        .unwrap();
    assert_eq!((text.as_deref(), count, gone), (Some("message"), 5, 1));
    assert_eq!(many, [Some("message".to_owned()), None, Some("message".to_owned())]);
    assert!(redis.ttl("n").await >= 59);
}

async fn an_error_in_a_transaction_stays_in_its_place(redis: &RedisManager) {
    redis.set("text", "x").await;
    let strings = redis.service().string();
    let transaction = redis.service().transaction((strings.incr("text"), strings.incr("n")));
    let (wrong, right) = transaction.each().await.unwrap();
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(right.unwrap(), 1);
}

async fn an_invalid_operation_refuses_the_whole_transaction(redis: &RedisManager) {
    let strings = redis.service().string();
    let transaction = redis.service().transaction((strings.incr("n"), strings.incr("")));
    assert_eq!(transaction.await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(redis.get("n").await, None);
}

async fn an_unchanged_key_lets_the_commit_pass(redis: &RedisManager) {
    redis.set("stock", 3).await;
    let strings = redis.service().string();
    let mut watch = redis.service().watch("stock").await.unwrap();
    let stock: Option<i64> = watch.read(strings.get("stock")).await.unwrap();
    assert_eq!(stock, Some(3));
    assert_eq!(watch.commit((strings.decr("stock"),)).await.unwrap(), Some((2,)));
}

async fn a_changed_key_stops_the_commit_and_nothing_is_written(redis: &RedisManager) {
    let strings = redis.service().string();
    for change in ["set", "expire", "delete", "create"] {
        redis.set("k", 1).await;
        if change == "create" {
            redis.delete("k").await;
        }
        let mut watch = redis.service().watch(["other", "k"]).await.unwrap();
        match change {
            "expire" => assert!(redis.expire("k", 60).await),
            "delete" => assert_eq!(redis.delete("k").await, 1),
            _ => assert!(redis.set("k", 2).await),
        }
        let committed = watch.commit((strings.set("written", 1),)).await.unwrap();
        assert_eq!(committed, None, "{change}");
        assert!(!redis.exists("written").await);
        watch.again().await.unwrap();
        assert!(watch.commit((strings.incr("tries"),)).await.unwrap().is_some());
    }
}

async fn another_key_changes_nothing(redis: &RedisManager) {
    let strings = redis.service().string();
    let mut watch = redis.service().watch("k").await.unwrap();
    redis.set("other", 1).await;
    assert!(watch.commit((strings.set("k", 1),)).await.unwrap().is_some());
}

async fn optimistic_counters_lose_no_update(redis: &RedisManager) {
    let count = async || {
        let strings = redis.service().string();
        let mut watch = redis.service().watch("sum").await.unwrap();
        loop {
            let sum: Option<i64> = watch.read(strings.get("sum")).await.unwrap();
            let next = strings.set("sum", sum.unwrap_or(0) + 1);
            if watch.commit((next,)).await.unwrap().is_some() {
                return;
            }
            watch.again().await.unwrap();
        }
    };
    let three = async || {
        for _ in 0..10 {
            count().await;
        }
    };
    tokio::join!(three(), three(), three());
    assert_eq!(redis.get("sum").await.as_deref(), Some("30"));
}

/// The compiler has to see that what waits can move from thread to thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_together_can_be_spawned() {
    let redis: &'static RedisManager = Box::leak(Box::new(crate::face::embedded()));
    let task = tokio::spawn(async move {
        let (service, strings) = (redis.service(), redis.service().string());
        let mut watch = service.watch("k").await?;
        let n: Option<i64> = watch.read(strings.get("k")).await?;
        let committed = watch
            .commit((strings.set("k", n.unwrap_or(0) + 1), strings.incr("k")))
            .await?;
        let (k, l) = service.pipeline((strings.incr("k"), strings.incr("l"))).await?;
        let each = service.pipeline(vec![strings.incr("k")]).each().await;
        let moved: Option<(redis_manager::Key, String)> = service.list().blpop("q", Duration::from_millis(1)).await?;
        let deleted = service.keys().delete_pattern("*").await?;
        Ok::<_, redis_manager::Error>((committed, k, l, each.len(), moved, deleted))
    });
    assert_eq!(task.await.unwrap().unwrap(), (Some((true, 2)), 3, 1, 1, None, 2));
}

#[tokio::test]
async fn what_a_disabled_service_is_asked_together_is_disabled() {
    let off = RedisManager::disabled("a test");
    let strings = off.service().string();
    let error = off.service().pipeline((strings.incr("n"),)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled);
    let error = off.service().transaction((strings.incr("n"),)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled);
    assert_eq!(off.service().watch("k").await.unwrap_err().kind(), ErrorKind::Disabled);
}

#[tokio::test]
async fn a_dropped_watch_leaves_no_connection_behind() {
    let server = RedisServer::start();
    let redis = server.manager();
    for _ in 0..20 {
        let watch = redis.service().watch("k").await.unwrap();
        drop(watch);
    }
    eventually("the connections are closed", || async {
        let clients = server.command(&["INFO", "clients"]);
        clients.contains("connected_clients:2") || clients.contains("connected_clients:1\r")
    })
    .await;
}

#[tokio::test]
async fn more_transactions_than_connections_wait_for_each_other() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.max_connections = 3;
    config.socket_timeout = Duration::from_secs(10);
    let redis = Arc::new(RedisManager::new(config).unwrap());
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let redis = Arc::clone(&redis);
        tasks.spawn(async move {
            let strings = redis.service().string();
            redis
                .service()
                .transaction((strings.incr("a"), strings.incr("b")))
                .await
                .unwrap()
        });
    }
    let sums = tasks.join_all().await;
    assert!(sums.iter().all(|(a, b)| a == b), "each was one step: {sums:?}");
    assert_eq!(redis.get("a").await.as_deref(), Some("50"));
}

#[tokio::test]
async fn with_one_connection_there_is_none_for_a_transaction() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.max_connections = 1;
    let redis = RedisManager::new(config).unwrap();
    let strings = redis.service().string();
    let error = redis.service().transaction((strings.incr("n"),)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.is_retryable() && error.to_string().contains("REDIS_MAX_CONNECTIONS"),
        "{error}"
    );
    assert_eq!(
        redis.incr("n").await,
        Some(1),
        "the connection for small values is as it was"
    );
}

#[tokio::test]
async fn a_server_that_refuses_transactions_executes_none_of_their_commands() {
    let server = RedisServer::start();
    assert_eq!(server.command(&["ACL", "SETUSER", "default", "-multi"]), "+OK");
    let redis = server.manager();
    let strings = redis.service().string();
    let error = redis.service().transaction((strings.set("k", "v"),)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(redis.service().watch("k").await.unwrap_err().kind(), ErrorKind::Auth);
    assert_eq!(redis.get("k").await, None);
    assert_eq!(redis.metrics().outages, 0);
}

#[tokio::test]
async fn a_command_that_is_refused_stops_the_whole_transaction() {
    let server = RedisServer::start();
    assert_eq!(server.command(&["ACL", "SETUSER", "default", "-incrby"]), "+OK");
    let redis = server.manager();
    let strings = redis.service().string();
    let transaction = redis.service().transaction((strings.set("k", "v"), strings.incr("n")));
    assert_eq!(transaction.await.unwrap_err().kind(), ErrorKind::Auth);
    assert_eq!(redis.get("k").await, None);
    let again = redis.service().transaction((strings.set("k", "v"),));
    assert!(again.await.unwrap().0, "the connection is as it was");
}

#[tokio::test]
async fn a_cut_connection_ends_what_is_asked_together_at_once() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    is_back(&redis).await;
    let strings = redis.service().string();
    redis.service().transaction((strings.incr("n"),)).await.unwrap();
    proxy.cut();
    let ended = async || redis.service().transaction((strings.incr("n"),)).await;
    eventually("transactions work, and go on working", async || {
        for _ in 0..10 {
            if ended().await.is_err() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    })
    .await;
    proxy.swallow_replies();
    let error = redis.service().transaction((strings.incr("n"),)).await.unwrap_err();
    assert!(
        error.is_unavailable() && !error.is_retryable(),
        "it may have run: {error}"
    );
    proxy.restore();
    eventually("transactions work again", async || ended().await.is_ok()).await;
}
