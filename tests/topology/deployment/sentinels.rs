//! A master with replicas, and the Sentinels that watch them.

use std::{fmt::Write, future::ready, time::Instant};

use super::{
    Reply,
    node::{Node, Role},
};
use crate::support::eventually;

/// What the Sentinels call the master.
const NAME: &str = "mymaster";
const SENTINELS: usize = 3;

/// What a deployment is made of, beside its master and three Sentinels.
pub struct Shape {
    pub replicas: usize,
    /// Of the master and its replicas.
    pub password: Option<&'static str>,
    /// An ACL user that has this password, in place of `default`.
    pub user: Option<&'static str>,
    /// Of the Sentinels.
    pub sentinel_password: Option<&'static str>,
    /// An ACL user that has this password at the Sentinels, in place of `default`.
    pub sentinel_user: Option<&'static str>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            replicas: 1,
            password: None,
            user: None,
            sentinel_password: None,
            sentinel_user: None,
        }
    }
}

/// Sentinels and servers, each numbered as they were started; server 0 is the first master.
pub struct Sentinels {
    shape: Shape,
    servers: Vec<Node>,
    sentinels: Vec<Node>,
    /// The port of the master that was last killed, stopped or told to hand over.
    lost: Option<u16>,
}

impl Sentinels {
    /// Three Sentinels, a master and a replica.
    pub async fn start() -> Self {
        Self::start_with(Shape::default()).await
    }

    /// Starts the servers, then the Sentinels, and waits until each Sentinel knows all.
    pub async fn start_with(shape: Shape) -> Self {
        let mut deployment = Self {
            servers: Vec::new(),
            sentinels: Vec::new(),
            lost: None,
            shape,
        };
        deployment.spawn_servers().await;
        deployment.spawn_sentinels(deployment.port(0), SENTINELS).await;
        deployment.wait_until_known().await;
        deployment
    }

    /// The Sentinels look for replicas when they begin, and seldom later, so those are in sync before.
    async fn spawn_servers(&mut self) {
        let mut arguments: Vec<_> = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
            .map(ToOwned::to_owned)
            .into();
        let Shape { user, password, .. } = self.shape;
        for line in access("--", user, password) {
            arguments.extend(line);
        }
        for (name, value) in [("--masteruser", user), ("--masterauth", password)] {
            arguments.extend(value.iter().flat_map(|value| [name.to_owned(), (*value).to_owned()]));
        }
        let credentials: Vec<_> = user.into_iter().chain(password).collect();
        let spawned = (0..=self.shape.replicas).map(|_| Node::spawn(Role::Server, &arguments, &credentials));
        self.servers = spawned.collect();
        for server in &mut self.servers {
            server.ready().await;
        }
        let port = self.port(0).to_string();
        for replica in &self.servers[1..] {
            replica.command(&["REPLICAOF", "127.0.0.1", &port]).ok();
        }
        eventually("the replicas are in sync", || {
            ready(
                self.servers[1..]
                    .iter()
                    .all(|replica| replica.replication("master_link_status") == "up"),
            )
        })
        .await;
    }

    async fn spawn_sentinels(&mut self, master_port: u16, count: usize) {
        let configuration = self.configuration(master_port);
        let Shape {
            sentinel_user: user,
            sentinel_password: password,
            ..
        } = self.shape;
        let credentials: Vec<_> = user.into_iter().chain(password).collect();
        let first = self.sentinels.len();
        let spawned = (0..count).map(|_| Node::spawn(Role::Sentinel(configuration.clone()), &[], &credentials));
        self.sentinels.extend(spawned);
        for sentinel in &mut self.sentinels[first..] {
            sentinel.ready().await;
            // They tell and ask more often than they would, and do not lose heart for half a minute when the machine is busy.
            let quick = [
                "PUBLISH-PERIOD",
                "500",
                "INFO-PERIOD",
                "1000",
                "TILT-TRIGGER",
                "10000",
                "TILT-PERIOD",
                "1000",
            ];
            sentinel.command(&[&["SENTINEL", "DEBUG"], &quick[..]].concat()).ok();
        }
    }

