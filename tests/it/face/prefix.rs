//! The prefix that stands before every key, and nowhere else.

use redis_manager::RedisManager;

use super::patient;
use crate::support::RedisServer;

/// A server of its own, so that every key on it is known.
struct Prefixed {
    redis: RedisManager,
    server: RedisServer,
}

impl Prefixed {
    fn start() -> Self {
        let server = RedisServer::start();
        Self {
            redis: patient(&server.url(), "app:"),
            server,
        }
    }

    /// Checks that these keys, and no others, are on the server.
    fn assert_keys(&self, keys: &[&str]) {
        assert_eq!(self.server.command(&["DBSIZE"]), format!(":{}", keys.len()));
        for key in keys {
            assert_eq!(self.server.command(&["EXISTS", key]), ":1", "{key}");
        }
    }
}

#[tokio::test]
async fn every_write_puts_the_prefix_before_its_keys() {
    let prefixed = Prefixed::start();
    let redis = &prefixed.redis;
    redis.set("set", "v").await;
    redis.set("set ex", "v").ex(1_000).await;
    redis.set_json("json", &1).await;
    redis.set_many([("many 1", 1), ("many 2", 2)]).await;
    redis.set_many([("many ex 1", 1), ("many ex 2", 2)]).ex(1_000).await;
    redis.incr("incr").await;
    redis.decr("decr").await;
    redis.hset("hash", "field", "v").await;
    prefixed.assert_keys(&[
        "app:set",
        "app:set ex",
        "app:json",
        "app:many 1",
        "app:many 2",
        "app:many ex 1",
        "app:many ex 2",
        "app:incr",
        "app:decr",
        "app:hash",
    ]);
}

#[tokio::test]
async fn every_read_asks_for_the_key_behind_the_prefix() {
    let Prefixed { redis, server } = Prefixed::start();
    server.command(&["SET", "app:k", "7"]);
    server.command(&["SET", "k", "another"]);
    server.command(&["HSET", "app:h", "field", "v"]);
    assert_eq!(redis.get("k").await.as_deref(), Some("7"));
    assert_eq!(redis.get_bytes("k").await.as_deref(), Some(&b"7"[..]));
    assert_eq!(redis.get_json("k").await, Some(7));
    assert_eq!(redis.get_many(["k", "app:k"]).await, [Some("7".to_owned()), None]);
    assert_eq!(redis.hget("h", "field").await.as_deref(), Some("v"));
    assert!(redis.exists("k").await);
    assert!(!redis.exists("app:k").await);
    assert_eq!(redis.ttl("k").await, -1);
}

#[tokio::test]
async fn deletion_and_expiry_meet_only_what_stands_behind_the_prefix() {
    let prefixed = Prefixed::start();
    for key in ["a", "b", "c", "app:a", "app:b", "app:c"] {
        prefixed.server.command(&["SET", key, "v"]);
    }
    let redis = &prefixed.redis;
    assert!(redis.expire("c", 1_000).await);
    assert_eq!(redis.delete("a").await, 1);
    assert_eq!(redis.delete(["a", "b"]).await, 1);
    prefixed.assert_keys(&["a", "b", "c", "app:c"]);
    assert_eq!(prefixed.server.command(&["TTL", "c"]), ":-1");
}

#[tokio::test]
async fn two_prefixes_on_one_server_do_not_meet() {
    let server = RedisServer::start();
    let (a, b) = (patient(&server.url(), "a:"), patient(&server.url(), "b:"));
    assert!(a.set("k", "of a").nx().await);
    assert!(b.set("k", "of b").nx().await);
    assert_eq!(a.get("k").await.as_deref(), Some("of a"));
    assert_eq!(b.delete("k").await, 1);
    assert!(a.exists("k").await);
}
