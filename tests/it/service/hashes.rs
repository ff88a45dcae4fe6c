//! `hash()`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use bytes::Bytes;
use redis_manager::{ErrorKind, FieldExpiry, FieldPersist, FieldTtl, RedisManager, Result, Support};
use serde::{Deserialize, Serialize};

use super::{assert_in_step, assert_refused, assert_told, hostile_lists};
use crate::support::eventually;

on_both_backends! {
    fields_are_set_read_and_removed,
    a_field_is_set_once_by_hsetnx,
    a_missing_key_has_no_fields,
    counters_in_fields_count,
    decimal_numbers_in_fields_add_up,
    a_step_that_is_not_finite_is_refused,
    a_field_that_is_no_number_is_an_error_of_the_server,
    a_struct_comes_back,
    a_struct_is_plain_fields_for_others,
    what_is_none_is_left_out_and_left_alone,
    a_missing_struct_is_none,
    a_field_that_is_missing_or_no_such_value_is_a_decode_error,
    what_is_no_struct_is_an_encode_error,
    fields_expire_where_the_server_has_that,
    nothing_to_ask_is_not_asked,
    another_type_is_refused_by_every_operation,
    hostile_fields_and_values_come_back_from_every_operation,
}

async fn fields_are_set_read_and_removed(redis: &RedisManager) {
    let hash = redis.service().hash();
    assert_eq!(hash.hset("h", [("a", 1), ("b", 2), ("c", 3)]).await.unwrap(), 3);
    assert_eq!(hash.hget("h", "b").await.unwrap(), Some(2));
    assert_eq!(
        hash.hmget("h", ["c", "x", "a", "c"]).await.unwrap(),
        [Some(3), None, Some(1), Some(3)]
    );
    let all: BTreeMap<String, u8> = hash.hgetall("h").await.unwrap();
    assert_eq!(
        all,
        BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 3)])
    );
    assert!(hash.hexists("h", "a").await.unwrap());
    assert!(!hash.hexists("h", "x").await.unwrap());
    assert_eq!(hash.hlen("h").await.unwrap(), 3);
    let names: BTreeSet<String> = hash.hkeys("h").await.unwrap().into_iter().collect();
    assert_eq!(names, ["a", "b", "c"].map(str::to_owned).into());
    let values: BTreeSet<u8> = hash.hvals("h").await.unwrap().into_iter().collect();
    assert_eq!(values, [1, 2, 3].into());
    assert_eq!(hash.hdel("h", ["a", "x", "b"]).await.unwrap(), 2);
    assert_eq!(hash.hdel("h", ["c"]).await.unwrap(), 1);
    assert!(!redis.exists("h").await);
}

async fn a_field_is_set_once_by_hsetnx(redis: &RedisManager) {
    let hash = redis.service().hash();
    assert!(hash.hsetnx("h", "f", "one").await.unwrap());
    assert!(!hash.hsetnx("h", "f", "two").await.unwrap());
    assert_eq!(hash.hget::<String>("h", "f").await.unwrap().as_deref(), Some("one"));
}

async fn a_missing_key_has_no_fields(redis: &RedisManager) {
    let hash = redis.service().hash();
    assert_eq!(hash.hget::<String>("h", "f").await.unwrap(), None);
    assert_eq!(
        hash.hmget::<String>("h", ["f", "g", "h"]).await.unwrap(),
        [None, None, None]
    );
    assert!(hash.hgetall::<HashMap<String, String>>("h").await.unwrap().is_empty());
    assert_eq!(hash.hkeys::<String>("h").await.unwrap(), Vec::<String>::new());
    assert_eq!(hash.hvals::<String>("h").await.unwrap(), Vec::<String>::new());
    assert_eq!(hash.hdel("h", ["f"]).await.unwrap(), 0);
    assert_eq!(hash.hlen("h").await.unwrap(), 0);
    assert!(!hash.hexists("h", "f").await.unwrap());
}

async fn counters_in_fields_count(redis: &RedisManager) {
    let hash = redis.service().hash();
    assert_eq!(hash.hincr_by("h", "n", 5).await.unwrap(), 5);
    assert_eq!(hash.hincr_by("h", "n", -7).await.unwrap(), -2);
    hash.hset("h", [("n", i64::MAX)]).await.unwrap();
    let error = hash.hincr_by("h", "n", 1).await.unwrap_err();
    assert_eq!(error.message(), "ERR increment or decrement would overflow");
    assert_eq!(hash.hget("h", "n").await.unwrap(), Some(i64::MAX));
}

