//! Behaviour 20: values that nobody at the server can read, or change unnoticed.

use bytes::Bytes;
use redis_manager::{Cache, CachePolicy, Config, RedisManager};

use super::{Runs, is_stored};
use crate::{
    face::Shared,
    support::{RedisServer, eventually},
};

const SECRET: &str = "the answer is forty-two";

/// A key of 64 hexadecimal digits.
fn key(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn manager(url: &str, keys: Option<&str>) -> RedisManager {
    let mut config = Config::from_url(url);
    config.encryption_key = keys.map(Into::into);
    RedisManager::new(config).unwrap()
}

fn sealed(redis: &RedisManager) -> Cache {
    redis.cache("secrets").with(CachePolicy::new().encrypted())
}

fn holds(entry: &Bytes, text: &str) -> bool {
    entry.windows(text.len()).any(|window| window == text.as_bytes())
}

async fn put(cache: &Cache) -> bool {
    cache.put("k", &SECRET.to_owned()).await
}

async fn seals(redis: &RedisManager) {
    let cache = sealed(redis);
    assert!(put(&cache).await);
    let entry = redis.get_bytes(cache.key("k")).await.unwrap();
    assert!(!holds(&entry, "answer") && !holds(&entry, "forty-two"), "{entry:?}");
    assert_eq!(cache.get("k").await, Some(SECRET.to_owned()));
    let plain = redis.cache("plain");
    assert!(put(&plain).await);
    assert!(holds(&redis.get_bytes(plain.key("k")).await.unwrap(), SECRET));
    // The same value is never the same bytes.
    assert!(put(&cache).await);
    let again = redis.get_bytes(cache.key("k")).await.unwrap();
    assert_ne!(entry[entry.len() - 32..], again[again.len() - 32..]);
}

#[tokio::test]
async fn behaviour_20_what_is_encrypted_cannot_be_read_in_redis() {
    let server = RedisServer::start();
    seals(&manager(&server.url(), Some(&key('a')))).await;
}

#[tokio::test]
async fn behaviour_20_what_is_encrypted_cannot_be_read_in_memory() {
    seals(&manager("memory://", Some(&key('a')))).await;
}

#[tokio::test]
async fn behaviour_20_whatever_is_changed_of_an_encrypted_entry_makes_it_a_miss() {
    let redis = manager("memory://", Some(&key('a')));
    let cache = sealed(&redis).tagged(["a tag"]);
    let runs = Runs::default();
    assert!(put(&cache).await);
    let entry = redis.get_bytes(cache.key("k")).await.unwrap();
    // Identity and lease, times of leases and of reads, and the mark of what is stale are the server's to change.
    for at in (0..8).chain(49..entry.len()) {
        let mut tampered = entry.to_vec();
        tampered[at] ^= 1;
        assert!(redis.set(cache.key("k"), tampered).await);
        let got = cache.get::<String>("k").await;
        assert_eq!(got, None, "at {at}");
    }
    let mut tampered = entry.to_vec();
    tampered[entry.len() - 20] ^= 1;
    assert!(redis.set(cache.key("k"), tampered).await);
    let unreadable = cache.metrics().unreadable;
    let loaded = cache.get_or_load("k", runs.bring("new".to_owned())).await;
    assert_eq!((loaded.unwrap().as_str(), runs.count()), ("new", 1));
    assert_eq!(cache.metrics().unreadable, unreadable + 1);
    is_stored::<String>(&cache, "k").await;
}

#[tokio::test]
async fn behaviour_20_an_encrypted_entry_is_of_use_at_its_own_key_only() {
    let redis = manager("memory://", Some(&key('a')));
    let cache = sealed(&redis);
    assert!(put(&cache).await);
    let entry = redis.get_bytes(cache.key("k")).await.unwrap();
    assert!(redis.set(cache.key("another"), entry).await);
    assert_eq!(cache.get::<String>("another").await, None);
    assert_eq!(cache.get("k").await, Some(SECRET.to_owned()));
}

#[tokio::test]
async fn behaviour_20_keys_are_rotated_without_a_miss() {
    let server = RedisServer::start();
    let (old, new) = (format!("old:{}", key('a')), format!("new:{}", key('b')));
    let before = manager(&server.url(), Some(&old));
    let rotated = manager(&server.url(), Some(&format!("{new},{old}")));
    let after = manager(&server.url(), Some(&new));
    assert!(put(&sealed(&before)).await);
    assert_eq!(sealed(&rotated).get("k").await, Some(SECRET.to_owned()));
    assert!(put(&sealed(&rotated)).await);
    assert_eq!(sealed(&after).get("k").await, Some(SECRET.to_owned()));
    assert_eq!(
        sealed(&before).get::<String>("k").await,
        None,
        "it does not know the new key"
    );
}

#[tokio::test]
async fn behaviour_20_without_a_key_nothing_is_stored_and_the_value_is_the_loaders() {
    let shared = Shared::join();
    let (cache, runs) = (sealed(&shared.redis), Runs::default());
    for count in 1..3 {
        let loaded = cache.get_or_load("k", runs.bring(SECRET.to_owned())).await;
        assert_eq!((loaded.unwrap().as_str(), runs.count()), (SECRET, count));
        eventually("nobody tries to store it any more", || async {
            cache.metrics().not_stored == count as u64
        })
        .await;
    }
    assert!(!put(&cache).await);
    assert_eq!(
        cache.write("k", runs.bring(SECRET.to_owned())).await.as_deref(),
        Ok(SECRET)
    );
    let entry = shared.redis.get_bytes(cache.key("k")).await;
    assert!(entry.is_none_or(|entry| !holds(&entry, "answer")));
    shared.assert_undisturbed();
}

#[tokio::test]
async fn behaviour_20_where_entries_are_encrypted_a_plain_one_is_not_accepted() {
    let redis = manager("memory://", Some(&key('a')));
    let (cache, runs) = (sealed(&redis), Runs::default());
    let plain = cache.clone().with(CachePolicy::new());
    assert!(plain.put("k", &"forged".to_owned()).await);
    let loaded = cache.get_or_load("k", runs.bring(SECRET.to_owned())).await;
    assert_eq!((loaded.unwrap().as_str(), runs.count()), (SECRET, 1));
    assert_eq!(cache.metrics().unreadable, 1);
}

#[tokio::test]
async fn behaviour_20_what_is_compressed_is_encrypted_as_well() {
    let redis = manager("memory://", Some(&key('a')));
    let policy = CachePolicy::new().encrypted().compress_from(100);
    let cache = redis.cache("secrets").with(policy);
    let text = SECRET.repeat(100);
    assert!(cache.put("k", &text).await);
    let entry = redis.get_bytes(cache.key("k")).await.unwrap();
    assert!(entry.len() < 500 && !holds(&entry, "answer"), "{}", entry.len());
    assert_eq!(cache.get("k").await, Some(text));
}
