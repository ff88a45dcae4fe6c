//! A Redis Cluster.

mod migration;
mod view;

use std::future::ready;

use view::{Member, view};

use super::{
    Reply,
    node::{Node, Role},
    slot::{SLOTS, slot_of},
};
use crate::support::eventually;

/// A cluster whose nodes are numbered as they were started: the masters, then their replicas in the same order, then whoever
/// was added later. A node keeps its number, whatever becomes of it.
pub struct Cluster {
    nodes: Vec<Node>,
    ids: Vec<String>,
    /// A slot that the node had when it was last hurt.
    lost: Vec<Option<u16>>,
    arguments: Vec<String>,
    credentials: Vec<String>,
}

impl Cluster {
    /// Three masters, each with one replica.
    pub async fn start() -> Self {
        Self::start_with(3, 1, &[]).await
    }

    /// Masters alone.
    pub async fn of_masters(masters: usize) -> Self {
        Self::start_with(masters, 0, &[]).await
    }

    /// Starts a cluster with further arguments for each node, as `redis-server` takes them, and waits until all nodes agree that
    /// it is well. With `--requirepass`, the fixture says the password too.
    pub async fn start_with(masters: usize, replicas_of_each: usize, arguments: &[&str]) -> Self {
        let quick = [
            ["--cluster-node-timeout", "1000"],
            ["--cluster-replica-validity-factor", "0"],
            ["--cluster-allow-replica-migration", "no"],
            ["--repl-diskless-sync-delay", "0"],
            ["--repl-ping-replica-period", "1"],
        ];
        let password = arguments.windows(2).find(|pair| pair[0] == "--requirepass");
        let mut cluster = Self {
            nodes: Vec::new(),
            ids: Vec::new(),
            lost: Vec::new(),
            arguments: quick
                .iter()
                .flatten()
                .chain(arguments)
                .map(ToString::to_string)
                .collect(),
            credentials: password.map(|pair| pair[1].to_owned()).into_iter().collect(),
        };
        cluster.spawn(masters * (1 + replicas_of_each)).await;
        cluster.share_the_slots(masters);
        cluster.introduce(0).await;
        for replica in masters..cluster.nodes.len() {
            cluster.replicate(replica, replica % masters).await;
        }
        cluster.wait_until_well().await;
        cluster
    }

    async fn spawn(&mut self, count: usize) {
        let first = self.nodes.len();
        let credentials: Vec<_> = self.credentials.iter().map(String::as_str).collect();
        let spawned = (0..count).map(|_| Node::spawn(Role::ClusterNode, &self.arguments, &credentials));
        self.nodes.extend(spawned);
        for node in &mut self.nodes[first..] {
            node.ready().await;
            self.ids.push(node.command(&["CLUSTER", "MYID"]).text().to_owned());
            self.lost.push(None);
        }
    }

