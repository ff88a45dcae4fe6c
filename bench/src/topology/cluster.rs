//! Faults of a cluster, one after the other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis_manager::{Config, RedisManager};
use tokio::time::sleep;

use super::episode::{self, Story, Watch};
use crate::{
    Outcome,
    arguments::Arguments,
    deployment::{Cluster, slot_of},
    progress,
};

/// What is called: by its tag, in one slot with what moves.
const KEY: &str = "{user:1}:profile";

/// Three masters with a replica each. Whoever joins later is none of them.
const NODES: usize = 6;

/// Keys that move with it.
const COMPANY: usize = 200;

/// The pause between two of them.
const STEP: Duration = Duration::from_millis(5);

/// A cluster that is used.
struct Scene {
    /// The cluster.
    cluster: Cluster,
    /// Who uses it.
    redis: Arc<RedisManager>,
}

/// Hurts a cluster in every way, several times.
pub(super) async fn faults(arguments: &Arguments) -> Outcome {
    let cluster = Cluster::start().await;
    let redis = Arc::new(RedisManager::new(Config::from_url(cluster.url()))?);
    let mut scene = Scene { cluster, redis };
    for at in 0..COMPANY {
        let key = format!("{{user:1}}:{at}");
        scene.redis.service().string().set(key.as_str(), key.as_str()).await?;
    }
    let mut killed = Story::new("node_killed");
    let mut stopped = Story::new("node_stopped");
    let mut handed = Story::new("handed_over");
    let mut migrated = Story::new("slot_migrated");
    let mut added = Story::new("node_added");
    let rounds = arguments.either(5, 1);
    progress::expect(rounds);
    for _ in 0..rounds {
        scene.kill(&mut killed).await?;
        scene.stop(&mut stopped).await?;
        scene.hand_over(&mut handed).await?;
        scene.migrate(&mut migrated).await?;
        scene.add(&mut added).await?;
        progress::advance();
    }
    killed.print();
    stopped.print();
    handed.print();
    migrated.print_of_harmless();
    added.print_of_harmless();
    episode::print_worst("recovery_worst_ms_cluster", &[&killed, &stopped, &handed]);
    Ok(())
}

impl Scene {
    /// The master of the key is killed, and comes back when its replica has taken over.
    async fn kill(&mut self, story: &mut Story) -> Outcome {
        progress::announce("a node is killed");
        let (watch, victim) = (self.watch().await?, self.master());
        let fault = Instant::now();
        self.cluster.kill(victim);
        let switched = self.served_by_another(victim).await;
        story.add(watch.end(fault, switched).await?);
        self.cluster.wait_for_promotion(victim).await;
        self.cluster.restart(victim).await;
        self.cluster.wait_until_well().await;
        Ok(())
    }

    /// The master of the key hangs, and goes on when its replica has taken over.
    async fn stop(&mut self, story: &mut Story) -> Outcome {
        progress::announce("a node is stopped");
        let (watch, victim) = (self.watch().await?, self.master());
        let fault = Instant::now();
        self.cluster.stop(victim);
        let switched = self.served_by_another(victim).await;
        story.add(watch.end(fault, switched).await?);
        self.cluster.wait_for_promotion(victim).await;
        self.cluster.resume(victim);
        self.cluster.wait_until_well().await;
        Ok(())
    }

    /// The master of the key hands over to its replica.
    async fn hand_over(&mut self, story: &mut Story) -> Outcome {
        progress::announce("a node hands over");
        let (watch, master) = (self.watch().await?, self.master());
        let replicas = self.cluster.replicas_of(master);
        let replica = *replicas.first().ok_or("the master has no replica")?;
        let fault = Instant::now();
        self.cluster.failover(replica);
        let switched = self.served_by_another(master).await;
        story.add(watch.end(fault, switched).await?);
        self.cluster.wait_for_promotion(master).await;
        self.cluster.wait_until_well().await;
        Ok(())
    }

    /// The slot of the key moves to another master.
    async fn migrate(&mut self, story: &mut Story) -> Outcome {
        progress::announce("a slot is migrated");
        let watch = self.watch().await?;
        let to = self.another_master();
        let fault = Instant::now();
        self.cluster.migrate_slot(slot_of(KEY), to, STEP).await;
        story.add(watch.end(fault, Instant::now()).await?);
        Ok(())
    }

    /// A node joins, gets the slot of the key, and leaves when it has given that back.
    async fn add(&mut self, story: &mut Story) -> Outcome {
        progress::announce("a node is added");
        let (watch, home) = (self.watch().await?, self.master());
        let fault = Instant::now();
        let added = self.cluster.add_node().await;
        self.cluster.migrate_slot(slot_of(KEY), added, STEP).await;
        story.add(watch.end(fault, Instant::now()).await?);
        self.cluster.migrate_slot(slot_of(KEY), home, Duration::ZERO).await;
        self.cluster.remove_node(added).await;
        self.cluster.wait_until_well().await;
        Ok(())
    }

    /// Lets callers call.
    async fn watch(&self) -> Outcome<Watch> {
        Watch::begin(&self.redis, KEY).await
    }

    /// Returns the master of the key.
    fn master(&self) -> usize {
        self.cluster.node_of(KEY)
    }

    /// Returns a master that does not have the key.
    fn another_master(&self) -> usize {
        let (slot, master) = (slot_of(KEY), self.master());
        let owners = (1..4).map(|quarter| self.cluster.owner_of((slot + quarter * 4096) % 16_384));
        owners.into_iter().find(|owner| *owner != master).unwrap_or(master)
    }

    /// Asks all nodes but one for the key by raw connections, and returns when one of them serves it: sooner than that nobody can be answered.
    async fn served_by_another(&self, former: usize) -> Instant {
        let others = || (0..NODES).filter(|node| *node != former);
        let serves = |node| !self.cluster.command(node, &["GET", KEY]).is_error();
        while !others().any(serves) {
            sleep(Duration::from_millis(1)).await;
        }
        Instant::now()
    }
}
