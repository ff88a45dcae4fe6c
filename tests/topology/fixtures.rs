//! What the other tests stand on: that deployments form, and that what is done to them happens.

use std::time::{Duration, Instant};

use crate::deployment::{Cluster, Reply, Sentinels, Shape, slot_of};

#[test]
fn slots_are_those_of_the_specification() {
    assert_eq!(slot_of("123456789"), 0x31c3);
    assert_eq!(slot_of("foo"), 12_182);
    assert_eq!(slot_of("{user1000}.following"), slot_of("user1000"));
    assert_eq!(slot_of("foo{{bar}}zap"), slot_of("{bar"));
    assert_ne!(slot_of("foo{}{bar}"), slot_of("bar"));
}

#[tokio::test]
async fn a_slot_moves_key_by_key_with_ask_on_the_way_and_moved_at_the_end() {
    let cluster = Cluster::start_with(2, 0, &["--requirepass", "sesame"]).await;
    let slot = slot_of("{tag}");
    let (from, keys) = (cluster.owner_of(slot), ["{tag}:1", "{tag}:2", "{tag}:3"]);
    let to = 1 - from;
    for key in keys {
        assert_eq!(slot_of(key), slot);
        cluster.command(from, &["SET", key, "v"]).ok();
    }
    let migration = cluster.begin_migration(slot, to);
    assert_eq!(cluster.step(&migration, 1), 1);
    let replies = keys.map(|key| cluster.command(from, &["GET", key]));
    let asks = replies.iter().filter(|reply| reply.text().starts_with("ASK "));
    assert_eq!(asks.count(), 1, "{replies:?}");
    let moved = keys[replies.iter().position(Reply::is_error).unwrap()];
    let asked = cluster.commands(to, &[&["ASKING"], &["GET", moved]]);
    assert_eq!(asked[1].text(), "v");
    assert!(cluster.command(to, &["GET", moved]).text().starts_with("MOVED "));
    cluster.finish_migration(migration).await;
    assert_eq!(cluster.node_of(keys[0]), to);
    for key in keys {
        assert!(cluster.command(from, &["GET", key]).text().starts_with("MOVED "));
        assert_eq!(cluster.command(to, &["GET", key]).text(), "v");
    }
}

#[tokio::test]
async fn a_replica_takes_over_from_a_master_that_dies_or_hangs_or_hands_over() {
    let mut cluster = Cluster::start().await;
    assert_eq!(cluster.seeds().len(), 6);
    assert!(cluster.url().starts_with("redis-cluster://127.0.0.1:"));

    cluster.kill(0);
    assert_eq!(cluster.wait_for_promotion(0).await, 3);
    cluster.restart(0).await;
    cluster.wait_until_well().await;
    assert_eq!(cluster.replicas_of(3), [0]);

    cluster.stop(1);
    assert_eq!(cluster.wait_for_promotion(1).await, 4);
    cluster.resume(1);
    cluster.wait_until_well().await;
    assert_eq!(cluster.replicas_of(4), [1]);

    cluster.failover(0);
    assert_eq!(cluster.wait_for_promotion(3).await, 0);
    let key = cluster.key_on(0);
    assert_eq!(cluster.node_of(&key), 0);
    cluster.command(0, &["SET", &key, "v"]).ok();
}

#[tokio::test]
async fn nodes_join_a_cluster_and_leave_it() {
    let mut cluster = Cluster::of_masters(1).await;
    let added = cluster.add_node().await;
    cluster.command(0, &["SET", "k", "v"]).ok();
    let slot = slot_of("k");
    cluster.migrate_slot(slot, added, Duration::from_millis(1)).await;
    assert_eq!(cluster.command(added, &["GET", "k"]).text(), "v");
    let replica = cluster.add_replica_of(added).await;
    assert_eq!(cluster.replicas_of(added), [replica]);
    cluster.remove_node(replica).await;
    cluster.migrate_slot(slot, 0, Duration::ZERO).await;
    cluster.remove_node(added).await;
    assert_eq!(cluster.seeds(), [format!("127.0.0.1:{}", cluster.port(0))]);
    cluster.wait_until_well().await;
}

#[tokio::test]
async fn sentinels_replace_a_master_that_hangs_and_demote_it_when_it_is_back() {
    let mut sentinels = Sentinels::start().await;
    let began = Instant::now();
    assert_eq!(sentinels.stop_master(), 0);
    assert!(sentinels.wait_for_switch().await > began);
    assert_eq!(sentinels.master(), 1);
    assert_eq!(sentinels.master_port(), Some(sentinels.port(1)));
    sentinels.resume(0);
    sentinels.wait_until_replica(0).await;
}

#[tokio::test]
async fn sentinels_with_passwords_replace_a_master_after_one_of_them_was_replaced() {
    let mut sentinels = Sentinels::start_with(Shape {
        replicas: 2,
        password: Some("sesame"),
        user: Some("app"),
        sentinel_password: Some("poppy"),
        sentinel_user: Some("watch"),
    })
    .await;
    assert!(sentinels.url().starts_with("redis-sentinel://app:sesame@127.0.0.1:"));
    sentinels.kill_sentinel(0);
    let added = sentinels.add_sentinel().await;
    assert!(!sentinels.ask_sentinel(added, &["SENTINEL", "MYID"]).is_error());
    assert_eq!(sentinels.kill_master(), 0);
    sentinels.wait_for_switch().await;
    sentinels.restart(0).await;
    sentinels.wait_until_replica(0).await;
    let master = sentinels.failover().await;
    sentinels.wait_for_switch().await;
    sentinels.wait_until_replica(master).await;
    sentinels.command(sentinels.master(), &["SET", "k", "v"]).ok();
}