    fn configuration(&self, master_port: u16) -> String {
        let mut lines = format!(
            "sentinel resolve-hostnames no\n\
             sentinel monitor {NAME} 127.0.0.1 {master_port} {}\n\
             sentinel down-after-milliseconds {NAME} 700\n\
             sentinel failover-timeout {NAME} 2500\n\
             sentinel parallel-syncs {NAME} 1\n",
            SENTINELS / 2 + 1
        );
        let Shape {
            sentinel_user,
            sentinel_password,
            ..
        } = self.shape;
        for line in access("", sentinel_user, sentinel_password) {
            writeln!(lines, "{}", line.join(" ")).unwrap();
        }
        for (setting, value) in [
            (format!("auth-user {NAME}"), self.shape.user),
            (format!("auth-pass {NAME}"), self.shape.password),
            ("sentinel-user".to_owned(), sentinel_user),
            ("sentinel-pass".to_owned(), sentinel_password),
        ] {
            if let Some(value) = value {
                writeln!(lines, "sentinel {setting} {value}").unwrap();
            }
        }
        lines
    }

    /// Waits until each Sentinel that is up knows the others, and all servers, and has nothing to say against the master.
    pub async fn wait_until_known(&self) {
        let sentinels = self.sentinels_up().count();
        eventually("the Sentinels know all", || {
            ready(self.sentinels_up().all(|sentinel| {
                let reply = sentinel.command(&["SENTINEL", "MASTER", NAME]);
                let is = |name, least: usize| {
                    reply
                        .field(name)
                        .is_some_and(|field| field.text().parse().is_ok_and(|count: usize| count >= least))
                };
                reply.field("flags").is_some_and(|flags| flags.text() == "master")
                    && is("num-slaves", self.shape.replicas)
                    && is("num-other-sentinels", sentinels - 1)
            }))
        })
        .await;
    }

    fn sentinels_up(&self) -> impl Iterator<Item = &Node> {
        self.sentinels.iter().filter(|sentinel| sentinel.is_up())
    }

    /// With all Sentinels, and the servers' user and password. The Sentinels' own are not part of a URL.
    pub fn url(&self) -> String {
        let Shape { user, password, .. } = self.shape;
        let credentials = password.map(|password| format!("{}:{password}@", user.unwrap_or_default()));
        let sentinels: Vec<_> = self.sentinels.iter().map(Node::address).collect();
        format!(
            "redis-sentinel://{}{}/?master={NAME}",
            credentials.unwrap_or_default(),
            sentinels.join(",")
        )
    }

    /// Where a Sentinel listens.
    pub fn sentinel_address(&self, sentinel: usize) -> String {
        self.sentinels[sentinel].address()
    }

    /// The port of a server.
    pub fn port(&self, server: usize) -> u16 {
        self.servers[server].port()
    }

    /// The port of the master, as most of the Sentinels see it.
    pub fn master_port(&self) -> Option<u16> {
        let seen: Vec<_> = self.sentinels_up().filter_map(master_port).collect();
        let votes = |port| seen.iter().filter(|seen| **seen == port).count();
        seen.iter().copied().find(|port| votes(*port) > SENTINELS / 2)
    }

    /// The master, as most of the Sentinels see it.
    pub fn master(&self) -> usize {
        let port = self.master_port().expect("most Sentinels agree");
        self.servers.iter().position(|server| server.port() == port).unwrap()
    }

    /// Asks a server past the crate.
    pub fn command(&self, server: usize, words: &[&str]) -> Reply {
        self.servers[server].command(words)
    }

    /// Asks a Sentinel past the crate.
    pub fn ask_sentinel(&self, sentinel: usize, words: &[&str]) -> Reply {
        self.sentinels[sentinel].command(words)
    }

    /// SIGKILL. Returns which server it was.
    pub fn kill_master(&mut self) -> usize {
        let master = self.note_master();
        self.servers[master].kill();
        master
    }

    /// SIGSTOP: it hangs, and the kernel goes on accepting connections for it. Returns which server it was.
    pub fn stop_master(&mut self) -> usize {
        let master = self.note_master();
        self.servers[master].stop();
        master
    }

