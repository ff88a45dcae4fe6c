//! Publish and subscribe.

mod faults;
mod sharing;

use std::time::Duration;

use redis_manager::{ErrorKind, Event, Gap, Json, Key, Message, RedisManager, Subscription, Value};
use tokio::time::timeout;

use crate::support::eventually;

on_both_backends! {
    what_is_published_arrives_with_its_channel,
    a_pattern_brings_its_channels_and_names_itself,
    overlapping_patterns_each_bring_a_message,
    every_subscriber_gets_every_message_in_its_order,
    who_publishes_is_told_how_many_clients_it_went_to,
    sharded_channels_are_channels_of_their_own,
    any_bytes_come_through,
    messages_are_read_as_types,
    messages_of_pipelines_and_transactions_arrive,
    what_was_dropped_gets_nothing_any_more,
    who_takes_too_late_is_told_of_the_gap_and_others_are_not,
    no_channels_and_empty_ones_are_refused,
}

/// Far longer than anything may take on the busiest machine.
const LONG: Duration = Duration::from_secs(20);

async fn next(subscription: &mut Subscription) -> Event {
    let event = timeout(LONG, subscription.next()).await.expect("something comes");
    event.expect("it has not ended")
}

async fn message(subscription: &mut Subscription) -> Message {
    match next(subscription).await {
        Event::Message(message) => message,
        other => panic!("{other:?} instead of a message"),
    }
}

async fn text(subscription: &mut Subscription) -> String {
    message(subscription).await.payload_as().unwrap()
}

async fn gap(subscription: &mut Subscription) -> Gap {
    match next(subscription).await {
        Event::Gap(gap) => gap,
        other => panic!("{other:?} instead of a gap"),
    }
}

async fn ends(subscription: &mut Subscription) -> bool {
    timeout(LONG, subscription.next()).await == Ok(None)
}

async fn what_is_published_arrives_with_its_channel(redis: &RedisManager) {
    let pubsub = redis.service().pubsub();
    let mut both = pubsub.subscribe(["a", "b", "a"]).await.unwrap();
    assert_eq!(redis.publish("b", "to b").await, 1);
    assert_eq!(redis.publish("c", "to nobody").await, 0);
    assert_eq!(pubsub.publish("a", 7).await.unwrap(), 1);
    let (first, second) = (message(&mut both).await, message(&mut both).await);
    assert_eq!((first.channel(), &first.payload()[..]), (&Key::from("b"), &b"to b"[..]));
    assert_eq!((second.channel(), second.payload_as::<u8>().unwrap()), (&"a".into(), 7));
    assert_eq!(first.pattern(), None);
}

async fn a_pattern_brings_its_channels_and_names_itself(redis: &RedisManager) {
    let mut news = redis.service().pubsub().psubscribe(["news:*", r"[n]\*"]).await.unwrap();
    for (channel, pattern) in [("news:a", "news:*"), ("n*", r"[n]\*"), ("news:", "news:*")] {
        assert_eq!(redis.publish(channel, "m").await, 1, "{channel}");
        let message = message(&mut news).await;
        assert_eq!(message.channel().as_str(), Some(channel));
        assert_eq!(message.pattern().unwrap().as_str(), Some(pattern));
    }
    assert_eq!(
        redis.publish("nx", "m").await + redis.publish("old news:a", "m").await,
        0
    );
}

async fn overlapping_patterns_each_bring_a_message(redis: &RedisManager) {
    let pubsub = redis.service().pubsub();
    let mut patterns = pubsub.psubscribe(["o*", "*r", "other*"]).await.unwrap();
    let mut narrow = pubsub.psubscribe("o*").await.unwrap();
    let mut channel = pubsub.subscribe("or").await.unwrap();
    for round in 0..10 {
        assert_eq!(pubsub.publish("or", round).await.unwrap(), 3);
    }
    let mut came = Vec::new();
    for _ in 0..20 {
        let message = message(&mut patterns).await;
        came.push((
            message.payload_as::<u8>().unwrap(),
            message.pattern().unwrap().to_string(),
        ));
    }
    came.sort();
    let expected = (0..10).flat_map(|round| [(round, "*r".to_owned()), (round, "o*".to_owned())]);
    assert_eq!(came, expected.collect::<Vec<_>>());
    for round in 0..10 {
        assert_eq!(text(&mut narrow).await, round.to_string());
        assert_eq!(text(&mut channel).await, round.to_string());
    }
}

async fn every_subscriber_gets_every_message_in_its_order(redis: &RedisManager) {
    let pubsub = redis.service().pubsub();
    let mut subscribers = Vec::new();
    for _ in 0..20 {
        subscribers.push(pubsub.subscribe("all").await.unwrap());
    }
    for number in 0..200 {
        assert_eq!(redis.publish("all", number).await, 1);
    }
    for subscriber in &mut subscribers {
        for number in 0..200 {
            assert_eq!(text(subscriber).await, number.to_string());
        }
    }
}

async fn who_publishes_is_told_how_many_clients_it_went_to(redis: &RedisManager) {
    let pubsub = redis.service().pubsub();
    assert_eq!(pubsub.publish("count", "m").await.unwrap(), 0);
    let _twice = (
        pubsub.subscribe("count").await.unwrap(),
        pubsub.subscribe("count").await.unwrap(),
    );
    let _pattern = pubsub.psubscribe("c*").await.unwrap();
    assert_eq!(pubsub.publish("count", "m").await.unwrap(), 2);
}

