//! Behaviour 20: what an entry looks like at the server, and what of it is taken for a value.

use bytes::Bytes;
use redis_manager::{CachePolicy, Format, Load, RedisManager};
use serde::{Deserialize, Serialize};

use super::{Failure, Runs, is_stored};

on_both_backends! {
    behaviour_20_an_entry_of_another_schema_is_a_miss_and_replaced,
    behaviour_20_long_values_are_compressed_and_come_back,
    behaviour_20_what_does_not_become_smaller_is_stored_as_it_is,
    behaviour_20_a_bomb_is_a_miss,
    behaviour_20_a_longer_value_than_permitted_is_the_callers_and_not_stored,
    behaviour_20_values_in_another_format_are_read_as_well,
    behaviour_20_more_tags_than_an_entry_can_bear_are_not_cut_off,
}

/// Where the length of the unpacked body stands.
const RAW_LEN: std::ops::Range<usize> = 81..85;

/// Bytes in which nothing comes twice, as text.
fn noise(len: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'#' + u8::try_from((state >> 33) % 57).unwrap())
    };
    (0..len).map(|_| next()).collect()
}

fn contains(bytes: &Bytes, part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Old {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct New {
    name: String,
    #[serde(default)]
    age: u32,
}

async fn behaviour_20_an_entry_of_another_schema_is_a_miss_and_replaced(redis: &RedisManager) {
    let cache = redis.cache("envelope");
    let (first, second) = (
        cache.clone().with(CachePolicy::new().schema(1)),
        cache.with(CachePolicy::new().schema(2)),
    );
    let ada = || "Ada".to_owned();
    assert!(first.put("k", &Old { name: ada() }).await);
    assert_eq!(first.get("k").await, Some(Old { name: ada() }));
    let unreadable = second.metrics().unreadable;
    // Without the number it would be read, and be wrong.
    let new = New { name: ada(), age: 36 };
    let loaded = second.get_or_load("k", Runs::default().bring(new.clone())).await;
    assert_eq!(loaded.unwrap(), new);
    assert_eq!(second.metrics().unreadable, unreadable + 1);
    is_stored::<New>(&second, "k").await;
    assert_eq!(second.get("k").await, Some(new));
    assert_eq!(first.get::<Old>("k").await, None);
}

async fn behaviour_20_long_values_are_compressed_and_come_back(redis: &RedisManager) {
    let cache = redis.cache("envelope").with(CachePolicy::new().compress_from(1_000));
    let text = "all work and no play; ".repeat(100);
    assert!(cache.put("short", &"all work and no play".to_owned()).await);
    assert!(contains(&redis.get_bytes(cache.key("short")).await.unwrap(), "no play"));
    assert_eq!(
        cache
            .get_or_load("long", Runs::default().bring(text.clone()))
            .await
            .unwrap(),
        text
    );
    is_stored::<String>(&cache, "long").await;
    let entry = redis.get_bytes(cache.key("long")).await.unwrap();
    assert!(entry.len() < 300, "{}", entry.len());
    assert_eq!(cache.get("long").await, Some(text));
}

async fn behaviour_20_what_does_not_become_smaller_is_stored_as_it_is(redis: &RedisManager) {
    let cache = redis.cache("envelope").with(CachePolicy::new().compress_from(100));
    let text = noise(5_000);
    assert!(cache.put("k", &text).await);
    let entry = redis.get_bytes(cache.key("k")).await.unwrap();
    assert!(entry.len() > 5_000 && contains(&entry, &text));
    assert_eq!(cache.get("k").await, Some(text));
}

async fn behaviour_20_a_bomb_is_a_miss(redis: &RedisManager) {
    let policy = CachePolicy::new().compress_from(100).max_value_len(100_000);
    let (cache, patient) = (redis.cache("envelope").with(policy), redis.cache("envelope"));
    let large = "x".repeat(10_000_000);
    assert!(patient.put("k", &large).await);
    let entry = redis.get_bytes(cache.key("k")).await.unwrap();
    assert!(entry.len() < 50_000, "it is one: {}", entry.len());
    let unreadable = cache.metrics().unreadable;
    let loaded = cache.get_or_load("k", Runs::default().bring("small".to_owned())).await;
    assert_eq!(loaded.unwrap(), "small");
    assert_eq!(cache.metrics().unreadable, unreadable + 1);
    // One that lies about what it becomes.
    for len in [u32::MAX, 99_999, 0] {
        let mut liar = entry.to_vec();
        liar[RAW_LEN].copy_from_slice(&len.to_be_bytes());
        assert!(redis.set(cache.key("k"), liar).await);
        assert_eq!(patient.get::<String>("k").await, None, "{len}");
    }
}

async fn behaviour_20_a_longer_value_than_permitted_is_the_callers_and_not_stored(redis: &RedisManager) {
    let cache = redis.cache("envelope").with(CachePolicy::new().max_value_len(100));
    let (runs, long) = (Runs::default(), "x".repeat(100));
    for count in 1..3 {
        assert_eq!(cache.get_or_load("k", runs.bring(long.clone())).await.unwrap(), long);
        assert_eq!(runs.count(), count);
    }
    assert!(cache.put("k", &"short".to_owned()).await);
    assert!(!cache.put("k", &long).await);
    assert_eq!(cache.get::<String>("k").await, None, "what was there is older");
}

async fn behaviour_20_values_in_another_format_are_read_as_well(redis: &RedisManager) {
    let cache = redis.cache("envelope");
    assert!(cache.put("json", &7_u64).await);
    let formats = [
        Format::Json,
        #[cfg(feature = "msgpack")]
        Format::MessagePack,
    ];
    for format in formats {
        let other = cache.clone().with(CachePolicy::new().format(format));
        assert_eq!(other.get::<u64>("json").await, Some(7));
        assert!(other.put("k", &Old { name: "Ada".to_owned() }).await);
        assert_eq!(cache.get("k").await, Some(Old { name: "Ada".to_owned() }));
    }
}

async fn behaviour_20_more_tags_than_an_entry_can_bear_are_not_cut_off(redis: &RedisManager) {
    let cache = redis.cache("envelope");
    let very_long = "t".repeat(256);
    let many = || (0..300).map(|number| format!("tag {number}"));
    let load = |tags: Vec<String>| {
        move |_| async move {
            let load = tags.into_iter().fold(Load::new(7_u64), Load::tag);
            Ok::<_, Failure>(load)
        }
    };
    for (key, tags, last) in [
        ("many", many().collect::<Vec<_>>(), "tag 299"),
        ("long", vec![very_long.clone()], very_long.as_str()),
        ("as many as possible", many().take(255).collect(), "tag 254"),
        ("as long as possible", vec![very_long[1..].to_owned()], &very_long[1..]),
    ] {
        let answer = cache.get_or_load_with(key, load(tags)).await;
        assert_eq!(answer.unwrap().value, Some(7));
        if key.starts_with("as") {
            is_stored::<u64>(&cache, key).await;
        }
        assert!(cache.invalidate_tag(last).await);
        assert_eq!(cache.get::<u64>(key).await, None, "{key}");
    }
    let tagged = cache.tagged(many());
    assert!(!tagged.put("put", &7_u64).await);
    assert_eq!(tagged.get::<u64>("put").await, None);
}
