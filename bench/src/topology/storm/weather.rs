//! What happens to the cluster in a storm.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::time::sleep;

use super::caller::{Storm, TAGS};
use crate::{
    deployment::{Cluster, slot_of},
    progress,
};

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// A master is killed, and comes back when its replica has taken over.
    KillMaster,
    /// A replica is killed and comes back.
    KillReplica,
    /// A master hangs until its replica has taken over.
    StopMaster,
    /// A master hangs, and goes on before anybody gives it up.
    StopBriefly,
    /// A master hands over to its replica.
    HandOver,
    /// A slot that everybody uses moves while it is used.
    Migrate,
    /// A node drops all connections.
    CutOff,
}

/// All of them, the harmless more often.
const FAULTS: [Fault; 9] = [
    Fault::KillMaster,
    Fault::KillReplica,
    Fault::StopMaster,
    Fault::StopBriefly,
    Fault::HandOver,
    Fault::Migrate,
    Fault::Migrate,
    Fault::CutOff,
    Fault::CutOff,
];

/// Masters and replicas together.
const NODES: usize = 6;

/// Faults in a row that somebody could tell again by the seed.
pub(super) struct Weather<'a> {
    /// What it happens to.
    cluster: &'a mut Cluster,
    /// Who has to know when writes may be lost.
    storm: &'a Storm,
    /// What comes next.
    chance: StdRng,
    /// How often what has happened.
    past: Vec<Fault>,
}

impl<'a> Weather<'a> {
    /// Begins.
    pub(super) fn new(cluster: &'a mut Cluster, storm: &'a Storm, seed: u64) -> Self {
        Self {
            cluster,
            storm,
            chance: StdRng::seed_from_u64(seed),
            past: Vec::new(),
        }
    }

    /// Lets faults happen for so long, each kind before any comes again too often, and ends when all is well.
    pub(super) async fn rage(&mut self, length: Duration) {
        let began = Instant::now();
        let mut next = Vec::new();
        while began.elapsed() < length {
            let Some(fault) = next.pop() else {
                next.extend(FAULTS);
                next.shuffle(&mut self.chance);
                continue;
            };
            progress::announce(&format!("storm: {fault:?}"));
            self.pass(fault).await;
            self.past.push(fault);
            sleep(Duration::from_millis(self.chance.random_range(50..500))).await;
        }
    }

    /// Says how often what has happened.
    pub(super) fn told(&self) -> String {
        let count = |kind: &str| self.past.iter().filter(|fault| format!("{fault:?}") == kind).count();
        let mut kinds: Vec<_> = self.past.iter().map(|fault| format!("{fault:?}")).collect();
        kinds.sort();
        kinds.dedup();
        let told: Vec<_> = kinds.iter().map(|kind| format!("{kind} {}", count(kind))).collect();
        told.join(", ")
    }

    /// Lets one happen, and waits until all is well.
    async fn pass(&mut self, fault: Fault) {
        match fault {
            Fault::KillMaster => {
                let master = self.a_master();
                self.storm.sky.darken(Instant::now());
                self.cluster.kill(master);
                self.cluster.wait_for_promotion(master).await;
                self.cluster.restart(master).await;
            }
            Fault::KillReplica => {
                let replica = self.a_replica();
                self.cluster.kill(replica);
                self.pause(300..1500).await;
                self.cluster.restart(replica).await;
            }
            Fault::StopMaster => {
                let master = self.a_master();
                self.storm.sky.darken(Instant::now());
                self.cluster.stop(master);
                self.cluster.wait_for_promotion(master).await;
                self.cluster.resume(master);
            }
            Fault::StopBriefly => {
                let master = self.a_master();
                self.storm.sky.darken(Instant::now());
                self.cluster.stop(master);
                self.pause(100..700).await;
                self.cluster.resume(master);
            }
            Fault::HandOver => {
                let replica = self.a_replica();
                let master = self.master_of(replica);
                self.cluster.failover(replica);
                self.cluster.wait_for_promotion(master).await;
            }
            Fault::Migrate => {
                let slot = slot_of(&format!("{{t{}}}", self.chance.random_range(0..TAGS)));
                let owner = self.cluster.owner_of(slot);
                let others: Vec<_> = self.masters().into_iter().filter(|master| *master != owner).collect();
                let to = self.one_of(&others);
                self.cluster.migrate_slot(slot, to, Duration::from_millis(2)).await;
            }
            Fault::CutOff => {
                let node = self.chance.random_range(0..NODES);
                self.cluster.command(node, &["CLIENT", "KILL", "TYPE", "normal"]);
            }
        }
        self.cluster.wait_until_well().await;
        self.storm.sky.clear(Instant::now());
    }

    /// Waits so many milliseconds.
    async fn pause(&mut self, millis: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.chance.random_range(millis))).await;
    }

    /// Returns who is a master now.
    fn masters(&self) -> Vec<usize> {
        let role = |node: usize| self.cluster.command(node, &["ROLE"]);
        (0..NODES)
            .filter(|node| role(*node).list().first().is_some_and(|role| role.text() == "master"))
            .collect()
    }

    /// Returns one of them.
    fn a_master(&mut self) -> usize {
        let masters = self.masters();
        self.one_of(&masters)
    }

    /// Returns one that is a replica now.
    fn a_replica(&mut self) -> usize {
        let masters = self.masters();
        let replicas: Vec<_> = (0..NODES).filter(|node| !masters.contains(node)).collect();
        self.one_of(&replicas)
    }

    /// Returns the master of a replica.
    fn master_of(&self, replica: usize) -> usize {
        let masters = self.masters();
        let its = masters
            .iter()
            .find(|master| self.cluster.replicas_of(**master).contains(&replica));
        its.copied().unwrap_or(replica)
    }

    /// Draws one.
    fn one_of(&mut self, nodes: &[usize]) -> usize {
        let drawn = self.chance.random_range(0..nodes.len().max(1));
        nodes.get(drawn).copied().unwrap_or_default()
    }
}
