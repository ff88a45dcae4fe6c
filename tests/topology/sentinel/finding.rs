//! How the master is found, and what is said where it is not.

use std::time::{Duration, Instant};

use redis_manager::{Config, HealthState, RedisManager};

use super::{assert_writes_to, fails_over, manager, manager_of};
use crate::{
    deployment::{Sentinels, Shape},
    support::{SLACK, eventually, free_port},
};

/// What the manager says that is wrong, once it says so.
async fn reason(redis: &RedisManager) -> String {
    eventually("there is a reason", || async {
        redis.get("k").await;
        redis.health().state == HealthState::Unavailable
    })
    .await;
    redis.health().reason.unwrap()
}

#[tokio::test]
async fn nobody_is_asked_before_the_first_call() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let redis = manager_of(format!("redis-sentinel://{address}/?master=m"), |_config| {});
    assert_eq!(redis.health().state, HealthState::Idle);
    assert_eq!(redis.health().server, format!("m by {address}"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(listener.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn nobody_is_listened_to_after_the_manager() {
    let sentinels = Sentinels::start().await;
    // Sentinels talk to each other by another version of the protocol.
    let clients = || {
        let clients = (0..3).map(|sentinel| sentinels.ask_sentinel(sentinel, &["CLIENT", "LIST"]));
        clients.map(|list| list.text().matches("resp=3").count()).sum::<usize>()
    };
    let redis = manager(&sentinels);
    assert!(redis.set("k", 1).await);
    eventually("all are listened to", || async { clients() == 3 }).await;
    redis.disconnect().await;
    eventually("nobody is", || async { clients() == 0 }).await;
    assert!(redis.set("k", 1).await);
    eventually("all are again", || async { clients() == 3 }).await;
    drop(redis);
    eventually("nobody is for good", || async { clients() == 0 }).await;
}

#[tokio::test]
async fn the_first_of_several_sentinels_may_be_dead_or_hang() {
    let mut sentinels = Sentinels::start().await;
    let dead = format!("127.0.0.1:{},", free_port());
    let urls = [
        sentinels.url(),
        sentinels
            .url()
            .replacen("redis-sentinel://", &format!("redis-sentinel://{dead}"), 1),
    ];
    for hangs in [false, true] {
        if hangs {
            sentinels.stop_sentinel(0);
        }
        for url in &urls {
            let redis = manager_of(url.clone(), |_config| {});
            let began = Instant::now();
            assert!(redis.set("k", 1).await, "{url}");
            assert!(began.elapsed() < SLACK);
            assert_writes_to(&sentinels, &redis, 0).await;
            redis.disconnect().await;
            assert_eq!(redis.health().state, HealthState::Idle);
            assert!(redis.set("k", 1).await, "and again after it was disconnected");
        }
    }
}

#[tokio::test]
async fn sentinels_and_servers_have_users_of_their_own_and_a_database_is_chosen() {
    let mut sentinels = Sentinels::start_with(Shape {
        password: Some("sesame"),
        user: Some("app"),
        sentinel_password: Some("poppy"),
        sentinel_user: Some("watch"),
        ..Shape::default()
    })
    .await;
    let with = |user: Option<&str>, password: Option<&str>| {
        manager_of(sentinels.url(), |config: &mut Config| {
            config.sentinel_username = user.map(ToOwned::to_owned);
            config.sentinel_password = password.map(Into::into);
            config.db = 3;
        })
    };
    let redis = with(Some("watch"), Some("poppy"));
    assert!(redis.set("k", "v").await);
    let wrong = with(Some("watch"), Some("guess"));
    assert!(!wrong.set("k", "w").await);
    let said = reason(&wrong).await;
    assert!(said.contains("no Sentinel says where mymaster is"), "{said}");
    assert!(said.contains("wrong user or password"), "{said}");
    assert!(!said.contains("guess") && !said.contains("poppy"), "{said}");
    let none = reason(&with(None, None)).await;
    assert!(none.contains("wrong user or password"), "{none}");

    let old = sentinels.kill_master();
    fails_over(&sentinels, &redis, old, "with passwords").await;
    assert!(redis.set("k", "w").await);
    let stored = sentinels.command(
        1,
        &["EVAL", "redis.call('SELECT', 3) return redis.call('GET', 'k')", "0"],
    );
    assert_eq!(stored.text(), "w");
}

#[tokio::test]
async fn a_password_suffices_where_there_is_no_user() {
    let sentinels = Sentinels::start_with(Shape {
        sentinel_password: Some("poppy"),
        ..Shape::default()
    })
    .await;
    let redis = manager_of(sentinels.url(), |config| {
        config.sentinel_password = Some("poppy".into());
    });
    assert!(redis.set("k", "v").await);
}

#[tokio::test]
async fn sentinels_that_may_only_be_asked_are_asked() {
    let mut sentinels = Sentinels::start().await;
    for sentinel in 0..3 {
        let rule = ["ACL", "SETUSER", "default", "-subscribe", "-psubscribe"];
        sentinels.ask_sentinel(sentinel, &rule).ok();
    }
    let redis = manager(&sentinels);
    assert!(redis.set("k", "v").await);
    let old = sentinels.kill_master();
    // The Sentinels need to listen to each other as ever, which they do at the servers.
    fails_over(&sentinels, &redis, old, "without listening").await;
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_named() {
    let sentinels = Sentinels::start().await;
    let redis = manager_of(sentinels.url().replace("mymaster", "other"), |_config| {});
    let said = reason(&redis).await;
    assert!(said.contains("it knows no master named other"), "{said}");
    let port = sentinels.port(0).to_string();
    for sentinel in 0..3 {
        let monitor = ["SENTINEL", "MONITOR", "other", "127.0.0.1", &port, "2"];
        sentinels.ask_sentinel(sentinel, &monitor).ok();
    }
    let took = eventually("it is found", || redis.set("k", 1).into_future()).await;
    assert!(took < SLACK, "found after {took:?}");
}

#[tokio::test]
async fn without_sentinels_calls_are_refused_within_their_deadline() {
    let dead = free_port();
    let redis = manager_of(format!("redis-sentinel://127.0.0.1:{dead}/?master=m"), |_config| {});
    let began = Instant::now();
    assert!(!redis.set("k", 1).await);
    assert!(began.elapsed() < SLACK);
    let said = reason(&redis).await;
    assert_eq!(
        said,
        format!("no Sentinel answers: 127.0.0.1:{dead}: Connection refused")
    );

    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis-sentinel://{}/?master=m", silent.local_addr().unwrap());
    let redis = manager_of(url, |_config| {});
    let began = Instant::now();
    assert!(!redis.set("k", 1).await);
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    eventually("it is said who does not answer", || async {
        let reason = redis.health().reason.unwrap_or_default();
        reason.contains("no Sentinel answers") && reason.contains(&silent.local_addr().unwrap().to_string())
    })
    .await;
}

#[tokio::test]
async fn a_replica_is_never_taken_for_the_master() {
    let sentinels = Sentinels::start().await;
    let replica = sentinels.port(1).to_string();
    for sentinel in 0..3 {
        let monitor = ["SENTINEL", "MONITOR", "wrong", "127.0.0.1", &replica, "2"];
        sentinels.ask_sentinel(sentinel, &monitor).ok();
    }
    let redis = manager_of(sentinels.url().replace("mymaster", "wrong"), |_config| {});
    let said = reason(&redis).await;
    assert_eq!(said, format!("127.0.0.1:{replica} is no master"));
    assert_eq!(redis.metrics().connects, 0);
}
