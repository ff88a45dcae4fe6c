//! Scans and deletion by pattern.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::pin,
};

use futures_core::Stream;
use redis_manager::{Config, ErrorKind, RedisManager};

use crate::support::{Proxy, RedisServer, is_back};

on_both_backends! {
    a_scan_finds_every_key_that_matches_without_the_prefix,
    pages_of_one_find_the_same,
    a_pattern_means_its_specials_unless_they_are_escaped,
    a_scan_is_a_stream,
    a_stream_dropped_midway_disturbs_nobody,
    an_empty_pattern_is_refused_and_nothing_is_deleted,
    delete_pattern_deletes_what_matches_and_nothing_else,
    a_stopped_deletion_says_how_far_it_came,
    progress_is_told_and_grows,
    a_hash_is_scanned_field_by_field,
    a_scan_of_another_type_is_an_error_and_then_ends,
}

async fn fill(redis: &RedisManager, count: usize) {
    assert!(redis.set_many((0..count).map(|n| (format!("user:{n}"), n))).await);
    assert!(redis.set_many([("other", "x"), ("users", "y")]).await);
}

async fn found(redis: &RedisManager, pattern: &str, count: u32) -> BTreeSet<String> {
    let mut scan = redis.service().keys().scan(pattern).count(count);
    let mut found = BTreeSet::new();
    while let Some(key) = scan.next().await {
        found.insert(key.unwrap().to_string());
    }
    assert!(scan.next().await.is_none(), "it stays at its end");
    found
}

async fn a_scan_finds_every_key_that_matches_without_the_prefix(redis: &RedisManager) {
    fill(redis, 1_200).await;
    let right: BTreeSet<_> = (0..1_200).map(|n| format!("user:{n}")).collect();
    assert_eq!(found(redis, "user:*", 500).await, right);
    assert_eq!(found(redis, "*", 500).await.len(), 1_202);
    assert!(found(redis, "nobody:*", 500).await.is_empty());
}

async fn pages_of_one_find_the_same(redis: &RedisManager) {
    fill(redis, 30).await;
    assert_eq!(found(redis, "user:*", 1).await.len(), 30);
    assert_eq!(found(redis, "user:*", 0).await.len(), 30);
}

async fn a_pattern_means_its_specials_unless_they_are_escaped(redis: &RedisManager) {
    redis.set_many([("a*c", 1), ("abc", 2), ("a[b]c", 3), ("a?c", 4)]).await;
    assert_eq!(found(redis, "a*c", 10).await.len(), 4);
    assert_eq!(found(redis, "a?c", 10).await.len(), 3);
    assert_eq!(found(redis, "a[a-b]c", 10).await, BTreeSet::from(["abc".to_owned()]));
    assert_eq!(found(redis, r"a\*c", 10).await, BTreeSet::from(["a*c".to_owned()]));
    assert_eq!(found(redis, r"a\[b\]c", 10).await, BTreeSet::from(["a[b]c".to_owned()]));
}

async fn a_scan_is_a_stream(redis: &RedisManager) {
    fill(redis, 3).await;
    let mut stream = pin!(redis.service().keys().scan("user:*"));
    let mut count = 0;
    while let Some(key) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        assert!(key.unwrap().as_str().unwrap().starts_with("user:"));
        count += 1;
    }
    assert_eq!(count, 3);
}

async fn a_stream_dropped_midway_disturbs_nobody(redis: &RedisManager) {
    fill(redis, 1_200).await;
    for _ in 0..20 {
        let mut scan = redis.service().keys().scan("user:*").count(10);
        assert!(scan.next().await.unwrap().is_ok());
    }
    assert_eq!(redis.get("user:7").await.as_deref(), Some("7"));
}

async fn an_empty_pattern_is_refused_and_nothing_is_deleted(redis: &RedisManager) {
    fill(redis, 3).await;
    let keys = redis.service().keys();
    let error = keys.scan("").next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = keys.delete_pattern("").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(redis.exists("user:1").await);
}

