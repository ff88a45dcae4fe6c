//! Publish and subscribe in a cluster.

use std::time::{Duration, Instant};

use redis_manager::{ErrorKind, Event, Gap, RedisManager, Subscription};
use tokio::time::timeout;

use crate::{
    cluster::manager,
    deployment::{Cluster, slot_of},
    support::{DEADLINE, SLACK, eventually},
};

/// Far longer than anything may take on the busiest machine.
const LONG: Duration = Duration::from_secs(30);

async fn next(subscription: &mut Subscription) -> Event {
    let event = timeout(LONG, subscription.next()).await.expect("something comes");
    event.expect("it has not ended")
}

async fn text(subscription: &mut Subscription) -> String {
    match next(subscription).await {
        Event::Message(message) => message.payload_as().unwrap(),
        other => panic!("{other:?} instead of a message"),
    }
}

async fn gap(subscription: &mut Subscription) -> Gap {
    match next(subscription).await {
        Event::Gap(gap) => gap,
        other => panic!("{other:?} instead of a gap"),
    }
}

/// The connections to a node that something is subscribed to on.
fn connections(cluster: &Cluster, node: usize) -> usize {
    let clients = cluster.command(node, &["CLIENT", "LIST", "TYPE", "pubsub"]);
    clients.text().lines().count()
}

/// Publishes on a sharded channel until somebody has heard it.
async fn heard(redis: &RedisManager, channel: &str, message: &str) {
    eventually("somebody listens", || async {
        matches!(redis.service().pubsub().spublish(channel, message).await, Ok(1))
    })
    .await;
}

#[tokio::test]
async fn what_is_published_at_any_node_is_heard_from_every_other() {
    let cluster = Cluster::of_masters(3).await;
    let managers: Vec<_> = (0..6).map(|_| manager(&cluster)).collect();
    let mut subscriptions = Vec::new();
    for redis in &managers {
        assert!(redis.initialize().await);
        let pubsub = redis.service().pubsub();
        subscriptions.push(pubsub.subscribe(["news", "other"]).await.unwrap());
        subscriptions.push(pubsub.psubscribe("n*").await.unwrap());
    }
    let all: usize = (0..3).map(|node| connections(&cluster, node)).sum();
    assert_eq!(all, managers.len(), "each manager has one connection");
    for node in 0..3 {
        cluster.command(node, &["PUBLISH", "news", &format!("from {node}")]);
        for subscription in &mut subscriptions {
            assert_eq!(text(subscription).await, format!("from {node}"));
        }
    }
    managers[0].publish("news", "by the crate").await;
    for subscription in &mut subscriptions {
        assert_eq!(text(subscription).await, "by the crate");
    }
}

#[tokio::test]
async fn sharded_channels_are_listened_to_at_the_nodes_of_their_slots() {
    let cluster = Cluster::of_masters(3).await;
    let redis = manager(&cluster);
    let pubsub = redis.service().pubsub();
    let channels: Vec<_> = (0..3).map(|node| cluster.key_on(node)).collect();
    let mut all = pubsub.ssubscribe(channels.as_slice()).await.unwrap();
    let mut one = pubsub.ssubscribe(channels[1].as_str()).await.unwrap();
    for (node, channel) in channels.iter().enumerate() {
        assert_eq!(connections(&cluster, node), 1);
        assert_eq!(pubsub.spublish(channel, node).await.unwrap(), 1);
        assert_eq!(text(&mut all).await, node.to_string());
        assert!(!cluster.command(node, &["SPUBLISH", channel, "past it"]).is_error());
        assert_eq!(text(&mut all).await, "past it");
    }
    assert_eq!(
        (text(&mut one).await, text(&mut one).await),
        ("1".into(), "past it".into())
    );
    drop(all);
    eventually("only one channel is listened to", || async {
        connections(&cluster, 0) + connections(&cluster, 2) == 0
    })
    .await;
    assert_eq!(pubsub.spublish(&channels[1], "still").await.unwrap(), 1);
    assert_eq!(text(&mut one).await, "still");
    let many: Vec<_> = (0..300).map(|number| format!("channel:{number}")).collect();
    let mut many_at_once = pubsub.ssubscribe(many.as_slice()).await.unwrap();
    for channel in &many {
        assert_eq!(pubsub.spublish(channel, channel).await.unwrap(), 1);
        assert_eq!(text(&mut many_at_once).await, *channel);
    }
}

