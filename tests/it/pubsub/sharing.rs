//! What a server sees of subscriptions: one connection, each channel once.

use std::time::Instant;

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{Builder, RespVersion, config::Config as FredConfig},
};
use redis_manager::{Config, ErrorKind, Event, RedisManager, RedisService};

use super::{ends, message, next, text};
use crate::support::{DEADLINE, RedisServer, SLACK, eventually, wait_until};

/// How many clients the server has that listen to a channel.
fn listeners(server: &RedisServer, channel: &str) -> String {
    let script = "return redis.call('PUBSUB', 'NUMSUB', ARGV[1])[2]";
    server.command(&["EVAL", script, "0", channel])
}

/// The connections that something is subscribed to on.
fn connections(server: &RedisServer) -> usize {
    server.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).lines().count()
}

fn calls(server: &RedisServer, command: &str) -> String {
    let statistics = server.command(&["INFO", "commandstats"]);
    let line = format!("cmdstat_{command}:calls=");
    let count = statistics
        .lines()
        .find_map(|found| found.strip_prefix(&line)?.split(',').next());
    count.unwrap_or("0").to_owned()
}

#[tokio::test]
async fn many_subscribers_of_a_channel_are_one_to_the_server() {
    let server = RedisServer::start();
    let redis = server.manager();
    let pubsub = redis.service().pubsub();
    let subscribing = (0..50).map(|_| pubsub.subscribe("c"));
    let mut subscriptions: Vec<_> = futures_util::future::join_all(subscribing)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let other = (
        pubsub.psubscribe("c*").await.unwrap(),
        pubsub.ssubscribe("c").await.unwrap(),
    );
    assert_eq!((listeners(&server, "c"), connections(&server)), (":1".into(), 1));
    assert_eq!(calls(&server, "subscribe"), "1");
    subscriptions.truncate(1);
    assert_eq!(redis.publish("c", "still").await, 2);
    assert_eq!(text(&mut subscriptions[0]).await, "still");
    assert_eq!(calls(&server, "unsubscribe"), "0");
    subscriptions.clear();
    wait_until("nobody listens", || listeners(&server, "c") == ":0");
    assert_eq!(calls(&server, "unsubscribe"), "1");
    assert_eq!(connections(&server), 1);
    drop(other);
    wait_until("the connection is closed", || connections(&server) == 0);
}

#[tokio::test]
async fn a_subscription_that_is_given_up_while_it_is_made_leaves_nothing_behind() {
    let server = RedisServer::start();
    let redis = server.manager();
    let pubsub = redis.service().pubsub();
    let kept = pubsub.subscribe("kept").await.unwrap();
    for _ in 0..100 {
        let mut given_up = Box::pin(pubsub.subscribe("given up"));
        // Whether it is made by then or not.
        drop(futures_util::poll!(&mut given_up));
    }
    wait_until("nobody listens", || listeners(&server, "given up") == ":0");
    let mut taken = pubsub.subscribe("given up").await.unwrap();
    assert_eq!(redis.publish("given up", "m").await, 1);
    assert_eq!(text(&mut taken).await, "m");
    drop(kept);
}

#[tokio::test]
async fn the_prefix_stands_before_channels_and_patterns_as_it_is() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.key_prefix = "a*:".to_owned();
    let redis = RedisManager::new(config).unwrap();
    let pubsub = redis.service().pubsub();
    let mut channel = pubsub.subscribe("c").await.unwrap();
    let mut pattern = pubsub.psubscribe("*").await.unwrap();
    assert_eq!(server.command(&["PUBLISH", "c", "another's"]), ":0");
    assert_eq!(server.command(&["PUBLISH", "ab:c", "another's"]), ":0");
    assert_eq!(server.command(&["PUBLISH", "a*:c", "ours"]), ":2");
    for subscription in [&mut channel, &mut pattern] {
        let message = message(subscription).await;
        assert_eq!(
            (message.channel().as_str(), &message.payload()[..]),
            (Some("c"), &b"ours"[..])
        );
        assert!(message.pattern().is_none_or(|pattern| pattern.as_str() == Some("*")));
    }
}

#[tokio::test]
async fn what_happens_to_keys_can_be_listened_to() {
    let server = RedisServer::start_with(&["--notify-keyspace-events", "KEA"]);
    let redis = server.manager();
    let mut events = redis.service().pubsub().psubscribe("__key*@0__:*").await.unwrap();
    assert!(redis.set("k", "v").await);
    let (first, second) = (message(&mut events).await, message(&mut events).await);
    assert_eq!(
        (first.channel().as_str(), &first.payload()[..]),
        (Some("__keyspace@0__:k"), &b"set"[..])
    );
    assert_eq!(
        (second.channel().as_str(), &second.payload()[..]),
        (Some("__keyevent@0__:set"), &b"k"[..])
    );
}

#[tokio::test]
async fn what_is_not_permitted_is_an_error_and_disturbs_nobody() {
    let server = RedisServer::start();
    server.command(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">sesame",
        "~*",
        "+@all",
        "resetchannels",
        "&mine:*",
    ]);
    let redis = RedisManager::new(Config::from_url(format!(
        "redis://app:sesame@127.0.0.1:{}",
        server.port()
    )))
    .unwrap();
    let pubsub = redis.service().pubsub();
    let mut mine = pubsub.subscribe("mine:a").await.unwrap();
    for _ in 0..3 {
        let error = pubsub.subscribe(["mine:b", "theirs"]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert!(error.to_string().starts_with("SUBSCRIBE on key #"), "{error}");
    }
    assert_eq!(pubsub.publish("theirs", "m").await.unwrap_err().kind(), ErrorKind::Auth);
    eventually("nothing is left of it", || async {
        redis.publish("mine:b", "m").await == 0
    })
    .await;
    assert_eq!(redis.publish("mine:a", "m").await, 1);
    assert_eq!(text(&mut mine).await, "m");
}

