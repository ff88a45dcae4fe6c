//! Values of every kind, keys of any bytes, and sizes.

use bytes::Bytes;
use redis_manager::{Config, Key, RedisManager, Value};

use crate::support::RedisServer;

on_both_backends! {
    text_of_every_type_comes_back,
    bytes_of_every_type_come_back,
    every_integer_is_stored_as_its_decimal_text,
    every_float_reads_back_as_the_same_float,
    hostile_text_comes_back_as_it_was,
    a_key_is_any_bytes,
    keys_of_every_type_name_the_same_key,
    keys_that_differ_in_case_space_or_form_differ,
    a_key_may_be_long,
    a_value_of_a_megabyte_comes_back,
    a_value_of_five_megabytes_comes_back,
    large_values_go_through_every_operation,
    sizes_around_every_bound_come_back,
}

async fn text_of_every_type_comes_back(redis: &RedisManager) {
    let text = "grüße 🦀 \u{202e}";
    redis.set("str", text).await;
    redis.set("string", text.to_owned()).await;
    let owned = text.to_owned();
    redis.set("ref", &owned).await;
    for key in ["str", "string", "ref"] {
        assert_eq!(redis.get(key).await.as_deref(), Some(text), "{key}");
    }
}

async fn bytes_of_every_type_come_back(redis: &RedisManager) {
    redis.set("slice", &[0xff, 0][..]).await;
    redis.set("array", &[0xff, 0]).await;
    redis.set("vec", vec![0xff, 0]).await;
    redis.set("bytes", Bytes::from_static(&[0xff, 0])).await;
    redis.set("value", Value::from(&[0xff, 0])).await;
    for key in ["slice", "array", "vec", "bytes", "value"] {
        assert_eq!(redis.get_bytes(key).await.as_deref(), Some(&[0xff, 0][..]), "{key}");
    }
}

async fn every_integer_is_stored_as_its_decimal_text(redis: &RedisManager) {
    let cases = [
        (Value::from(0), "0"),
        (Value::from(i8::MIN), "-128"),
        (Value::from(u8::MAX), "255"),
        (Value::from(i16::MIN), "-32768"),
        (Value::from(u16::MAX), "65535"),
        (Value::from(i32::MIN), "-2147483648"),
        (Value::from(u32::MAX), "4294967295"),
        (Value::from(i64::MIN), "-9223372036854775808"),
        (Value::from(u64::MAX), "18446744073709551615"),
        (Value::from(isize::MIN), "-9223372036854775808"),
        (Value::from(usize::MAX), "18446744073709551615"),
        (Value::from(i128::MIN), "-170141183460469231731687303715884105728"),
        (Value::from(u128::MAX), "340282366920938463463374607431768211455"),
    ];
    for (value, text) in cases {
        assert!(redis.set("k", value).await);
        assert_eq!(redis.get("k").await.as_deref(), Some(text));
    }
}

async fn every_float_reads_back_as_the_same_float(redis: &RedisManager) {
    for float in [
        0.1,
        -0.0,
        1.0 / 3.0,
        1e300,
        5e-324,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ] {
        redis.set("k", float).await;
        let read: f64 = redis.get("k").await.unwrap().parse().unwrap();
        assert_eq!(read.to_bits(), float.to_bits(), "{float}");
    }
    redis.set("k", 0.1_f32).await;
    assert_eq!(redis.get("k").await.as_deref(), Some("0.1"));
}

async fn hostile_text_comes_back_as_it_was(redis: &RedisManager) {
    for text in [
        "message",
        "MOVED 1 h:1",
        "ASK 1 h:1",
        "+OK\r\n",
        "-ERR x\r\n",
        "$-1\r\n",
        "_\r\n",
        "*3\r\n$7\r\nmessage\r\n",
        "\0",
        "\r\n",
        "null",
        "nil",
        "OK",
        "QUEUED",
    ] {
        assert!(redis.set("k", text).await);
        assert_eq!(redis.get("k").await.as_deref(), Some(text));
        assert_eq!(redis.get_bytes("k").await.as_deref(), Some(text.as_bytes()));
    }
}

async fn a_key_is_any_bytes(redis: &RedisManager) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let keys = [
        &b"with spaces and\ttabs"[..],
        "schlüssel 🦀".as_bytes(),
        b"\xff\xfe",
        b"\0",
        b"\r\n",
        b"*",
        b"{slot}rest",
        b"\"quoted\" 'key'",
        &every_byte,
    ];
    for (n, key) in keys.iter().enumerate() {
        assert!(redis.set(*key, n).await, "{key:?}");
    }
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(redis.get(*key).await, Some(n.to_string()), "{key:?}");
        assert!(redis.exists(*key).await, "{key:?}");
        assert_eq!(redis.ttl(*key).await, -1, "{key:?}");
        assert_eq!(redis.incr(*key).await, Some(i64::try_from(n).unwrap() + 1), "{key:?}");
    }
    let all = keys.map(Key::from);
    let expected: Vec<_> = (1..=keys.len()).map(|n| Some(n.to_string())).collect();
    assert_eq!(redis.get_many(all.as_slice()).await, expected);
    assert_eq!(redis.delete(all.as_slice()).await, keys.len() as u64);
}