    fn share_the_slots(&self, masters: usize) {
        for (number, node) in self.nodes.iter().enumerate() {
            // Different ones from the start, so that no two nodes have to settle which is right.
            let epoch = (number + 1).to_string();
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).ok();
        }
        let bound = |number: usize| number * usize::from(SLOTS) / masters;
        for (number, node) in self.nodes[..masters].iter().enumerate() {
            let (first, last) = (bound(number).to_string(), (bound(number + 1) - 1).to_string());
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).ok();
        }
    }

    /// Makes the nodes from this one on known to all before them, and waits until all know all.
    async fn introduce(&self, from: usize) {
        for (number, node) in self.nodes.iter().enumerate().skip(from) {
            let (port, bus_port) = (node.port().to_string(), node.bus_port().to_string());
            for other in self.nodes[..number].iter().filter(|other| other.is_up()) {
                other.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port]).ok();
            }
        }
        self.wait("all nodes know each other", |members| {
            let known = |id: &str| members.iter().any(|member| member.id == id && member.is_connected);
            self.present().all(|number| known(&self.ids[number]))
        })
        .await;
    }

    async fn replicate(&self, replica: usize, master: usize) {
        self.command(replica, &["CLUSTER", "REPLICATE", &self.ids[master]]).ok();
    }

    /// Waits until all nodes that are up agree that all slots are served, and all replicas are in sync.
    pub async fn wait_until_well(&self) {
        self.wait("all nodes agree on the masters and the replicas", |members| {
            let up = self.present().filter(|number| self.nodes[*number].is_up());
            let slots: usize = members.iter().map(Member::slot_count).sum();
            slots == usize::from(SLOTS)
                && up.into_iter().all(|number| {
                    let is_replica = self.nodes[number].replication("role") == "slave";
                    let seen = members.iter().find(|member| member.id == self.ids[number]);
                    seen.is_some_and(|seen| seen.is_well() && seen.is_replica() == is_replica)
                })
        })
        .await;
        eventually("all nodes serve, and the replicas are in sync", || {
            let mut up = self.nodes.iter().filter(|node| node.is_up());
            ready(up.all(|node| {
                let state = node.command(&["CLUSTER", "INFO"]);
                state.text().contains("cluster_state:ok")
                    && (node.replication("role") == "master" || node.replication("master_link_status") == "up")
            }))
        })
        .await;
    }

    /// Waits until every node that is up sees the cluster so.
    async fn wait(&self, what: &str, mut condition: impl FnMut(&[Member]) -> bool) {
        eventually(what, || {
            let mut up = self.nodes.iter().filter(|node| node.is_up());
            ready(up.all(|node| condition(&view(node))))
        })
        .await;
    }

    /// The nodes that were not removed.
    fn present(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|number| !self.ids[*number].is_empty())
    }

    fn first_up(&self) -> &Node {
        self.nodes.iter().find(|node| node.is_up()).expect("a node is up")
    }

    /// With all nodes as seeds.
    pub fn url(&self) -> String {
        format!("redis-cluster://{}", self.seeds().join(","))
    }

    /// The addresses of the nodes, each as `host:port`.
    pub fn seeds(&self) -> Vec<String> {
        self.present().map(|number| self.nodes[number].address()).collect()
    }

    pub fn port(&self, number: usize) -> u16 {
        self.nodes[number].port()
    }

    /// Asks a node past the crate.
    pub fn command(&self, number: usize, words: &[&str]) -> Reply {
        self.nodes[number].command(words)
    }

    /// Asks a node past the crate, one command after the other on one connection.
    pub fn commands(&self, number: usize, commands: &[&[&str]]) -> Vec<Reply> {
        self.nodes[number].commands(commands)
    }

    /// The master of a slot, as the first node that is up sees it.
    pub fn owner_of(&self, slot: u16) -> usize {
        let members = view(self.first_up());
        let owner = members.iter().find(|member| member.has(slot));
        self.number(&owner.unwrap_or_else(|| panic!("nobody has the slot {slot}")).id)
    }

    /// The master of a key.
    pub fn node_of(&self, key: &str) -> usize {
        self.owner_of(slot_of(key))
    }

    /// A key whose master is this node.
    pub fn key_on(&self, number: usize) -> String {
        let members = view(self.first_up());
        let node = members.iter().find(|member| member.id == self.ids[number]).unwrap();
        let mut keys = (0..10 * u32::from(SLOTS)).map(|count| format!("key:{count}"));
        keys.find(|key| node.has(slot_of(key))).expect("it has slots")
    }

    /// The replicas of a node that are up.
    pub fn replicas_of(&self, number: usize) -> Vec<usize> {
        let members = view(self.first_up());
        let replicas = members.iter().filter(|member| member.master == self.ids[number]);
        let numbers = replicas.map(|member| self.number(&member.id));
        numbers.filter(|number| self.nodes[*number].is_up()).collect()
    }

    fn number(&self, id: &str) -> usize {
        self.ids
            .iter()
            .position(|known| known == id)
            .expect("a node of this cluster")
    }

    /// SIGKILL.
    pub fn kill(&mut self, number: usize) {
        self.note_slot(number);
        self.nodes[number].kill();
    }

    /// SIGSTOP: it hangs, and the kernel goes on accepting connections for it.
    pub fn stop(&mut self, number: usize) {
        self.note_slot(number);
        self.nodes[number].stop();
    }

    /// SIGCONT.
    pub fn resume(&mut self, number: usize) {
        self.nodes[number].resume();
    }

    /// Starts a node again that was killed, and waits until it answers.
    pub async fn restart(&mut self, number: usize) {
        self.nodes[number].restart().await;
    }

    /// Has a replica take over from its master, both being well. See `wait_for_promotion`.
    pub fn failover(&mut self, replica: usize) {
        let members = view(&self.nodes[replica]);
        let master = members.iter().find(|member| member.id == self.ids[replica]);
        let master = self.number(&master.expect("it knows itself").master);
        self.note_slot(master);
        self.command(replica, &["CLUSTER", "FAILOVER"]).ok();
    }

    fn note_slot(&mut self, number: usize) {
        let members = view(self.first_up());
        let node = members.iter().find(|member| member.id == self.ids[number]);
        if let Some(slot) = node.and_then(Member::first_slot) {
            self.lost[number] = Some(slot);
        }
    }

    /// Waits until another node has the slots of this one, which was killed, stopped or told to hand over, and all nodes that are
    /// up see it and serve again. Returns the other node.
    pub async fn wait_for_promotion(&self, number: usize) -> usize {
        let slot = self.lost[number].expect("it was hurt while it had slots");
        let mut promoted = None;
        self.wait("another node has the slots", |members| {
            let owner = members.iter().find(|member| member.has(slot));
            promoted = owner
                .filter(|owner| owner.is_well())
                .map(|owner| self.number(&owner.id));
            promoted.is_some_and(|promoted| promoted != number)
        })
        .await;
        self.wait_until_serving().await;
        promoted.expect("it has just been seen")
    }

    async fn wait_until_serving(&self) {
        eventually("all nodes serve", || {
            let mut up = self.nodes.iter().filter(|node| node.is_up());
            ready(up.all(|node| node.command(&["CLUSTER", "INFO"]).text().contains("cluster_state:ok")))
        })
        .await;
    }

    /// Adds a master without slots.
    pub async fn add_node(&mut self) -> usize {
        let number = self.nodes.len();
        self.spawn(1).await;
        self.introduce(number).await;
        self.wait_until_serving().await;
        number
    }

    /// Adds a replica and waits until it is in sync.
    pub async fn add_replica_of(&mut self, master: usize) -> usize {
        let number = self.add_node().await;
        self.replicate(number, master).await;
        self.wait_until_well().await;
        number
    }

    /// Removes a node whose slots have moved away, and ends it.
    pub async fn remove_node(&mut self, number: usize) {
        let id = std::mem::take(&mut self.ids[number]);
        for (other, node) in self.nodes.iter().enumerate() {
            if other != number && node.is_up() {
                node.command(&["CLUSTER", "FORGET", &id]).ok();
            }
        }
        self.nodes[number].kill();
        self.wait("nobody knows the node", |members| {
            members.iter().all(|member| member.id != id)
        })
        .await;
    }
}