#[tokio::test]
async fn passwords_of_any_characters_and_unix_sockets_work() {
    let password = "a \"b'\\#é";
    let server = RedisServer::start_with(&["--requirepass", password]);
    let mut config = Config::from_url(format!("redis+unix://{}", server.socket().display()));
    config.password = Some(password.into());
    let redis = RedisManager::new(config.clone()).unwrap();
    let mut subscription = redis.service().pubsub().subscribe("c").await.unwrap();
    redis.publish("c", "m").await;
    assert_eq!(text(&mut subscription).await, "m");
    config.password = Some("sesame".into());
    let redis = RedisManager::new(config).unwrap();
    let error = redis.service().pubsub().subscribe("c").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("wrong user or password"), "{error}");
    assert!(!error.to_string().contains("sesame"), "{error}");
}

#[tokio::test]
async fn where_no_connection_is_left_the_error_says_so() {
    let server = RedisServer::start();
    let mut config = Config::from_url(server.url());
    config.max_connections = 1;
    let redis = RedisManager::new(config).unwrap();
    assert!(redis.set("k", "v").await);
    let error = redis.service().pubsub().subscribe("c").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("REDIS_MAX_CONNECTIONS"), "{error}");
    assert!(redis.set("k", "v").await);
}

#[test]
fn a_subscription_outlives_the_runtime_that_it_was_made_in() {
    let server = RedisServer::start();
    let redis = server.manager();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let mut subscription = runtime().block_on(async {
        let subscription = redis.service().pubsub().subscribe("c").await.unwrap();
        assert_eq!(redis.publish("c", "first").await, 1);
        subscription
    });
    runtime().block_on(async {
        assert_eq!(redis.publish("c", "second").await, 1);
        assert_eq!(text(&mut subscription).await, "first");
        assert_eq!(text(&mut subscription).await, "second");
    });
    assert_eq!(calls(&server, "subscribe"), "1");
}

#[tokio::test]
async fn subscriptions_end_with_their_manager_and_when_it_disconnects() {
    let server = RedisServer::start();
    let redis = server.manager();
    let mut first = redis.service().pubsub().subscribe("c").await.unwrap();
    redis.publish("c", "last").await;
    eventually("it has arrived", || async { calls(&server, "publish") == "1" }).await;
    redis.disconnect().await;
    wait_until("the connection is closed", || connections(&server) == 0);
    let mut second = redis.service().pubsub().subscribe("c").await.unwrap();
    assert_eq!(redis.publish("c", "m").await, 1);
    assert_eq!(text(&mut second).await, "m");
    drop(redis);
    assert!(ends(&mut second).await);
    wait_until("the connection is closed", || connections(&server) == 0);
    while let Some(event) = first.next().await {
        drop(event);
    }
}

#[tokio::test]
async fn in_the_embedded_backend_they_end_with_their_manager_too() {
    let redis = RedisManager::new(Config::from_url("memory://")).unwrap();
    let mut subscription = redis.service().pubsub().subscribe("c").await.unwrap();
    redis.publish("c", "last").await;
    drop(redis);
    drop(next(&mut subscription).await);
    assert!(ends(&mut subscription).await);
}

#[tokio::test]
async fn who_asks_nobody_says_why() {
    let off = RedisManager::disabled("not in this test");
    let error = off.service().pubsub().subscribe("c").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Disabled, "not in this test")
    );
    assert_eq!(off.publish("c", "m").await, 0);
}

#[tokio::test]
async fn a_guest_publishes_and_cannot_subscribe() {
    let server = RedisServer::start();
    let mut config = FredConfig::from_url(&server.url()).unwrap();
    config.version = RespVersion::RESP3;
    let client: Client = Builder::from_config(config).build().unwrap();
    client.init().await.unwrap();
    let guest = RedisService::from_client(&client).unwrap();
    let redis = server.manager();
    let mut subscription = redis.service().pubsub().subscribe("c").await.unwrap();
    assert_eq!(guest.pubsub().publish("c", "m").await.unwrap(), 1);
    assert_eq!(text(&mut subscription).await, "m");
    let error = guest.pubsub().subscribe("c").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("client of your own"), "{error}");
}

#[tokio::test]
async fn without_a_runtime_of_the_callers_it_works_as_well() {
    let server = RedisServer::start();
    let redis = server.manager();
    let began = Instant::now();
    let url = server.url();
    let received = std::thread::spawn(move || {
        let other = RedisManager::new(Config::from_url(url)).unwrap();
        let mut subscription = block_on_nothing(other.service().pubsub().subscribe("c")).unwrap();
        block_on_nothing(subscription.next())
    });
    eventually("it listens", || async { redis.publish("c", "m").await == 1 }).await;
    assert!(matches!(received.join().unwrap(), Some(Event::Message(_))));
    assert!(began.elapsed() < 10 * DEADLINE + SLACK);
}

/// Polls a future on this thread, without any runtime.
fn block_on_nothing<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