async fn sharded_channels_are_channels_of_their_own(redis: &RedisManager) {
    let pubsub = redis.service().pubsub();
    let mut sharded = pubsub.ssubscribe(["s", "t"]).await.unwrap();
    let mut plain = pubsub.subscribe("s").await.unwrap();
    assert_eq!(pubsub.spublish("s", "sharded").await.unwrap(), 1);
    assert_eq!(pubsub.publish("s", "plain").await.unwrap(), 1);
    assert_eq!(pubsub.spublish("t", "other").await.unwrap(), 1);
    let first = message(&mut sharded).await;
    assert_eq!((first.channel().as_str(), first.pattern()), (Some("s"), None));
    assert_eq!(&first.payload()[..], b"sharded");
    assert_eq!(text(&mut sharded).await, "other");
    assert_eq!(text(&mut plain).await, "plain");
}

async fn any_bytes_come_through(redis: &RedisManager) {
    let hostile: [&[u8]; 14] = [
        b"message",
        b"pmessage",
        b"smessage",
        b"subscribe",
        b"sunsubscribe",
        b"pong",
        b"MOVED 1 h:1",
        b"-ERR no",
        b"*3\r\n$7\r\nmessage\r\n",
        b"\r\n",
        b"\0\xff\xfe",
        b"\xc3\x28",
        b"__redis__:invalidate",
        b"__keyspace@0__:k",
    ];
    let pubsub = redis.service().pubsub();
    let mut channels = pubsub.subscribe(hostile.map(Key::from)).await.unwrap();
    let mut everything = pubsub.psubscribe("*").await.unwrap();
    let mut sharded = pubsub.ssubscribe(hostile.map(Key::from)).await.unwrap();
    for (channel, payload) in hostile
        .iter()
        .flat_map(|channel| hostile.iter().map(move |payload| (*channel, *payload)))
    {
        pubsub.publish(channel, Value::from(payload)).await.unwrap();
        pubsub.spublish(channel, Value::from(payload)).await.unwrap();
        for subscription in [&mut channels, &mut everything, &mut sharded] {
            let message = message(subscription).await;
            assert_eq!(message.channel().as_bytes(), channel);
            assert_eq!(&message.payload()[..], payload);
        }
    }
    redis.publish("empty", "").await;
    assert_eq!(text(&mut everything).await, "");
    let large = vec![0xee; 5_000_000];
    pubsub.publish("large", large.clone()).await.unwrap();
    assert_eq!(message(&mut everything).await.payload()[..], large);
}

async fn messages_are_read_as_types(redis: &RedisManager) {
    let pubsub = redis.service().pubsub();
    let mut typed = pubsub.subscribe("typed").await.unwrap();
    pubsub
        .publish("typed", Value::json(&(1, "two")).unwrap())
        .await
        .unwrap();
    let message = message(&mut typed).await;
    let Json(read) = message.payload_as::<Json<(u8, String)>>().unwrap();
    assert_eq!(read, (1, "two".to_owned()));
    assert_eq!(message.payload_as::<u8>().unwrap_err().kind(), ErrorKind::Decode);
}

async fn messages_of_pipelines_and_transactions_arrive(redis: &RedisManager) {
    let (pubsub, strings) = (redis.service().pubsub(), redis.service().string());
    let mut steps = pubsub.subscribe("steps").await.unwrap();
    let pipeline = (strings.incr("n"), pubsub.publish("steps", "piped"));
    assert_eq!(redis.service().pipeline(pipeline).await.unwrap(), (1, 1));
    let transaction = (strings.incr("n"), pubsub.publish("steps", "at once"));
    assert_eq!(redis.service().transaction(transaction).await.unwrap(), (2, 1));
    assert_eq!(
        (text(&mut steps).await, text(&mut steps).await),
        ("piped".into(), "at once".into())
    );
}

async fn what_was_dropped_gets_nothing_any_more(redis: &RedisManager) {
    let pubsub = redis.service().pubsub();
    let (one, mut other) = (
        pubsub.subscribe(["x", "y"]).await.unwrap(),
        pubsub.subscribe("y").await.unwrap(),
    );
    drop(one);
    eventually("nobody listens to x", || async { redis.publish("x", "m").await == 0 }).await;
    assert_eq!(redis.publish("y", "m").await, 1);
    assert_eq!(text(&mut other).await, "m");
    let mut again = pubsub.subscribe("x").await.unwrap();
    assert_eq!(redis.publish("x", "again").await, 1);
    assert_eq!(text(&mut again).await, "again");
}

async fn who_takes_too_late_is_told_of_the_gap_and_others_are_not(redis: &RedisManager) {
    let pubsub = redis.service().pubsub();
    let (mut slow, mut quick) = (
        pubsub.subscribe("much").await.unwrap(),
        pubsub.subscribe("much").await.unwrap(),
    );
    for number in 0..2000 {
        pubsub.publish("much", number).await.unwrap();
        assert_eq!(text(&mut quick).await, number.to_string());
    }
    for number in 0..1024 {
        assert_eq!(text(&mut slow).await, number.to_string());
    }
    assert_eq!(gap(&mut slow).await, Gap::Lagged);
    pubsub.publish("much", "after").await.unwrap();
    assert_eq!(text(&mut slow).await, "after");
}

async fn no_channels_and_empty_ones_are_refused(redis: &RedisManager) {
    let pubsub = redis.service().pubsub();
    let refused = [
        pubsub.subscribe(Vec::<Key>::new()).await.map(drop),
        pubsub.subscribe(["a", ""]).await.map(drop),
        pubsub.psubscribe("").await.map(drop),
        pubsub.ssubscribe("").await.map(drop),
        pubsub.publish("", "m").await.map(drop),
        pubsub.spublish("", "m").await.map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
