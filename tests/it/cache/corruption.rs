//! Behaviour 5: what cannot be read is a miss, is counted and removed, and the loader runs.

use bytes::Bytes;
use redis_manager::{Cache, CacheLookup, CachePolicy, RedisManager};

use super::{Runs, is_stored};

on_both_backends! {
    behaviour_05_what_is_no_entry_is_a_miss_and_removed,
    behaviour_05_a_truncated_entry_is_a_miss_and_removed,
    behaviour_05_an_entry_with_a_flipped_byte_is_a_miss_or_still_a_value,
    behaviour_05_a_damaged_compressed_entry_is_never_an_error,
    behaviour_05_a_hash_at_the_key_is_a_miss_and_overwritten,
    behaviour_05_a_value_of_another_type_is_a_miss_and_overwritten,
    behaviour_05_what_is_at_the_key_of_a_version_is_never_taken_for_one,
}

/// Puts bytes where the entry is, and sees that they are a miss, counted, removed, and replaced by what the loader brings.
async fn is_refused(redis: &RedisManager, cache: &Cache, bytes: Bytes) {
    let (key, runs) = (cache.key("k"), Runs::default());
    let unreadable = cache.metrics().unreadable;
    assert!(redis.set(&key, bytes.clone()).await);
    assert_eq!(cache.lookup::<String>("k").await, CacheLookup::Absent, "{bytes:?}");
    assert_eq!(cache.metrics().unreadable, unreadable + 1, "{bytes:?}");
    assert!(!redis.exists(&key).await, "{bytes:?}");
    assert!(redis.set(&key, bytes.clone()).await);
    let loaded = cache.get_or_load("k", runs.bring("new".to_owned())).await;
    assert_eq!((loaded.unwrap().as_str(), runs.count()), ("new", 1), "{bytes:?}");
    is_stored::<String>(cache, "k").await;
    assert_eq!(cache.get_many::<String, _>(["k"]).await, [Some("new".to_owned())]);
}

/// The bytes of an entry that holds this.
async fn entry_of(redis: &RedisManager, cache: &Cache, value: &str) -> Bytes {
    assert!(cache.put("k", &value.to_owned()).await);
    redis.get_bytes(cache.key("k")).await.unwrap()
}

async fn behaviour_05_what_is_no_entry_is_a_miss_and_removed(redis: &RedisManager) {
    let cache = redis.cache("corruption");
    for bytes in [
        &b"\"JSON text\""[..],
        b"{\"a\":1}",
        b"7",
        b"",
        b"\0",
        b"\xfd",
        b"\xfdrc\x02 of another layout",
        b"\xff\xfe\x80\x00\x01\x7f\xfdrc\x01",
    ] {
        is_refused(redis, &cache, Bytes::from_static(bytes)).await;
    }
}

async fn behaviour_05_a_truncated_entry_is_a_miss_and_removed(redis: &RedisManager) {
    let cache = redis.cache("corruption").tagged(["a tag"]);
    let entry = entry_of(redis, &cache, "a value").await;
    for len in (0..entry.len()).step_by(7).chain([entry.len() - 1]) {
        is_refused(redis, &cache, entry.slice(..len)).await;
    }
}

async fn behaviour_05_an_entry_with_a_flipped_byte_is_a_miss_or_still_a_value(redis: &RedisManager) {
    let cache = redis.cache("corruption").tagged(["a tag"]);
    let key = cache.key("k");
    let entry = entry_of(redis, &cache, "a value").await;
    for at in 0..entry.len() {
        for bit in [0, 7] {
            let mut damaged = entry.to_vec();
            damaged[at] ^= 1 << bit;
            assert!(redis.set(&key, damaged).await);
            let found = cache.get::<String>("k").await;
            // Magic and kind, codec and packing and sealing: nothing is taken for what it is not.
            assert!(at >= 8 || found.is_none(), "{at} {found:?}");
            let loaded = cache.get_or_load("k", Runs::default().bring("new".to_owned())).await;
            assert!(loaded.is_ok());
        }
    }
}

async fn behaviour_05_a_damaged_compressed_entry_is_never_an_error(redis: &RedisManager) {
    let cache = redis.cache("corruption").with(CachePolicy::new().compress_from(100));
    let key = cache.key("k");
    let text = "all work and no play; ".repeat(50);
    let entry = entry_of(redis, &cache, &text).await;
    assert!(entry.len() < 300, "it is compressed");
    for at in 90..entry.len() {
        let mut damaged = entry.to_vec();
        damaged[at] ^= 0x55;
        assert!(redis.set(&key, damaged).await);
        let loaded = cache.get_or_load("k", Runs::default().bring("new".to_owned())).await;
        assert!(loaded.is_ok());
    }
}

async fn behaviour_05_a_hash_at_the_key_is_a_miss_and_overwritten(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("corruption"), Runs::default());
    assert_eq!(redis.hset(cache.key("k"), "field", "value").await, 1);
    assert_eq!(cache.get::<u64>("k").await, None);
    assert_eq!(cache.get_many::<u64, _>(["k", "l"]).await, [None, None]);
    assert_eq!(cache.get_or_load("k", runs.bring(7_u64)).await.unwrap(), 7);
    is_stored::<u64>(&cache, "k").await;
    assert_eq!(runs.count(), 1);
    for key in ["put", "removed", "expired"] {
        redis.hset(cache.key(key), "field", "value").await;
    }
    assert!(cache.put("put", &7_u64).await && cache.remove("removed").await);
    assert!(!cache.expire("expired").await);
    assert_eq!(
        cache.get_many::<u64, _>(["put", "removed", "expired"]).await,
        [Some(7), None, None]
    );
}

async fn behaviour_05_a_value_of_another_type_is_a_miss_and_overwritten(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("corruption"), Runs::default());
    assert!(cache.put("k", &"no number".to_owned()).await);
    let unreadable = cache.metrics().unreadable;
    assert_eq!(cache.get::<u64>("k").await, None);
    assert_eq!(cache.metrics().unreadable, unreadable + 1);
    assert_eq!(cache.get_or_load("k", runs.bring(7_u64)).await.unwrap(), 7);
    is_stored::<u64>(&cache, "k").await;
    assert_eq!(runs.count(), 1);
}

async fn behaviour_05_what_is_at_the_key_of_a_version_is_never_taken_for_one(redis: &RedisManager) {
    let cache = redis.cache("corruption").tagged(["t"]);
    for version in ["corruption%epoch", "corruption%tag:t"] {
        assert!(cache.put("k", &7_u64).await);
        assert!(redis.set(version, "something else").await);
        assert_eq!(cache.get::<u64>("k").await, None, "{version}");
        assert!(redis.delete(version).await == 1 && redis.hset(version, "field", "value").await == 1);
        assert_eq!(cache.get::<u64>("k").await, None, "{version}");
        assert_eq!(cache.get_or_load("k", Runs::default().bring(8_u64)).await.unwrap(), 8);
        is_stored::<u64>(&cache, "k").await;
        assert!(cache.put("k", &9_u64).await);
        assert_eq!(cache.get::<u64>("k").await, Some(9), "{version}");
    }
}
