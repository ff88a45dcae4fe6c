//! Hostile keys, names and tags: none is another one's, and none breaks anything.

use bytes::Bytes;
use redis_manager::{Key, RedisManager, redis_key};

use super::{Runs, is_stored};
use crate::support::eventually;

redis_key! { Visits => "visits:{page}" { page: String } -> u64 }

on_both_backends! {
    keys_of_any_bytes_are_each_their_own,
    names_of_any_text_are_each_their_own,
    tags_of_any_text_are_each_their_own,
    no_key_or_tag_is_ever_the_key_of_a_version,
    patterns_remove_what_they_match_in_their_own_namespace,
    typed_keys_give_the_type_of_their_values,
}

fn hostile() -> Vec<Bytes> {
    let mut all: Vec<Bytes> = [
        "",
        " ",
        "a",
        "a:b",
        "a:",
        ":a",
        "{",
        "}",
        "{}",
        "{a}",
        "%",
        "%epoch",
        "%tag:t",
        "%3A",
        "*",
        "?",
        "[a]",
        "\\",
        "\r\n",
        "message",
        "MOVED 1 h:1",
        "ключ",
        "\u{0}",
        "\u{fffd}",
    ]
    .into_iter()
    .map(Bytes::from)
    .collect();
    all.push(Bytes::from_static(b"\xff\xfe\x00\xc3\x28"));
    all.push(vec![b'x'; 100_000].into());
    all
}

async fn keys_of_any_bytes_are_each_their_own(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("keys"), Runs::default());
    for (number, key) in hostile().into_iter().enumerate() {
        assert_eq!(
            cache.get_or_load(key.clone(), runs.bring(number)).await.unwrap(),
            number
        );
        eventually("it is stored", || async {
            cache.get::<usize>(key.clone()).await == Some(number)
        })
        .await;
    }
    let all = cache.get_many::<usize, _>(hostile()).await;
    assert!(
        all.iter().enumerate().all(|(number, value)| *value == Some(number)),
        "{all:?}"
    );
    for (number, key) in hostile().into_iter().enumerate() {
        let value = cache.get_or_load(key.clone(), runs.fail::<usize>()).await;
        assert_eq!(value.unwrap(), number);
        assert!(cache.remove(&Key::from(key.clone())).await);
        assert_eq!(cache.get::<usize>(key).await, None);
    }
}

async fn names_of_any_text_are_each_their_own(redis: &RedisManager) {
    let texts: Vec<String> = hostile()
        .into_iter()
        .filter_map(|name| String::from_utf8(name.into()).ok())
        .collect();
    for (number, name) in texts.iter().enumerate() {
        assert!(redis.cache(name).put("k", &number).await, "{name:?}");
    }
    for (number, name) in texts.iter().enumerate() {
        let cache = redis.cache(name);
        assert_eq!(cache.get::<usize>("k").await, Some(number), "{name:?}");
        assert!(cache.clear().await);
        assert_eq!(cache.get::<usize>("k").await, None, "{name:?}");
    }
}

async fn tags_of_any_text_are_each_their_own(redis: &RedisManager) {
    let cache = redis.cache("tags");
    // One of 100 000 bytes is too long for an entry.
    let tags = hostile().into_iter().filter(|tag| tag.len() < 255);
    let tags: Vec<String> = tags.filter_map(|tag| String::from_utf8(tag.into()).ok()).collect();
    for (number, tag) in tags.iter().enumerate() {
        assert!(
            cache.clone().tagged([tag]).put(number.to_string(), &number).await,
            "{tag:?}"
        );
    }
    for (number, tag) in tags.iter().enumerate() {
        assert_eq!(cache.get::<usize>(number.to_string()).await, Some(number), "{tag:?}");
        assert!(cache.invalidate_tag(tag).await);
        assert_eq!(cache.get::<usize>(number.to_string()).await, None, "{tag:?}");
    }
}

async fn no_key_or_tag_is_ever_the_key_of_a_version(redis: &RedisManager) {
    let users = redis.cache("users").tagged(["t"]);
    assert!(users.put("k", &7_u64).await);
    for name in ["users%epoch", "users%tag:t", "users%tag", "users%"] {
        let odd = redis.cache(name);
        for key in ["", "t", "k"] {
            assert!(odd.put(key, &8_u64).await && odd.remove(key).await && odd.clear().await);
        }
    }
    for key in ["%epoch", "%tag:t"] {
        assert!(users.put(key, &8_u64).await && users.remove(key).await);
    }
    assert_eq!(users.get::<u64>("k").await, Some(7));
}

async fn patterns_remove_what_they_match_in_their_own_namespace(redis: &RedisManager) {
    let (users, others) = (redis.cache("us*rs"), redis.cache("users"));
    for key in ["a:1", "a:2", "b:1", "a*"] {
        assert!(users.put(key, &7_u64).await && others.put(key, &7_u64).await);
    }
    assert_eq!(users.remove_matching("a:*").await, Some(2));
    assert_eq!(
        users.get_many::<u64, _>(["a:1", "a:2", "b:1", "a*"]).await,
        [None, None, Some(7), Some(7)]
    );
    assert_eq!(users.remove_matching("a\\*").await, Some(1));
    assert_eq!(users.remove_matching("nobody").await, Some(0));
    assert_eq!(users.remove_matching("*").await, Some(1));
    assert_eq!(
        others.get_many::<u64, _>(["a:1", "a:2", "b:1", "a*"]).await,
        [Some(7); 4]
    );
}

async fn typed_keys_give_the_type_of_their_values(redis: &RedisManager) {
    let (cache, runs) = (redis.cache("typed"), Runs::default());
    let home = || Visits { page: "a:b".to_owned() };
    assert_eq!(cache.get_or_load(home(), runs.bring(7)).await.unwrap(), 7);
    is_stored::<u64>(&cache, "visits:a%3Ab").await;
    assert_eq!(cache.get(home()).await, Some(7));
    assert_eq!(cache.get_many([home()]).await, [Some(7)]);
    assert!(cache.remove(&Key::from(home())).await);
    assert_eq!(cache.get(home()).await, None);
}
