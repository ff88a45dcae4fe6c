//! Typed values in strings, by every format.

use std::time::{Duration, SystemTime};

use redis_manager::{ErrorKind, KeyTtl, Operation, RedisManager, TypedOperations};
use serde::{Deserialize, Serialize};

on_both_backends! {
    what_is_set_is_what_is_read,
    the_options_of_set_apply,
    many_are_set_and_read_at_once,
    nothing_is_asked_for_no_keys_and_no_pairs,
    the_old_value_comes_back_when_a_new_one_is_set,
    a_value_is_read_and_deleted,
    a_value_is_read_and_its_expiry_changed,
    a_value_of_another_type_is_a_decode_error,
    a_value_that_cannot_be_written_is_an_encode_error_and_nothing_is_stored,
    another_type_of_key_is_a_wrong_type,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    rank: Option<u128>,
}

/// Whose `Serialize` fails.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("sesame"))
    }
}

fn ada() -> User {
    User {
        name: "Ada \0\"🦀".to_owned(),
        rank: Some(u128::MAX),
    }
}

fn bob() -> User {
    User {
        name: "Bob".to_owned(),
        rank: None,
    }
}

/// All formats there are.
fn formats(redis: &RedisManager) -> Vec<TypedOperations<'_>> {
    vec![
        redis.service().json(),
        #[cfg(feature = "msgpack")]
        redis.service().message_pack(),
    ]
}

async fn what_is_set_is_what_is_read(redis: &RedisManager) {
    for typed in formats(redis) {
        assert!(typed.set("k", &ada()).await.unwrap());
        assert_eq!(typed.get("k").await.unwrap(), Some(ada()));
        assert_eq!(typed.get::<User>("nobody").await.unwrap(), None);
        typed.set("s", "text").await.unwrap();
        assert_eq!(typed.get::<String>("s").await.unwrap().as_deref(), Some("text"));
        typed.set("none", &None::<u8>).await.unwrap();
        assert_eq!(typed.get::<Option<u8>>("none").await.unwrap(), Some(None));
    }
}

async fn the_options_of_set_apply(redis: &RedisManager) {
    for typed in formats(redis) {
        redis.delete("k").await;
        assert!(!typed.set("k", &ada()).xx().await.unwrap());
        assert!(typed.set_nx("k", &ada()).ex(60).await.unwrap());
        assert!(!typed.set_nx("k", &bob()).await.unwrap());
        assert_eq!(typed.get("k").await.unwrap(), Some(ada()));
        assert_eq!(redis.ttl("k").await, 60);
        let error = typed.set("k", &bob()).ex(0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

async fn many_are_set_and_read_at_once(redis: &RedisManager) {
    for typed in formats(redis) {
        let users = [ada(), bob()];
        let pairs = users.iter().enumerate().map(|(n, user)| (format!("u{n}"), user));
        assert!(typed.set_many(pairs).ex(60).await.unwrap());
        let found: Vec<Option<User>> = typed.get_many(["u1", "nobody", "u0"]).await.unwrap();
        assert_eq!(found, [Some(bob()), None, Some(ada())]);
        assert_eq!(redis.ttl("u1").await, 60);
        redis.set("u2", "\u{1}{").await;
        let error = typed.get_many::<User, _>(["u0", "u1", "u2"]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("(at 2)"), "{error}");
    }
}

async fn nothing_is_asked_for_no_keys_and_no_pairs(redis: &RedisManager) {
    for typed in formats(redis) {
        let commands = redis.metrics().answered;
        assert_eq!(typed.get_many::<User, _>(Vec::<String>::new()).await.unwrap(), []);
        assert!(typed.set_many(Vec::<(String, &User)>::new()).await.unwrap());
        assert_eq!(redis.metrics().answered, commands);
    }
}

async fn the_old_value_comes_back_when_a_new_one_is_set(redis: &RedisManager) {
    for typed in formats(redis) {
        redis.delete("k").await;
        assert_eq!(typed.getset("k", &ada()).await.unwrap(), None);
        assert_eq!(typed.getset("k", &bob()).await.unwrap(), Some(ada()));
        assert_eq!(typed.get("k").await.unwrap(), Some(bob()));
    }
}

async fn a_value_is_read_and_deleted(redis: &RedisManager) {
    for typed in formats(redis) {
        typed.set("k", &ada()).await.unwrap();
        assert_eq!(typed.getdel("k").await.unwrap(), Some(ada()));
        assert_eq!(typed.getdel::<User>("k").await.unwrap(), None);
    }
}

async fn a_value_is_read_and_its_expiry_changed(redis: &RedisManager) {
    for typed in formats(redis) {
        typed.set("k", &ada()).await.unwrap();
        assert_eq!(typed.getex("k").ex(60).await.unwrap(), Some(ada()));
        assert_eq!(redis.ttl("k").await, 60);
        assert_eq!(typed.getex("k").px(90_000).into_request().await.unwrap(), Some(ada()));
        assert_eq!(redis.ttl("k").await, 90);
        assert_eq!(
            typed.getex("k").ttl(Duration::from_secs(30)).await.unwrap(),
            Some(ada())
        );
        assert_eq!(redis.ttl("k").await, 30);
        assert_eq!(typed.getex("k").persist().await.unwrap(), Some(ada()));
        assert_eq!(redis.service().keys().ttl("k").await.unwrap(), KeyTtl::Persistent);
        let past = SystemTime::now() - Duration::from_secs(1);
        assert_eq!(typed.getex("k").expire_at(past).await.unwrap(), Some(ada()));
        assert_eq!(typed.getex::<User>("k").await.unwrap(), None);
        let error = typed.getex::<User>("k").ex(1).persist().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

async fn a_value_of_another_type_is_a_decode_error(redis: &RedisManager) {
    for typed in formats(redis) {
        typed.set("k", &("sesame", "open")).await.unwrap();
        let error = typed.get::<User>("k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        let text = format!("{error} {error:?}");
        assert!(text.contains("User") && !text.contains("sesame"), "{text}");
    }
}

async fn a_value_that_cannot_be_written_is_an_encode_error_and_nothing_is_stored(redis: &RedisManager) {
    for typed in formats(redis) {
        for outcome in [
            typed.set("k", &Unwritable).await,
            typed.set_many([("k", &Unwritable)]).await,
        ] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Encode);
            assert!(!format!("{error} {error:?}").contains("sesame"), "{error}");
        }
        assert!(!redis.exists("k").await);
    }
}

async fn another_type_of_key_is_a_wrong_type(redis: &RedisManager) {
    redis.hset("h", "f", "v").await;
    for typed in formats(redis) {
        assert_eq!(typed.get::<User>("h").await.unwrap_err().kind(), ErrorKind::WrongType);
        assert_eq!(
            typed.getset("h", &ada()).await.unwrap_err().kind(),
            ErrorKind::WrongType
        );
        assert_eq!(typed.get_many::<User, _>(["h"]).await.unwrap(), [None]);
    }
}
