//! The forgiving face: every call, each with hostile texts in every place.

use std::sync::Arc;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof},
    test_runner::{Config as Cases, TestRunner},
};
use redis_manager::{Key, Lookup, RedisManager};
use tokio::runtime::Builder;

use super::{HOSTILE, HOUR, Text, Witnesses, assert_undisturbed, patient, text};
use crate::support::RedisServer;

/// One call of the forgiving face.
#[derive(Debug, Clone)]
enum Call {
    Get(Text),
    GetBytes(Text),
    GetJson(Text),
    Lookup(Text),
    GetMany(Vec<Text>),
    Set(Text, Text, Options),
    SetJson(Text, Text),
    SetMany(Vec<(Text, Text)>, Options),
    Delete(Vec<Text>),
    Exists(Text),
    Expire(Text),
    Ttl(Text),
    Incr(Text, i64),
    Decr(Text, i64),
    HashSet(Text, Vec<(Text, Text)>),
    HashGet(Text, Text),
}

#[derive(Debug, Clone, Copy)]
enum Options {
    None,
    Expiry,
    IfAbsent,
    IfPresent,
}

fn texts() -> impl Strategy<Value = Vec<Text>> {
    vec(text(), 1..=6)
}

fn pairs() -> impl Strategy<Value = Vec<(Text, Text)>> {
    vec((text(), text()), 1..=6)
}

fn options() -> impl Strategy<Value = Options> {
    prop_oneof![
        Just(Options::None),
        Just(Options::Expiry),
        Just(Options::IfAbsent),
        Just(Options::IfPresent)
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        1 => text().prop_map(Call::Get),
        1 => text().prop_map(Call::GetBytes),
        1 => text().prop_map(Call::GetJson),
        1 => text().prop_map(Call::Lookup),
        4 => texts().prop_map(Call::GetMany),
        2 => (text(), text(), options()).prop_map(|(key, value, options)| Call::Set(key, value, options)),
        1 => (text(), text()).prop_map(|(key, value)| Call::SetJson(key, value)),
        4 => (pairs(), options()).prop_map(|(pairs, options)| Call::SetMany(pairs, options)),
        1 => texts().prop_map(Call::Delete),
        1 => text().prop_map(Call::Exists),
        1 => text().prop_map(Call::Expire),
        1 => text().prop_map(Call::Ttl),
        1 => (text(), any::<i64>()).prop_map(|(key, step)| Call::Incr(key, step)),
        1 => (text(), any::<i64>()).prop_map(|(key, step)| Call::Decr(key, step)),
        2 => (text(), pairs()).prop_map(|(key, fields)| Call::HashSet(key, fields)),
        2 => (text(), text()).prop_map(|(key, field)| Call::HashGet(key, field)),
    ]
}

impl Call {
    /// Returns the answer as text, so that the answers of two backends can be compared.
    async fn ask(&self, redis: &RedisManager) -> String {
        match self.clone() {
            Self::Get(key) => shown(redis.get(key).await),
            Self::GetBytes(key) => shown(redis.get_bytes(key).await),
            Self::GetJson(key) => shown(redis.get_json::<String>(key).await),
            Self::Lookup(key) => match redis.lookup(key).await {
                Lookup::Unavailable(error) => shown(error.kind()),
                other => shown(other),
            },
            Self::GetMany(keys) => shown(redis.get_many(keys).await),
            Self::Set(key, value, options) => {
                let request = redis.set(key, value);
                shown(match options {
                    Options::None => request.await,
                    Options::Expiry => request.ex(HOUR).await,
                    Options::IfAbsent => request.nx().await,
                    Options::IfPresent => request.xx().keep_ttl().await,
                })
            }
            Self::SetJson(key, value) => shown(redis.set_json(key, &String::from_utf8_lossy(value)).await),
            Self::SetMany(pairs, Options::Expiry) => shown(redis.set_many(pairs).ex(HOUR).await),
            Self::SetMany(pairs, _) => shown(redis.set_many(pairs).await),
            Self::Delete(keys) => {
                let keys: Vec<Key> = keys.into_iter().map(Key::from).collect();
                shown(redis.delete(keys).await)
            }
            Self::Exists(key) => shown(redis.exists(key).await),
            Self::Expire(key) => shown(redis.expire(key, HOUR).await),
            Self::Ttl(key) => shown(redis.ttl(key).await.min(0)),
            Self::Incr(key, step) => shown(redis.incr(key).by(step).await),
            Self::Decr(key, step) => shown(redis.decr(key).by(step).await),
            Self::HashSet(key, fields) => shown(redis.hset_many(key, fields).await),
            Self::HashGet(key, field) => shown(redis.hget(key, field).await),
        }
    }
}

fn shown(answer: impl std::fmt::Debug) -> String {
    format!("{answer:?}")
}

/// The embedded store says what is right. Both hold nothing but what the calls of one case wrote.
#[test]
fn hostile_keys_values_and_fields_disturb_nobody() {
    let server = RedisServer::start();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let redis = Arc::new(patient(&server.url()));
    let model = patient("memory://");
    let _inside = runtime.enter();
    let witnesses = Witnesses::of(redis.service(), 4);

    let keys: Vec<Key> = HOSTILE
        .iter()
        .filter(|key| !key.is_empty())
        .map(|key| Key::from(*key))
        .collect();
    let cases = Cases {
        cases: 250,
        failure_persistence: None,
        max_shrink_time: 10_000,
        ..Cases::default()
    };
    let outcome = TestRunner::new(cases).run(&vec(call(), 1..=16), |calls| {
        runtime.block_on(async {
            redis.delete(keys.as_slice()).await;
            model.delete(keys.as_slice()).await;
            for call in &calls {
                prop_assert_eq!(call.ask(&redis).await, call.ask(&model).await, "{:?}", call);
            }
            Ok(())
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }

    assert!(runtime.block_on(witnesses.dismiss()) > 0);
    assert_undisturbed(&redis);
}

/// Every place of every batch, not only those that chance finds.
#[tokio::test]
async fn every_hostile_value_comes_back_from_every_place_of_a_batch() {
    let server = RedisServer::start();
    let redis = Arc::new(patient(&server.url()));
    let witnesses = Witnesses::of(redis.service(), 2);
    redis.set("plain", "plain").await;
    for value in HOSTILE {
        redis.set("hostile", value).await;
        for length in 1..=6 {
            for place in 0..length {
                let keys = (0..length).map(|at| if at == place { "hostile" } else { "plain" });
                let found = redis.get_many(keys.collect::<Vec<_>>()).await;
                let right = |at| {
                    if at == place {
                        String::from_utf8(value.into()).ok()
                    } else {
                        Some("plain".into())
                    }
                };
                assert_eq!(found, (0..length).map(right).collect::<Vec<_>>(), "{value:?}");
            }
        }
    }
    assert!(witnesses.dismiss().await > 0);
    assert_undisturbed(&redis);
}