async fn decimal_numbers_in_fields_add_up(redis: &RedisManager) {
    let hash = redis.service().hash();
    assert_eq!(hash.hincr_by_float("h", "n", 1.5).await.unwrap(), 1.5);
    assert_eq!(hash.hincr_by_float("h", "n", -0.25).await.unwrap(), 1.25);
    assert_eq!(hash.hget::<String>("h", "n").await.unwrap().as_deref(), Some("1.25"));
    hash.hset("h", [("i", 3)]).await.unwrap();
    assert_eq!(hash.hincr_by_float("h", "i", 1.0).await.unwrap(), 4.0);
    assert_eq!(hash.hget::<u8>("h", "i").await.unwrap(), Some(4));
}

async fn a_step_that_is_not_finite_is_refused(redis: &RedisManager) {
    let hash = redis.service().hash();
    for step in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_refused(hash.hincr_by_float("h", "n", step).await, "a step that is not finite");
    }
    assert!(!redis.exists("h").await);
}

async fn a_field_that_is_no_number_is_an_error_of_the_server(redis: &RedisManager) {
    let hash = redis.service().hash();
    hash.hset("the-key", [("f", "sesame"), ("inf", "inf")]).await.unwrap();
    let error = hash.hincr_by("the-key", "f", 1).await.unwrap_err();
    assert_told(&error, ErrorKind::Server, "HINCRBY");
    assert_eq!(error.message(), "ERR hash value is not an integer");
    let error = hash.hincr_by_float("the-key", "f", 1.0).await.unwrap_err();
    assert_told(&error, ErrorKind::Server, "HINCRBYFLOAT");
    assert_eq!(error.message(), "ERR hash value is not a float");
    let error = hash.hincr_by_float("the-key", "inf", 1.0).await.unwrap_err();
    assert_eq!(error.message(), "ERR increment would produce NaN or Infinity");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    name: String,
    age: u8,
    score: f64,
    is_admin: bool,
    role: Role,
    tags: Vec<String>,
    nickname: Option<String>,
    address: Option<Address>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Role {
    Member,
    Guest { until: u32 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Address {
    town: String,
}

fn ada() -> Profile {
    Profile {
        name: "message".to_owned(),
        age: 36,
        score: f64::INFINITY,
        is_admin: true,
        role: Role::Member,
        tags: vec!["5".to_owned(), "a \"b\"".to_owned()],
        nickname: None,
        address: Some(Address {
            town: "Łódź".to_owned(),
        }),
    }
}

async fn a_struct_comes_back(redis: &RedisManager) {
    let hash = redis.service().hash();
    assert_eq!(hash.hset_struct("h", &ada()).await.unwrap(), 7);
    assert_eq!(hash.hgetall_as("h").await.unwrap(), Some(ada()));
    let guest = Profile {
        name: String::new(),
        role: Role::Guest { until: 7 },
        nickname: Some("null".to_owned()),
        ..ada()
    };
    assert_eq!(hash.hset_struct("h", &guest).await.unwrap(), 1);
    assert_eq!(hash.hgetall_as("h").await.unwrap(), Some(guest));
    let map = HashMap::from([(1_u8, vec![1.5, 2.5]), (2, vec![])]);
    hash.hset_struct("map", &map).await.unwrap();
    assert_eq!(hash.hgetall_as("map").await.unwrap(), Some(map));
}

async fn a_struct_is_plain_fields_for_others(redis: &RedisManager) {
    let hash = redis.service().hash();
    hash.hset_struct("h", &ada()).await.unwrap();
    let fields: HashMap<String, String> = hash.hgetall("h").await.unwrap();
    for (field, text) in [
        ("name", "message"),
        ("age", "36"),
        ("score", "inf"),
        ("is_admin", "true"),
        ("role", "Member"),
        ("tags", r#"["5","a \"b\""]"#),
        ("address", r#"{"town":"Łódź"}"#),
    ] {
        assert_eq!(fields[field], text, "{field}");
    }
    assert_eq!(hash.hincr_by("h", "age", 1).await.unwrap(), 37);
    assert_eq!(
        hash.hgetall_as::<Profile>("h").await.unwrap().map(|ada| ada.age),
        Some(37)
    );
}

async fn what_is_none_is_left_out_and_left_alone(redis: &RedisManager) {
    let hash = redis.service().hash();
    hash.hset("h", [("nickname", "Countess"), ("more", "1")]).await.unwrap();
    hash.hset_struct("h", &ada()).await.unwrap();
    let found: Profile = hash.hgetall_as("h").await.unwrap().unwrap();
    assert_eq!(found.nickname.as_deref(), Some("Countess"));
    assert!(hash.hexists("h", "more").await.unwrap());
    let nothing = HashMap::<String, Option<u8>>::from([("a".to_owned(), None)]);
    assert_eq!(hash.hset_struct("none", &nothing).await.unwrap(), 0);
    assert!(!redis.exists("none").await);
}

async fn a_missing_struct_is_none(redis: &RedisManager) {
    assert_eq!(redis.service().hash().hgetall_as::<Profile>("h").await.unwrap(), None);
}

async fn a_field_that_is_missing_or_no_such_value_is_a_decode_error(redis: &RedisManager) {
    let hash = redis.service().hash();
    hash.hset_struct("the-key", &ada()).await.unwrap();
    hash.hset("the-key", [("age", "sesame")]).await.unwrap();
    let error = hash.hgetall_as::<Profile>("the-key").await.unwrap_err();
    assert_told(&error, ErrorKind::Decode, "HGETALL");
    assert!(
        error.message().ends_with("Profile: the field age: no such number"),
        "{error}"
    );
    hash.hdel("the-key", ["age"]).await.unwrap();
    let error = hash.hgetall_as::<Profile>("the-key").await.unwrap_err();
    assert_told(&error, ErrorKind::Decode, "HGETALL");
    assert!(
        error.message().ends_with("Profile: the field age is missing"),
        "{error}"
    );
}

async fn what_is_no_struct_is_an_encode_error(redis: &RedisManager) {
    let error = redis.service().hash().hset_struct("h", &["sesame"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(!error.to_string().contains("sesame"), "{error}");
    assert!(!redis.exists("h").await);
}

async fn fields_expire_where_the_server_has_that(redis: &RedisManager) {
    let hash = redis.service().hash();
    hash.hset("the-key", [("f", "sesame")]).await.unwrap();
    let can = || redis.capabilities().field_expiry;
    eventually("it is known", || async { can() != Support::Unknown }).await;
    if can() == Support::Yes {
        return fields_expire(redis).await;
    }
    let answers: [(&str, Result<()>); 4] = [
        ("HPEXPIRE", hash.hexpire("the-key", ["f"], 60).await.map(drop)),
        ("HPEXPIRE", hash.hpexpire("the-key", ["f"], 60).await.map(drop)),
        ("HPERSIST", hash.hpersist("the-key", ["f"]).await.map(drop)),
        ("HPTTL", hash.httl("the-key", ["f"]).await.map(drop)),
    ];
    for (operation, answer) in answers {
        let error = answer.unwrap_err();
        assert_told(&error, ErrorKind::Unsupported, operation);
        assert!(error.message().contains(operation), "{error}");
    }
    assert_refused(
        hash.hexpire("the-key", ["f"], Duration::ZERO).await,
        "a time to live of zero",
    );
    assert_in_step(redis).await;
}

/// On Redis from 7.4 on.
async fn fields_expire(redis: &RedisManager) {
    let hash = redis.service().hash();
    let fields = ["f", "nobody"];
    let set = [FieldExpiry::Set, FieldExpiry::Missing];
    assert_eq!(hash.hexpire("the-key", fields, 60).await.unwrap(), set);
    let ttls = hash.httl("the-key", fields).await.unwrap();
    assert!(matches!(ttls[..], [FieldTtl::Expires(ttl), FieldTtl::Missing] if ttl <= Duration::from_secs(60)));
    let persisted = [FieldPersist::Persisted, FieldPersist::Missing];
    assert_eq!(hash.hpersist("the-key", fields).await.unwrap(), persisted);
    assert_eq!(hash.httl("the-key", ["f"]).await.unwrap(), [FieldTtl::Persistent]);
    assert_eq!(hash.hpexpire("the-key", ["f"], 5).await.unwrap(), [FieldExpiry::Set]);
    eventually("it has expired", || async {
        !hash.hexists("the-key", "f").await.unwrap()
    })
    .await;
    assert_in_step(redis).await;
}

async fn nothing_to_ask_is_not_asked(redis: &RedisManager) {
    // The key holds another type: whoever asks is told so.
    redis.set("h", "text").await;
    let hash = redis.service().hash();
    let (fields, nothing): ([(&str, &str); 0], [&str; 0]) = ([], []);
    assert_eq!(hash.hset("h", fields).await.unwrap(), 0);
    assert_eq!(hash.hdel("h", nothing).await.unwrap(), 0);
    assert_eq!(hash.hmget::<String>("h", nothing).await.unwrap(), []);
    assert_eq!(hash.hexpire("h", nothing, 60).await.unwrap(), []);
    assert_eq!(hash.hpersist("h", nothing).await.unwrap(), []);
    assert_eq!(hash.httl("h", nothing).await.unwrap(), []);
}

async fn another_type_is_refused_by_every_operation(redis: &RedisManager) {
    redis.set("the-key", "sesame").await;
    let hash = redis.service().hash();
    let key = "the-key";
    let answers: [(&str, Result<()>); 14] = [
        ("HSET", hash.hset(key, [("sesame", 1)]).await.map(drop)),
        ("HSET", hash.hset_struct(key, &ada()).await.map(drop)),
        ("HSETNX", hash.hsetnx(key, "sesame", 1).await.map(drop)),
        ("HGET", hash.hget::<String>(key, "sesame").await.map(drop)),
        ("HMGET", hash.hmget::<String>(key, ["sesame"]).await.map(drop)),
        ("HGETALL", hash.hgetall::<HashMap<String, String>>(key).await.map(drop)),
        ("HGETALL", hash.hgetall_as::<Profile>(key).await.map(drop)),
        ("HDEL", hash.hdel(key, ["sesame"]).await.map(drop)),
        ("HEXISTS", hash.hexists(key, "sesame").await.map(drop)),
        ("HLEN", hash.hlen(key).await.map(drop)),
        ("HKEYS", hash.hkeys::<String>(key).await.map(drop)),
        ("HVALS", hash.hvals::<String>(key).await.map(drop)),
        ("HINCRBY", hash.hincr_by(key, "sesame", 1).await.map(drop)),
        ("HINCRBYFLOAT", hash.hincr_by_float(key, "sesame", 1.0).await.map(drop)),
    ];
    for (operation, answer) in answers {
        let error = answer.unwrap_err();
        assert_told(&error, ErrorKind::WrongType, operation);
        let text = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(error.message(), text, "{operation}");
    }
    assert_eq!(redis.get("the-key").await.as_deref(), Some("sesame"));
}

async fn hostile_fields_and_values_come_back_from_every_operation(redis: &RedisManager) {
    let hash = redis.service().hash();
    for (at, list) in hostile_lists().enumerate() {
        let key = format!("h{at}");
        assert_eq!(
            hash.hset(&key, list.iter().map(|word| (*word, *word))).await.unwrap(),
            list.len() as u64
        );
        let whole: BTreeSet<Bytes> = list.iter().map(|word| Bytes::from_static(word)).collect();
        let values: Vec<_> = list.iter().map(|word| Some(Bytes::from_static(word))).collect();
        assert_eq!(hash.hget::<Bytes>(&key, list[0]).await.unwrap().unwrap(), list[0]);
        assert_eq!(hash.hmget::<Bytes>(&key, list.iter().copied()).await.unwrap(), values);
        assert_eq!(BTreeSet::from_iter(hash.hkeys::<Bytes>(&key).await.unwrap()), whole);
        assert_eq!(BTreeSet::from_iter(hash.hvals::<Bytes>(&key).await.unwrap()), whole);
        let pairs: BTreeMap<Bytes, Bytes> = hash.hgetall(&key).await.unwrap();
        assert!(pairs.iter().all(|(field, value)| field == value));
        assert_eq!(BTreeSet::from_iter(pairs.into_keys()), whole);
        assert_in_step(redis).await;
    }
}
