//! Managers of the values of one family of keys.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use redis_manager::{Entities, ErrorKind, Format, KeyTtl, RedisManager, redis_key};
use serde::{Deserialize, Serialize};

use crate::support::RedisServer;

on_both_backends! {
    what_is_put_is_there_until_it_is_deleted,
    values_live_as_long_as_the_manager_says,
    a_touched_value_lives_anew,
    only_what_is_new_is_put_as_new,
    several_are_read_at_once_in_their_order,
    an_update_is_given_what_is_there_and_stores_what_it_returns,
    an_update_that_returns_nothing_deletes,
    an_update_renews_the_life_or_keeps_that_of_the_key,
    no_update_is_lost_however_many_there_are,
    an_update_of_something_else_changes_nothing,
    namespaces_keep_values_apart_whatever_they_are_called,
    all_of_a_family_are_listed_and_nothing_else,
    the_format_is_what_was_chosen,
    a_value_kept_as_a_hash_has_its_fields,
    an_update_of_a_hash_loses_nothing,
    what_has_no_fields_is_no_hash,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    owner: String,
    cents: i64,
}

redis_key! {
    AccountOf => "account:{number}" { number: u64 } -> Account;
    Counter => "counter:{name}" { name: String } -> u64;
    #[derive(PartialOrd, Ord)]
    Note => "note:{title}" { title: String } -> String;
    NoteComment => "note:{title}:{comment}" { title: String, comment: u8 } -> String;
}

const SEVEN: AccountOf = AccountOf { number: 7 };

fn ada() -> Account {
    Account {
        owner: "Ada".to_owned(),
        cents: 100,
    }
}

fn counter() -> Counter {
    Counter { name: "c".to_owned() }
}

fn note(title: &str) -> Note {
    Note {
        title: title.to_owned(),
    }
}

async fn what_is_put_is_there_until_it_is_deleted(redis: &RedisManager) {
    let accounts = Entities::new(redis.service());
    assert_eq!(accounts.get(&SEVEN).await.unwrap(), None);
    assert!(!accounts.exists(&SEVEN).await.unwrap());
    accounts.put(&SEVEN, &ada()).await.unwrap();
    assert_eq!(accounts.get(&SEVEN).await.unwrap(), Some(ada()));
    assert!(accounts.exists(&SEVEN).await.unwrap());
    assert!(accounts.touch(&SEVEN).await.unwrap());
    assert_eq!(redis.ttl("account:7").await, -1);
    assert!(accounts.delete(&SEVEN).await.unwrap());
    assert!(!accounts.delete(&SEVEN).await.unwrap());
    assert!(!accounts.touch(&SEVEN).await.unwrap());
}