    /// Has the Sentinels put a replica in the place of a master that is well, as soon as they are willing. Returns which server
    /// that was.
    pub async fn failover(&mut self) -> usize {
        let master = self.note_master();
        eventually("a Sentinel begins", || {
            let mut begun = self
                .sentinels_up()
                .map(|sentinel| sentinel.command(&["SENTINEL", "FAILOVER", NAME]));
            ready(begun.any(|reply| !reply.is_error()))
        })
        .await;
        master
    }

    fn note_master(&mut self) -> usize {
        let master = self.master();
        self.lost = Some(self.port(master));
        master
    }

    /// SIGCONT.
    pub fn resume(&mut self, server: usize) {
        self.servers[server].resume();
    }

    /// Starts a server again that was killed, as what it was at first, until the Sentinels tell it otherwise.
    pub async fn restart(&mut self, server: usize) {
        self.servers[server].restart().await;
    }

    /// Waits until most of the Sentinels name another master than the one that was killed, stopped or told to hand over, and
    /// returns when that was seen.
    pub async fn wait_for_switch(&self) -> Instant {
        let lost = self.lost.expect("the master was hurt");
        eventually("most Sentinels name another master", || {
            ready(self.master_port().is_some_and(|port| port != lost))
        })
        .await;
        Instant::now()
    }

    /// Waits until the Sentinels are sure of the master. Just after a switch they may think for a moment that it is down, and would
    /// give its place to a server that comes back in that moment.
    pub async fn wait_until_settled(&self) {
        eventually("the Sentinels are sure of the master", || {
            ready(self.sentinels_up().all(|sentinel| {
                let reply = sentinel.command(&["SENTINEL", "MASTER", NAME]);
                let flags = reply.field("flags").map_or("", Reply::text);
                let since = reply.field("role-reported-time").map_or("", Reply::text);
                flags == "master" && since.parse().is_ok_and(|since: u64| since > 2000)
            }))
        })
        .await;
    }

    /// Waits until a server follows the master, as one that came back does when the Sentinels have seen it.
    pub async fn wait_until_replica(&self, server: usize) {
        eventually("it is a replica in sync", || {
            let server = &self.servers[server];
            ready(server.replication("role") == "slave" && server.replication("master_link_status") == "up")
        })
        .await;
    }

    /// SIGKILL.
    pub fn kill_sentinel(&mut self, sentinel: usize) {
        self.sentinels[sentinel].kill();
    }

    /// SIGSTOP.
    pub fn stop_sentinel(&mut self, sentinel: usize) {
        self.sentinels[sentinel].stop();
    }

    /// SIGCONT. What it knows may be old until it has heard from the others.
    pub fn resume_sentinel(&mut self, sentinel: usize) {
        self.sentinels[sentinel].resume();
    }

    /// Starts one more Sentinel, in the place of one that was lost, and waits until it and the others know each other.
    pub async fn add_sentinel(&mut self) -> usize {
        let port = self.master_port().expect("most Sentinels agree");
        self.spawn_sentinels(port, 1).await;
        self.wait_until_known().await;
        self.sentinels.len() - 1
    }
}

/// The lines of a configuration that let in those who know the password, and nobody else.
fn access(prefix: &str, user: Option<&str>, password: Option<&str>) -> Vec<Vec<String>> {
    let line = |words: &str| {
        let mut words: Vec<_> = words.split(' ').map(ToOwned::to_owned).collect();
        words[0].insert_str(0, prefix);
        words
    };
    match (user, password) {
        (Some(user), Some(password)) => {
            let rights = format!("user {user} on >{password} ~* &* +@all");
            vec![line("user default off"), line(&rights)]
        }
        (None, Some(password)) => vec![line(&format!("requirepass {password}"))],
        _ => Vec::new(),
    }
}

fn master_port(sentinel: &Node) -> Option<u16> {
    match sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]) {
        Reply::List(address) => address[1].text().parse().ok(),
        _ => None,
    }
}
