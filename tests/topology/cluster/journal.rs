//! Deletes of keys whose node could not be asked.

use std::{sync::Arc, time::Duration};

use redis_manager::{Config, RedisManager};

use crate::{
    deployment::{Cluster, Reply},
    support::eventually,
};

fn manager(cluster: &Cluster) -> RedisManager {
    let mut config = Config::from_url(cluster.url());
    config.replay_deletes = true;
    RedisManager::new(config).unwrap()
}

/// Sets a key past the crate, and waits until the replica has it too.
fn set_everywhere(cluster: &Cluster, node: usize, key: &str) {
    let replies = cluster.commands(node, &[&["SET", key, "old"], &["WAIT", "1", "5000"]]);
    assert!(replies.iter().all(|reply| !reply.is_error()), "{replies:?}");
}

async fn is_refused(redis: &RedisManager, key: &str) {
    eventually("its node is refused", || async {
        redis.lookup(key).await;
        let health = redis.health();
        health.reason.is_some()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_node_could_not_delete_its_successor_does_not_serve() {
    let mut cluster = Cluster::start().await;
    let redis = Arc::new(manager(&cluster));
    let (dead, living) = (cluster.key_on(0), cluster.key_on(1));
    assert!(redis.initialize().await);
    set_everywhere(&cluster, 0, &dead);
    set_everywhere(&cluster, 1, &living);
    cluster.kill(0);
    is_refused(&redis, &dead).await;
    assert_eq!(
        redis.delete([dead.as_str(), living.as_str()]).await,
        1,
        "the living node's"
    );
    let promoted = cluster.wait_for_promotion(0).await;
    eventually("the successor answers", || async {
        assert_eq!(redis.get(dead.as_str()).await, None, "what was deleted is served");
        redis.metrics().replayed == 1
    })
    .await;
    assert_eq!(cluster.command(promoted, &["GET", &dead]), Reply::Nil);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_hanging_node_could_not_delete_is_deleted_when_it_goes_on() {
    let mut cluster = Cluster::start_with(3, 0, &["--cluster-require-full-coverage", "no"]).await;
    let redis = Arc::new(manager(&cluster));
    let key = cluster.key_on(0);
    assert!(redis.set(key.as_str(), "old").await);
    cluster.stop(0);
    is_refused(&redis, &key).await;
    assert_eq!(redis.delete(key.as_str()).await, 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    cluster.resume(0);
    eventually("it answers again", || async {
        assert_eq!(redis.get(key.as_str()).await, None, "what was deleted is served");
        redis.set("{probe}", 1).await && redis.metrics().replayed >= 1
    })
    .await;
}