#[tokio::test]
async fn a_channel_is_followed_when_its_slot_moves() {
    let cluster = Cluster::of_masters(2).await;
    let (redis, other) = (manager(&cluster), manager(&cluster));
    // Both know the slots as they are now.
    assert!(redis.set("{tag}", "v").await && other.set("{tag}", "v").await);
    let slot = slot_of("{tag}");
    let first = cluster.owner_of(slot);
    let pubsub = redis.service().pubsub();
    let mut moving = pubsub.ssubscribe(["{tag}:a", "{tag}:b"]).await.unwrap();
    let mut staying = pubsub.ssubscribe([cluster.key_on(first)]).await.unwrap();
    let mut common = pubsub.subscribe("c").await.unwrap();
    let mut to = 1 - first;
    for round in 0..4 {
        cluster.migrate_slot(slot, to, Duration::ZERO).await;
        let moved = Instant::now();
        assert_eq!(gap(&mut moving).await, Gap::SlotMoved, "round {round}");
        assert!(
            moved.elapsed() < Duration::from_secs(1) + SLACK,
            "{:?}",
            moved.elapsed()
        );
        for channel in ["{tag}:a", "{tag}:b"] {
            assert_eq!(pubsub.spublish(channel, round).await.unwrap(), 1);
            assert_eq!(text(&mut moving).await, round.to_string());
        }
        // Its map is older than the move: the old node says where to go.
        let mut late = other.service().pubsub().ssubscribe("{tag}:c").await.unwrap();
        assert_eq!(pubsub.spublish("{tag}:c", round).await.unwrap(), 1);
        assert_eq!(text(&mut late).await, round.to_string());
        to = 1 - to;
    }
    redis.publish("c", "common").await;
    assert_eq!(text(&mut common).await, "common");
    pubsub.spublish(cluster.key_on(first), "staying").await.unwrap();
    assert_eq!(text(&mut staying).await, "staying");
}

#[tokio::test]
async fn a_channel_is_followed_to_the_node_that_takes_over() {
    let mut cluster = Cluster::start().await;
    let redis = manager(&cluster);
    let pubsub = redis.service().pubsub();
    let channels: Vec<_> = (0..3).map(|node| cluster.key_on(node)).collect();
    let mut sharded = Vec::new();
    for channel in &channels {
        sharded.push(pubsub.ssubscribe(channel).await.unwrap());
    }
    // At different nodes, by chance.
    let managers: Vec<_> = (0..8).map(|_| manager(&cluster)).collect();
    let mut common = Vec::new();
    for redis in &managers {
        common.push(redis.service().pubsub().subscribe("c").await.unwrap());
    }
    for (hurt, what) in ["killed", "hung", "handed over"].into_iter().enumerate() {
        let began = Instant::now();
        // One of these connections is for the sharded channel alone.
        let there = connections(&cluster, hurt) - 1;
        match what {
            "killed" => cluster.kill(hurt),
            "hung" => cluster.stop(hurt),
            _ => cluster.failover(hurt + 3),
        }
        cluster.wait_for_promotion(hurt).await;
        let promoted = Instant::now();
        let expected = if what == "handed over" {
            Gap::SlotMoved
        } else {
            Gap::ConnectionLost
        };
        assert_eq!(gap(&mut sharded[hurt]).await, expected, "{what}");
        assert!(
            promoted.elapsed() < Duration::from_secs(2) + SLACK,
            "{what}: {:?}",
            promoted.elapsed()
        );
        heard(&redis, &channels[hurt], what).await;
        assert_eq!(text(&mut sharded[hurt]).await, what);
        let (mut rounds, mut gaps) = (0, 0);
        for subscription in &mut common {
            loop {
                if rounds % 20 == 0 {
                    managers[0].publish("c", what).await;
                }
                rounds += 1;
                match timeout(Duration::from_millis(50), subscription.next()).await {
                    Ok(Some(Event::Message(message))) if message.payload_as::<String>().unwrap() == what => break,
                    Ok(Some(Event::Gap(Gap::ConnectionLost))) => gaps += 1,
                    Ok(Some(Event::Message(_))) | Err(_) => assert!(began.elapsed() < LONG, "{what}"),
                    other => panic!("{what}: {other:?}"),
                }
            }
        }
        if what != "handed over" {
            assert!(gaps >= there, "{what}: {gaps} gaps, {there} managers were there");
        }
        if what == "hung" {
            cluster.resume(hurt);
        }
    }
}

