//! Servers that die, hang and come back while somebody listens.

use std::time::Instant;

use redis_manager::{Config, ErrorKind, Event, Gap, RedisManager};

use super::{LONG, gap, message, text};
use crate::support::{DEADLINE, Proxy, RedisServer, SLACK, eventually, is_back, is_refusing};

/// Publishes past the manager until somebody has listened.
async fn heard_again(server: &RedisServer, channel: &str, message: &str) {
    eventually("somebody listens again", || async {
        server.command(&["PUBLISH", channel, message]) == ":1"
    })
    .await;
}

#[tokio::test]
async fn after_a_restart_it_goes_on_with_one_gap() {
    let mut server = RedisServer::start();
    let redis = server.manager();
    let pubsub = redis.service().pubsub();
    let mut three = pubsub.subscribe(["a", "b", "c"]).await.unwrap();
    let mut pattern = pubsub.psubscribe("a*").await.unwrap();
    let mut sharded = pubsub.ssubscribe("s").await.unwrap();
    for _ in 0..2 {
        assert_eq!(server.command(&["PUBLISH", "a", "before"]), ":2");
        assert_eq!(
            (text(&mut three).await, text(&mut pattern).await),
            ("before".into(), "before".into())
        );
        server.kill();
        server.restart();
        eventually("somebody listens again", || async {
            server.command(&["SPUBLISH", "s", "after"]) == ":1"
        })
        .await;
        eventually("everybody listens again", || async {
            server.command(&["PUBLISH", "a", "after"]) == ":2"
        })
        .await;
        for subscription in [&mut three, &mut pattern] {
            let mut events = vec![subscription.next().await.unwrap()];
            // One of its channels may be back before the others are.
            while !matches!(&events[..], [.., Event::Message(_)] if events.contains(&Event::Gap(Gap::ConnectionLost))) {
                events.push(subscription.next().await.unwrap());
            }
            let gaps = events.iter().filter(|event| matches!(event, Event::Gap(_)));
            assert_eq!(gaps.count(), 1, "{events:?}");
        }
        assert_eq!(gap(&mut sharded).await, Gap::ConnectionLost);
        assert_eq!(text(&mut sharded).await, "after");
        while futures_util::poll!(Box::pin(three.next())).is_ready() {}
        while futures_util::poll!(Box::pin(pattern.next())).is_ready() {}
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_anew_at_once() {
    let server = RedisServer::start();
    let redis = server.manager();
    let mut subscription = redis.service().pubsub().subscribe("c").await.unwrap();
    let began = Instant::now();
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(gap(&mut subscription).await, Gap::ConnectionLost);
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    assert_eq!(redis.publish("c", "m").await, 1);
    assert_eq!(text(&mut subscription).await, "m");
}

#[tokio::test]
async fn a_server_that_hangs_is_noticed_within_about_a_second() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    let mut subscription = redis.service().pubsub().subscribe("c").await.unwrap();
    let connections = proxy.accepted();
    let began = Instant::now();
    server.stop();
    eventually("another connection is tried", || async {
        proxy.accepted() > connections
    })
    .await;
    assert!(began.elapsed().as_secs_f64() < 1.0 + SLACK.as_secs_f64());
    server.resume();
    assert_eq!(gap(&mut subscription).await, Gap::ConnectionLost);
    assert_eq!(redis.publish("c", "m").await, 1);
    assert_eq!(text(&mut subscription).await, "m");
}

#[tokio::test]
async fn a_network_that_swallows_is_noticed_too() {
    let server = RedisServer::start();
    let proxy = Proxy::before(&server).await;
    let redis = proxy.manager();
    let mut subscription = redis.service().pubsub().subscribe("c").await.unwrap();
    let connections = proxy.accepted();
    proxy.swallow_replies();
    eventually("another connection is tried", || async {
        proxy.accepted() > connections
    })
    .await;
    proxy.restore();
    assert_eq!(gap(&mut subscription).await, Gap::ConnectionLost);
    proxy.garble_replies();
    server.command(&["PUBLISH", "c", "garbled"]);
    proxy.restore();
    heard_again(&server, "c", "m").await;
    loop {
        match subscription.next().await.unwrap() {
            Event::Message(message) if message.payload_as::<String>().unwrap() == "m" => break,
            Event::Message(_) | Event::Gap(Gap::ConnectionLost) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn in_an_outage_it_fails_at_once_and_nothing_is_remembered() {
    let mut server = RedisServer::absent(&[]);
    let redis = server.manager();
    let pubsub = redis.service().pubsub();
    for attempt in 0..20 {
        let began = Instant::now();
        let error = pubsub.subscribe("c").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable());
        assert!(began.elapsed() < DEADLINE, "attempt {attempt}: {:?}", began.elapsed());
    }
    server.restart();
    eventually("it works again", || async { pubsub.subscribe("d").await.is_ok() }).await;
    assert_eq!(server.command(&["PUBLISH", "c", "m"]), ":0");
    server.kill();
    is_refusing(&redis).await;
    let began = Instant::now();
    assert_eq!(pubsub.subscribe("c").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(began.elapsed() < DEADLINE);
    server.restart();
    is_back(&redis).await;
    eventually("it works again", || async { pubsub.subscribe("c").await.is_ok() }).await;
}

#[tokio::test]
async fn at_a_server_that_hangs_it_fails_within_the_deadline() {
    let server = RedisServer::start();
    server.stop();
    let redis = server.manager();
    let pubsub = redis.service().pubsub();
    for _ in 0..3 {
        let began = Instant::now();
        let error = pubsub.subscribe("c").await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        assert!(began.elapsed() < DEADLINE + SLACK);
    }
    server.resume();
    let began = Instant::now();
    let mut subscription = pubsub.subscribe("d").await;
    while subscription.is_err() {
        assert!(began.elapsed() < LONG, "it works again");
        tokio::task::yield_now().await;
        subscription = pubsub.subscribe("d").await;
    }
    assert_eq!(server.command(&["PUBLISH", "c", "m"]), ":0");
    assert_eq!(server.command(&["PUBLISH", "d", "m"]), ":1");
    assert_eq!(text(&mut subscription.unwrap()).await, "m");
}

#[tokio::test]
async fn who_joins_while_another_waits_for_the_server_does_not_disturb_it() {
    let mut server = RedisServer::start();
    let redis = server.manager();
    let pubsub = redis.service().pubsub();
    let mut patient = pubsub.subscribe("c").await.unwrap();
    server.kill();
    eventually("others are refused", || async {
        pubsub.subscribe(["c", "d"]).await.is_err()
    })
    .await;
    server.restart();
    assert_eq!(gap(&mut patient).await, Gap::ConnectionLost);
    assert_eq!(server.command(&["PUBLISH", "d", "m"]), ":0");
    assert_eq!(server.command(&["PUBLISH", "c", "m"]), ":1");
    assert_eq!(text(&mut patient).await, "m");
}

#[tokio::test]
async fn who_may_not_listen_any_more_after_a_restart_is_ended() {
    let mut server = RedisServer::start_with(&["--aclfile", "/dev/null"]);
    let redis = RedisManager::new(Config::from_url(server.url())).unwrap();
    let pubsub = redis.service().pubsub();
    let (mut lost, mut kept) = (
        pubsub.subscribe("lost").await.unwrap(),
        pubsub.subscribe("kept").await.unwrap(),
    );
    server.command(&["ACL", "SETUSER", "default", "resetchannels", "&kept"]);
    // The server itself closes connections that listen to what is not permitted any more.
    assert_eq!(gap(&mut kept).await, Gap::ConnectionLost);
    assert_eq!(lost.next().await, None);
    server.command(&["PUBLISH", "kept", "m"]);
    assert_eq!(&message(&mut kept).await.payload()[..], b"m");
    server.kill();
}