async fn values_live_as_long_as_the_manager_says(redis: &RedisManager) {
    let accounts = Entities::new(redis.service()).ttl(60).unwrap();
    accounts.put(&SEVEN, &ada()).await.unwrap();
    assert_eq!(redis.ttl("account:7").await, 60);
    let error = Entities::<AccountOf>::new(redis.service()).ttl(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

async fn a_touched_value_lives_anew(redis: &RedisManager) {
    let accounts = Entities::new(redis.service()).ttl(60).unwrap();
    assert!(!accounts.touch(&SEVEN).await.unwrap());
    accounts.put(&SEVEN, &ada()).await.unwrap();
    redis.expire("account:7", 10).await;
    assert!(accounts.touch(&SEVEN).await.unwrap());
    assert_eq!(redis.ttl("account:7").await, 60);
}

async fn only_what_is_new_is_put_as_new(redis: &RedisManager) {
    let accounts = Entities::new(redis.service()).ttl(60).unwrap();
    assert!(accounts.put_new(&SEVEN, &ada()).await.unwrap());
    let bob = Account {
        owner: "Bob".to_owned(),
        ..ada()
    };
    assert!(!accounts.put_new(&SEVEN, &bob).await.unwrap());
    assert_eq!(accounts.get(&SEVEN).await.unwrap(), Some(ada()));
    assert_eq!(redis.ttl("account:7").await, 60);
}

async fn several_are_read_at_once_in_their_order(redis: &RedisManager) {
    let accounts = Entities::new(redis.service());
    let keys = [3, 1, 2].map(|number| AccountOf { number });
    accounts.put(&keys[0], &ada()).await.unwrap();
    accounts.put(&keys[2], &ada()).await.unwrap();
    let found = accounts.get_many(&keys).await.unwrap();
    assert_eq!(found, [Some(ada()), None, Some(ada())]);
    assert_eq!(accounts.get_many(keys).await.unwrap(), found);
    assert_eq!(accounts.get_many(Vec::<AccountOf>::new()).await.unwrap(), []);
}

async fn an_update_is_given_what_is_there_and_stores_what_it_returns(redis: &RedisManager) {
    let accounts = Entities::new(redis.service());
    let found = accounts.update(&SEVEN, |old| {
        assert_eq!(old, None);
        Some(ada())
    });
    assert_eq!(found.await.unwrap(), Some(ada()));
    let richer = accounts.update(&SEVEN, |old| {
        let old = old.unwrap();
        let cents = old.cents + 1;
        Some(Account { cents, ..old })
    });
    assert_eq!(richer.await.unwrap().unwrap().cents, 101);
    assert_eq!(accounts.get(&SEVEN).await.unwrap().unwrap().cents, 101);
}

async fn an_update_that_returns_nothing_deletes(redis: &RedisManager) {
    let accounts = Entities::new(redis.service());
    accounts.put(&SEVEN, &ada()).await.unwrap();
    assert_eq!(accounts.update(&SEVEN, |_| None).await.unwrap(), None);
    assert!(!accounts.exists(&SEVEN).await.unwrap());
    assert_eq!(accounts.update(&SEVEN, |_| None).await.unwrap(), None);
    assert!(!accounts.exists(&SEVEN).await.unwrap());
}

async fn an_update_renews_the_life_or_keeps_that_of_the_key(redis: &RedisManager) {
    let (accounts, keys) = (Entities::new(redis.service()), redis.service().keys());
    accounts.put(&SEVEN, &ada()).await.unwrap();
    accounts.update(&SEVEN, |old| old).await.unwrap();
    assert_eq!(keys.ttl(SEVEN).await.unwrap(), KeyTtl::Persistent);
    redis.expire("account:7", 100).await;
    accounts.update(&SEVEN, |old| old).await.unwrap();
    assert_eq!(redis.ttl("account:7").await, 100);
    let mortal = accounts.ttl(60).unwrap();
    mortal.update(&SEVEN, |old| old).await.unwrap();
    assert_eq!(redis.ttl("account:7").await, 60);
}

async fn no_update_is_lost_however_many_there_are(redis: &RedisManager) {
    let counters = Arc::new(Entities::new(redis.service()));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let counters = Arc::clone(&counters);
            tokio::spawn(async move {
                for _ in 0..10 {
                    counters
                        .update(&counter(), |old| Some(old.unwrap_or(0) + 1))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(counters.get(&counter()).await.unwrap(), Some(160));
}

async fn an_update_of_something_else_changes_nothing(redis: &RedisManager) {
    let accounts = Entities::new(redis.service());
    redis.set("account:7", "sesame").await;
    let error = accounts.update(&SEVEN, |_| Some(ada())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    let text = error.to_string();
    assert!(
        text.starts_with("update on key #") && !text.contains("sesame"),
        "{text}"
    );
    assert_eq!(redis.get("account:7").await.as_deref(), Some("sesame"));
    redis.hset("account:8", "f", "v").await;
    let eight = AccountOf { number: 8 };
    let error = accounts.update(&eight, |_| Some(ada())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert_eq!(redis.hget("account:8", "f").await.as_deref(), Some("v"));
}

async fn namespaces_keep_values_apart_whatever_they_are_called(redis: &RedisManager) {
    let of = |namespace: &str| Entities::<AccountOf>::new(redis.service()).namespace(namespace);
    let hostile = ["a", "a:b", "", "*", "a%3Ab", "account:7", "{x}", "\\"];
    for (cents, namespace) in (0..).zip(hostile) {
        of(namespace).put(&SEVEN, &Account { cents, ..ada() }).await.unwrap();
    }
    for (cents, namespace) in (0..).zip(hostile) {
        let accounts = of(namespace);
        assert_eq!(
            accounts.get(&SEVEN).await.unwrap().unwrap().cents,
            cents,
            "{namespace:?}"
        );
        let mut keys = accounts.list();
        assert_eq!(keys.next().await.unwrap().unwrap(), SEVEN);
        assert!(keys.next().await.is_none(), "{namespace:?}");
    }
    let nested = of("a").namespace("b");
    assert_eq!(nested.get(&SEVEN).await.unwrap(), None);
    assert_eq!(nested.key(&SEVEN), "a:b:account:7".into());
}

async fn all_of_a_family_are_listed_and_nothing_else(redis: &RedisManager) {
    let notes = Entities::new(redis.service()).namespace("n*");
    let comments = Entities::new(redis.service()).namespace("n*");
    let titles: Vec<_> = (0..250).map(|n| format!("t:{n}")).collect();
    for title in &titles {
        notes.put(&note(title), title).await.unwrap();
        let title = title.clone();
        comments
            .put(&NoteComment { title, comment: 1 }, &"c".to_owned())
            .await
            .unwrap();
    }
    Entities::new(redis.service())
        .put(&note("elsewhere"), &"x".to_owned())
        .await
        .unwrap();
    redis.set("n*:note:%zz", "x").await;
    let mut found = BTreeSet::new();
    let mut keys = notes.list().count(50);
    while let Some(key) = keys.next().await {
        found.insert(key.unwrap());
    }
    assert_eq!(found, titles.iter().map(|title| note(title)).collect());
}

async fn the_format_is_what_was_chosen(redis: &RedisManager) {
    let json = Entities::new(redis.service());
    json.put(&SEVEN, &ada()).await.unwrap();
    assert_eq!(
        redis.get("account:7").await.as_deref(),
        Some(r#"{"owner":"Ada","cents":100}"#)
    );
    assert_eq!(
        json.clone().format(Format::Json).get(&SEVEN).await.unwrap(),
        Some(ada())
    );
    #[cfg(feature = "msgpack")]
    {
        let packed = Entities::new(redis.service()).format(Format::MessagePack);
        assert_eq!(packed.get(&SEVEN).await.unwrap_err().kind(), ErrorKind::Decode);
        packed.put(&SEVEN, &ada()).await.unwrap();
        assert_eq!(redis.get_bytes("account:7").await.unwrap()[0], 0x82, "a map of two");
        let renamed = packed.update(&SEVEN, |old| old.map(|old| Account { cents: -1, ..old }));
        assert_eq!(renamed.await.unwrap().unwrap().cents, -1);
        assert_eq!(packed.get_many([SEVEN]).await.unwrap()[0].as_ref().unwrap().cents, -1);
    }
}

async fn a_value_kept_as_a_hash_has_its_fields(redis: &RedisManager) {
    let accounts = Entities::new(redis.service()).as_hashes().ttl(60).unwrap();
    assert_eq!(accounts.get(&SEVEN).await.unwrap(), None);
    assert!(accounts.put_new(&SEVEN, &ada()).await.unwrap());
    assert!(!accounts.put_new(&SEVEN, &ada()).await.unwrap());
    assert_eq!(redis.hget("account:7", "cents").await.as_deref(), Some("100"));
    assert_eq!(redis.ttl("account:7").await, 60);
    redis.hset("account:7", "left over", "x").await;
    let bob = Account {
        owner: "Bob".to_owned(),
        cents: -5,
    };
    accounts.put(&SEVEN, &bob).await.unwrap();
    assert_eq!(
        redis.hget("account:7", "left over").await,
        None,
        "it was replaced as a whole"
    );
    let eight = AccountOf { number: 8 };
    let found = accounts.get_many([SEVEN, eight]).await.unwrap();
    assert_eq!(found, [Some(bob), None]);
    redis.set("account:8", "sesame").await;
    let eight = AccountOf { number: 8 };
    assert_eq!(accounts.get(&eight).await.unwrap_err().kind(), ErrorKind::WrongType);
    assert!(accounts.delete(&SEVEN).await.unwrap());
}

async fn an_update_of_a_hash_loses_nothing(redis: &RedisManager) {
    let accounts = Entities::new(redis.service()).as_hashes();
    accounts.put(&SEVEN, &ada()).await.unwrap();
    redis.expire("account:7", 100).await;
    let count = async || {
        for _ in 0..10 {
            let one_more = |old: Option<Account>| {
                old.map(|old| Account {
                    cents: old.cents + 1,
                    ..old
                })
            };
            accounts.update(&SEVEN, one_more).await.unwrap();
        }
    };
    tokio::join!(count(), count(), count());
    assert_eq!(accounts.get(&SEVEN).await.unwrap().unwrap().cents, 130);
    assert!(redis.ttl("account:7").await > 90, "the key keeps its own life");
    assert_eq!(accounts.update(&SEVEN, |_| None).await.unwrap(), None);
    assert!(!accounts.exists(&SEVEN).await.unwrap());
}

async fn what_has_no_fields_is_no_hash(redis: &RedisManager) {
    let counters = Entities::new(redis.service()).as_hashes();
    assert_eq!(
        counters.put(&counter(), &7).await.unwrap_err().kind(),
        ErrorKind::Encode
    );
    assert!(!redis.exists("counter:c").await);
}

/// Checks what an update does while `write` writes in its midst.
async fn assert_begins_again(redis: &RedisManager, write: impl Fn(u64)) {
    let (counters, key) = (Entities::new(redis.service()), counter());
    counters.put(&key, &1).await.unwrap();
    let mut seen = Vec::new();
    let outcome = counters.update(&key, |old| {
        seen.push(old);
        if seen.len() == 1 {
            write(5);
        }
        old.map(|old| old * 10)
    });
    assert_eq!(outcome.await.unwrap(), Some(50));
    assert_eq!(seen, [Some(1), Some(5)]);

    let mut attempts = 0;
    let outcome = counters.update(&key, |_| {
        attempts += 1;
        write(attempts);
        Some(0)
    });
    let error = outcome.await.unwrap_err();
    assert!(error.is_unavailable() && error.is_retryable(), "{error}");
    assert_eq!(error.message(), format!("other writers were faster {attempts} times"));
    assert_eq!(counters.get(&key).await.unwrap(), Some(attempts));
}

#[tokio::test]
async fn on_a_server_an_update_begins_again_if_another_was_faster() {
    let server = RedisServer::start();
    let redis = server.manager();
    assert_begins_again(&redis, |value| {
        assert_eq!(server.command(&["SET", "counter:c", &value.to_string()]), "+OK");
    })
    .await;
}

#[tokio::test]
async fn embedded_an_update_begins_again_if_another_was_faster() {
    let redis = crate::face::embedded();
    assert_begins_again(&redis, |value| {
        // The embedded store answers at the first poll.
        let set = pin!(async { redis.set("counter:c", value).await });
        assert!(set.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    })
    .await;
}