#[tokio::test]
async fn where_nobody_takes_over_only_its_own_channels_are_unavailable() {
    let mut cluster = Cluster::start_with(2, 0, &["--cluster-require-full-coverage", "no"]).await;
    let redis = manager(&cluster);
    let pubsub = redis.service().pubsub();
    let channels = [cluster.key_on(0), cluster.key_on(1)];
    let mut lost = pubsub.ssubscribe(&channels[0]).await.unwrap();
    cluster.kill(0);
    eventually("it is unavailable", || async {
        let began = Instant::now();
        let subscribed = pubsub.ssubscribe(&channels[0]).await;
        assert!(began.elapsed() < DEADLINE + SLACK);
        subscribed.is_err_and(|error| error.kind() == ErrorKind::Unavailable)
    })
    .await;
    let mut kept = pubsub.ssubscribe(&channels[1]).await.unwrap();
    heard(&redis, &channels[1], "m").await;
    assert_eq!(text(&mut kept).await, "m");
    let mut common = pubsub.subscribe("c").await.unwrap();
    eventually("it is published", || async { redis.publish("c", "m").await == 1 }).await;
    assert_eq!(text(&mut common).await, "m");
    cluster.restart(0).await;
    assert_eq!(gap(&mut lost).await, Gap::ConnectionLost);
    heard(&redis, &channels[0], "back").await;
    assert_eq!(text(&mut lost).await, "back");
}

#[tokio::test]
async fn who_listens_at_a_node_that_has_left_goes_elsewhere() {
    let mut cluster = Cluster::of_masters(1).await;
    let leaving = cluster.add_node().await;
    let slot = slot_of("k");
    cluster.migrate_slot(slot, leaving, Duration::ZERO).await;
    let managers: Vec<_> = (0..12).map(|_| manager(&cluster)).collect();
    let mut subscriptions = Vec::new();
    for redis in &managers {
        assert!(redis.initialize().await);
        subscriptions.push(redis.service().pubsub().subscribe("c").await.unwrap());
    }
    assert!(connections(&cluster, leaving) > 0, "by chance, some are there");
    cluster.migrate_slot(slot, 0, Duration::ZERO).await;
    let id = cluster.command(leaving, &["CLUSTER", "MYID"]).text().to_owned();
    cluster.command(0, &["CLUSTER", "FORGET", &id]).ok();
    cluster.command(leaving, &["CLUSTER", "RESET", "SOFT"]).ok();
    for redis in &managers {
        // They are told that something has changed, and look.
        redis.get("k").await;
    }
    eventually("nobody listens where nothing is heard", || async {
        connections(&cluster, leaving) == 0
    })
    .await;
    eventually("all listen where something is", || async {
        connections(&cluster, 0) == managers.len()
    })
    .await;
    eventually("all hear of it", || async { managers[0].publish("c", "m").await == 12 }).await;
    for subscription in &mut subscriptions {
        while let Event::Gap(why) = next(subscription).await {
            assert_eq!(why, Gap::ConnectionLost);
        }
    }
}
