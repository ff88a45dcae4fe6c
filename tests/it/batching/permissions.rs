//! Whatever a user may not do, each caller is told of its own call, and of no other's.

use std::{sync::Arc, time::Duration};

use redis_manager::{Error, ErrorKind, KeyTtl, Lookup, RedisManager};

use super::{CALLERS, at_once, configured, refusals};
use crate::support::RedisServer;

/// A manager that logs in as a user of these rights.
fn with_rights(server: &RedisServer, rights: &[&str]) -> Arc<RedisManager> {
    let words = [&["ACL", "SETUSER", "ada", "reset", "on", ">sesame"], rights].concat();
    assert_eq!(server.command(&words), "+OK");
    configured(&server.url(), |config| {
        config.username = Some("ada".into());
        config.password = Some("sesame".into());
    })
}

/// A user that may do everything but this.
fn without(server: &RedisServer, commands: &[&str]) -> Arc<RedisManager> {
    let refused: Vec<_> = commands.iter().map(|command| format!("-{command}")).collect();
    let rights: Vec<_> = ["~*", "+@all"]
        .into_iter()
        .chain(refused.iter().map(String::as_str))
        .collect();
    with_rights(server, &rights)
}

fn assert_forbidden(error: &Error) {
    assert_eq!(
        (error.kind(), error.server_code()),
        (ErrorKind::Auth, Some("NOPERM")),
        "{error}"
    );
}

/// Lets many tasks read and write keys of their own, with and without a time to live.
async fn everything_works(redis: &Arc<RedisManager>) {
    at_once(CALLERS, |task| {
        let redis = Arc::clone(redis);
        async move {
            for round in 0..25 {
                reads_and_writes(&redis, task, round).await;
            }
        }
    })
    .await;
    let metrics = redis.metrics();
    assert_eq!((metrics.outages, metrics.timeouts), (0, 0), "{metrics:?}");
}

async fn reads_and_writes(redis: &RedisManager, task: usize, round: usize) {
    let (strings, keys) = (redis.service().string(), redis.service().keys());
    let (plain, expiring) = (format!("ok:plain:{task}"), format!("ok:expiring:{task}"));
    let value = format!("{task} in {round}");
    assert!(strings.set(&plain, &*value).await.unwrap());
    assert!(strings.set(&expiring, &*value).ex(1_000).await.unwrap());
    assert_eq!(strings.get(&plain).await.unwrap().as_ref(), Some(&value));
    assert_eq!(strings.get(&expiring).await.unwrap().as_ref(), Some(&value));
    assert_eq!(strings.get::<String>(format!("ok:nobody:{task}")).await.unwrap(), None);
    assert_eq!(keys.ttl(&plain).await.unwrap(), KeyTtl::Persistent);
    match keys.ttl(&expiring).await.unwrap() {
        KeyTtl::Expires(ttl) => assert!(ttl > Duration::from_secs(900) && ttl <= Duration::from_secs(1_000)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_a_user_may_not_read_are_refused_alone() {
    let server = RedisServer::start();
    for number in 0..8 {
        server.command(&["SET", &format!("ok:{number}"), &number.to_string()]);
        server.command(&["SET", &format!("secret:{number}"), "never told"]);
    }
    let redis = with_rights(&server, &["~ok:*", "+@all"]);
    at_once(2 * CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let strings = redis.service().string();
            for round in 0..20 {
                let number = (task + round) % 8;
                let (open, secret) = (format!("ok:{number}"), format!("secret:{number}"));
                match (task + round) % 5 {
                    0 => assert_forbidden(&strings.get::<String>(&secret).await.unwrap_err()),
                    1 => match redis.lookup(&secret).await {
                        Lookup::Unavailable(error) => assert_forbidden(&error),
                        other => panic!("{other:?}"),
                    },
                    2 => {
                        let error = strings.get_many::<String>([&open, &secret]).await.unwrap_err();
                        assert_forbidden(&error);
                    }
                    3 => {
                        let found: Vec<Option<usize>> = strings.get_many([&open, &open]).await.unwrap();
                        assert_eq!(found, [Some(number), Some(number)]);
                    }
                    _ => assert_eq!(strings.get::<usize>(&open).await.unwrap(), Some(number)),
                }
            }
        }
    })
    .await;
    assert!(redis.is_enabled());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_a_user_may_not_write_are_refused_alone() {
    let server = RedisServer::start();
    let redis = with_rights(&server, &["~ok:*", "+@all"]);
    at_once(2 * CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let strings = redis.service().string();
            for round in 0..20 {
                let (own, foreign) = (format!("ok:{task}"), format!("secret:{task}"));
                match (task + round) % 4 {
                    0 => assert_forbidden(&strings.set(&foreign, round).await.unwrap_err()),
                    1 => assert_forbidden(&strings.set(&foreign, round).ex(60).await.unwrap_err()),
                    2 => assert!(strings.set(&own, round).await.unwrap()),
                    _ => assert!(strings.set(&own, round).ex(60).await.unwrap()),
                }
                if (task + round) % 4 > 1 {
                    assert_eq!(strings.get::<usize>(&own).await.unwrap(), Some(round));
                }
            }
        }
    })
    .await;
    assert_eq!(
        server.command(&["DBSIZE"]),
        format!(":{}", 2 * CALLERS),
        "no secret was written"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_name_one_key_only_reads_and_writes_it() {
    let server = RedisServer::start();
    let redis = with_rights(&server, &["~ok:1", "~ok:2", "+@all"]);
    assert!(redis.set("ok:1", 1).await && redis.set("ok:2", 2).await);
    at_once(CALLERS, |task| {
        let redis = Arc::clone(&redis);
        async move {
            let number = 1 + task % 2;
            for _ in 0..20 {
                let strings = redis.service().string();
                assert_eq!(strings.get(format!("ok:{number}")).await.unwrap(), Some(number));
                assert!(strings.set(format!("ok:{number}"), number).ex(60).await.unwrap());
            }
        }
    })
    .await;
}

/// A test for each command that a user may lack.
macro_rules! works_without {
    ($($name:ident: $commands:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let server = RedisServer::start();
            everything_works(&without(&server, &$commands)).await;
        }
    )*};
}

works_without! {
    all_works_without_the_permission_to_mget: ["mget"];
    all_works_without_the_permission_to_ask_what_exists: ["exists"];
    all_works_without_the_permission_to_mget_or_ask_what_exists: ["mget", "exists"];
    all_works_without_the_permission_to_mset: ["mset"];
    all_works_without_the_permission_for_scripts: ["eval", "evalsha", "script"];
    all_works_without_the_permission_to_say_when_a_key_expires: ["pexpireat"];
    all_works_without_the_permission_to_ask_for_the_time: ["time"];
    all_works_without_the_permission_to_ask_what_the_server_knows: ["command"];
    all_works_without_the_permission_for_anything_but_single_commands:
        ["mget", "mset", "eval", "evalsha", "script", "pexpireat", "time", "command", "exists"];
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_permitted_is_not_tried_for_every_batch() {
    let server = RedisServer::start();
    let redis = without(&server, &["mget", "mset", "eval"]);
    everything_works(&redis).await;
    for command in ["mget", "mset", "eval"] {
        let refusals = refusals(&server, command);
        assert!(refusals <= 8, "{command} was refused {refusals} times");
    }
}