async fn keys_of_every_type_name_the_same_key(redis: &RedisManager) {
    redis.set("user:7", "Ada").await;
    let owned = "user:7".to_owned();
    let key = Key::from("user:7");
    let ada = Some("Ada".to_owned());
    assert_eq!(redis.get(&owned).await, ada);
    assert_eq!(redis.get(owned).await, ada);
    assert_eq!(redis.get(&b"user:7"[..]).await, ada);
    assert_eq!(redis.get(b"user:7".to_vec()).await, ada);
    assert_eq!(redis.get(Bytes::from_static(b"user:7")).await, ada);
    assert_eq!(redis.get(&key).await, ada);
    assert_eq!(redis.get(key).await, ada);
    assert_eq!(redis.get(format!("user:{}", 7)).await, ada);
}

async fn keys_that_differ_in_case_space_or_form_differ(redis: &RedisManager) {
    for key in ["key", "Key", " key", "key ", "key\0", "ke\u{301}y", "k\u{e9}y"] {
        assert!(redis.set(key, key).nx().await, "{key:?}");
        assert_eq!(redis.get(key).await.as_deref(), Some(key));
    }
}

async fn a_key_may_be_long(redis: &RedisManager) {
    let long = "k".repeat(100_000);
    assert!(redis.set(&long, "v").await);
    assert_eq!(redis.get(&long).await.as_deref(), Some("v"));
    assert_eq!(redis.get(&long[1..]).await, None);
}

const MEGABYTE: usize = 1024 * 1024;

/// Bytes that would show if a part of them were lost, doubled, or moved.
fn large(len: usize) -> Bytes {
    (0..=250).cycle().take(len).collect()
}

async fn a_value_of_a_megabyte_comes_back(redis: &RedisManager) {
    assert!(redis.set("k", large(MEGABYTE)).ex(1_000).await);
    assert!(redis.get_bytes("k").await.unwrap() == large(MEGABYTE));
}

async fn a_value_of_five_megabytes_comes_back(redis: &RedisManager) {
    assert!(redis.set("k", large(5 * MEGABYTE)).await);
    assert!(redis.get_bytes("k").await.unwrap() == large(5 * MEGABYTE));
    let text = "ü".repeat(5 * MEGABYTE / 2);
    assert!(redis.set("k", &text).await);
    assert!(redis.get("k").await.unwrap() == text);
}

async fn large_values_go_through_every_operation(redis: &RedisManager) {
    let (one, two) = ("1".repeat(MEGABYTE), "2".repeat(2 * MEGABYTE));
    assert!(redis.set_many([("a", &one), ("b", &two)]).await);
    assert!(redis.get_many(["b", "missing", "a"]).await == [Some(two.clone()), None, Some(one.clone())]);
    assert!(redis.set_many([("a", &two), ("b", &one)]).ex(1_000).await);
    assert!(redis.get_many(["b", "a"]).await == [Some(one.clone()), Some(two.clone())]);
    assert_eq!(redis.hset_many("h", [("a", &one), ("b", &two)]).await, 2);
    assert!(redis.hget("h", "b").await.unwrap() == two);
    assert!(redis.set_json("j", &[&one, &two]).await);
    assert!(redis.get_json::<[String; 2]>("j").await.unwrap() == [one, two]);
}

async fn sizes_around_every_bound_come_back(redis: &RedisManager) {
    for bound in [0, 1024, 32 * 1024, 64 * 1024, MEGABYTE] {
        for len in bound.saturating_sub(1)..=bound + 1 {
            assert!(redis.set("k", large(len)).await, "{len} bytes");
            assert!(redis.get_bytes("k").await.unwrap() == large(len), "{len} bytes");
        }
    }
}

/// Large values may take another way to the server than small ones.
#[tokio::test]
async fn a_large_value_goes_to_the_same_database_as_the_same_user() {
    let server = RedisServer::start();
    server.command(&["ACL", "SETUSER", "ada", "on", ">sesame", "~app:*", "+@all"]);
    let mut config = Config::from_url(format!("redis://ada:sesame@127.0.0.1:{}/3", server.port()));
    config.key_prefix = "app:".to_owned();
    let redis = RedisManager::new(config).unwrap();
    assert!(redis.set("small", "v").await);
    assert!(redis.set("large", large(2 * MEGABYTE)).await);
    assert!(redis.get_bytes("large").await.unwrap() == large(2 * MEGABYTE));
    assert_eq!(redis.delete(["small", "large"]).await, 2);
}

#[tokio::test]
async fn a_large_value_needs_no_second_connection() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.max_connections = 1;
    let redis = RedisManager::new(config).unwrap();
    assert!(redis.set("k", large(2 * MEGABYTE)).await);
    assert!(redis.get_bytes("k").await.unwrap() == large(2 * MEGABYTE));
    let clients = server.command(&["CLIENT", "LIST"]);
    assert_eq!(clients.lines().count(), 2, "the manager's, and this test's: {clients}");
}