async fn delete_pattern_deletes_what_matches_and_nothing_else(redis: &RedisManager) {
    fill(redis, 1_200).await;
    let keys = redis.service().keys();
    assert_eq!(keys.delete_pattern("user:*").await.unwrap(), 1_200);
    assert_eq!(keys.delete_pattern("user:*").await.unwrap(), 0);
    assert_eq!(
        found(redis, "*", 10).await,
        BTreeSet::from(["other".to_owned(), "users".to_owned()])
    );
}

async fn a_stopped_deletion_says_how_far_it_came(redis: &RedisManager) {
    fill(redis, 1_200).await;
    let deletion = redis.service().keys().delete_pattern("user:*").page(10);
    let stop = deletion.stop_handle();
    let first_page = stop.clone();
    let deleted = deletion.on_progress(move |_| first_page.stop()).await.unwrap();
    assert!(stop.is_stopped());
    assert_eq!(found(redis, "user:*", 500).await.len() as u64, 1_200 - deleted);
}

async fn progress_is_told_and_grows(redis: &RedisManager) {
    fill(redis, 1_200).await;
    let mut told = Vec::new();
    let deletion = redis.service().keys().delete_pattern("*").page(100);
    let deleted = deletion.on_progress(|so_far| told.push(so_far)).await.unwrap();
    assert_eq!(deleted, 1_202);
    assert!(told.is_sorted() && told.last() == Some(&1_202), "{told:?}");
}

async fn a_hash_is_scanned_field_by_field(redis: &RedisManager) {
    let hash = redis.service().hash();
    hash.hset("h", (0..1_000).map(|n| (format!("f{n}"), n))).await.unwrap();
    let mut scan = hash.hscan::<String, u32>("h");
    let mut fields = BTreeMap::new();
    while let Some(pair) = scan.next().await {
        let (field, value) = pair.unwrap();
        fields.insert(field, value);
    }
    assert_eq!(fields.len(), 1_000);
    assert_eq!(fields["f7"], 7);
    let mut some = hash.hscan::<String, u32>("h").matching("f99?");
    let mut count = 0;
    while let Some(pair) = some.next().await {
        assert!(pair.unwrap().0.starts_with("f99"));
        count += 1;
    }
    assert_eq!(count, 10);
}

async fn a_scan_of_another_type_is_an_error_and_then_ends(redis: &RedisManager) {
    redis.set("text", "x").await;
    let mut scan = redis.service().hash().hscan::<String, String>("text");
    let error = scan.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert!(scan.next().await.is_none());
}

#[tokio::test]
async fn flush_prefix_deletes_what_is_under_the_prefix_and_nothing_else() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.key_prefix = "a*[pp]?:".to_owned();
    let redis = RedisManager::new(config).unwrap();
    fill(&redis, 50).await;
    assert_eq!(server.command(&["SET", "app:mine", "1"]), "+OK");
    assert_eq!(server.command(&["SET", "a*[pp]x:", "1"]), "+OK");
    assert_eq!(redis.service().keys().flush_prefix().await.unwrap(), 52);
    assert_eq!(server.command(&["DBSIZE"]), ":2");
}

#[tokio::test]
async fn without_a_prefix_flush_prefix_is_refused() {
    let server = RedisServer::start();
    let redis = server.manager();
    fill(&redis, 5).await;
    let error = redis.service().keys().flush_prefix().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(server.command(&["DBSIZE"]), ":7");
}

#[tokio::test]
async fn an_outage_ends_a_scan_with_its_error() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    is_back(&redis).await;
    fill(&redis, 100).await;
    let mut scan = redis.service().keys().scan("user:*").count(1);
    assert!(scan.next().await.unwrap().is_ok());
    proxy.stall();
    let error = loop {
        match scan.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(error.is_unavailable(), "{error}");
    assert!(scan.next().await.is_none());
}
