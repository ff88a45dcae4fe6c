//! One process of a deployment: a server, a node of a cluster, or a Sentinel.

use std::{
    fs,
    io::{self, BufReader},
    net::{Ipv4Addr, TcpListener},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::reply::{Reply, exchange};
use crate::support::{eventually, program};

/// What a process is.
pub enum Role {
    Server,
    ClusterNode,
    /// With the lines of its configuration, which it goes on writing itself.
    Sentinel(String),
}

/// A process on a free port of the loopback interface, killed when dropped.
pub struct Node {
    role: Role,
    arguments: Vec<String>,
    credentials: Vec<String>,
    port: u16,
    bus_port: u16,
    directory: TempDir,
    child: Option<Child>,
    is_stopped: bool,
}

impl Node {
    /// Starts a process with further arguments; see `ready`. Whoever asks it something through the fixture, says `AUTH` with
    /// the credentials first, if there are any.
    pub fn spawn(role: Role, arguments: &[String], credentials: &[&str]) -> Self {
        let mut node = Self {
            role,
            arguments: arguments.to_vec(),
            credentials: credentials.iter().map(ToString::to_string).collect(),
            port: unused_port(),
            bus_port: unused_port(),
            directory: tempfile::tempdir().unwrap(),
            child: None,
            is_stopped: false,
        };
        if let Role::Sentinel(configuration) = &node.role {
            fs::write(node.configuration(), configuration).unwrap();
        }
        node.start();
        node
    }

    /// Waits until it answers. If it ends instead, since somebody else took one of its ports, it gets others.
    pub async fn ready(&mut self) {
        for _ in 0..5 {
            eventually("a server answers or gives up", || {
                let is_decided = self.has_ended() || self.answers();
                async move { is_decided }
            })
            .await;
            if !self.has_ended() {
                return;
            }
            (self.port, self.bus_port) = (unused_port(), unused_port());
            self.start();
        }
        panic!("{} does not start: {}", program(), self.log());
    }

    /// Starts it again after it was killed, on the same ports and with what it has written, and waits until it answers.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.start();
        eventually("a server answers again", || {
            let answers = self.answers();
            async move { answers }
        })
        .await;
    }

    fn start(&mut self) {
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        let mut command = Command::new(program());
        if let Role::Sentinel(_) = self.role {
            command.arg(self.configuration()).arg("--sentinel");
        }
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--unixsocket", self.socket().to_str().unwrap()])
            .args(["--save", "", "--appendonly", "no"]);
        if let Role::ClusterNode = self.role {
            command.args(["--cluster-enabled", "yes", "--cluster-port", &self.bus_port.to_string()]);
        }
        let child = command
            .args(&self.arguments)
            .current_dir(self.directory.path())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("{} cannot be started: {error}", program())));
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.is_stopped = false;
    }

    /// SIGSTOP: it hangs, and the kernel goes on accepting connections for it.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGSTOP);
        self.is_stopped = true;
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.signal(Signal::SIGCONT);
        self.is_stopped = false;
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().expect("it runs").id();
        kill(Pid::from_raw(id.try_into().unwrap()), signal).unwrap();
    }

    /// Whether it runs, and not only as a stopped process.
    pub fn is_up(&self) -> bool {
        self.child.is_some() && !self.is_stopped
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn bus_port(&self) -> u16 {
        self.bus_port
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends a command past the crate, on a connection of its own.
    pub fn command(&self, words: &[&str]) -> Reply {
        self.commands(&[words]).pop().unwrap()
    }

    /// Sends commands one after the other on one connection.
    pub fn commands(&self, commands: &[&[&str]]) -> Vec<Reply> {
        let replies = self.try_commands(commands);
        replies.unwrap_or_else(|error| panic!("{commands:?} on {}: {error}; its log: {}", self.address(), self.log()))
    }

    fn try_commands(&self, commands: &[&[&str]]) -> io::Result<Vec<Reply>> {
        let stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut stream = BufReader::new(stream);
        if !self.credentials.is_empty() {
            let words = [&["AUTH".to_owned()], self.credentials.as_slice()].concat();
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            exchange(&mut stream, &words)?;
        }
        commands.iter().map(|words| exchange(&mut stream, words)).collect()
    }

    /// A line of `INFO replication`, without its name. Empty if nothing is heard, as when a Sentinel has all clients of a server
    /// cut off because it is given another role.
    pub fn replication(&self, name: &str) -> String {
        let reply = self
            .try_commands(&[&["INFO", "replication"]])
            .ok()
            .and_then(|mut replies| replies.pop());
        let text = reply.as_ref().map_or("", Reply::text);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().to_owned()
    }

    fn answers(&self) -> bool {
        matches!(self.try_commands(&[&["PING"]]).as_deref(), Ok([Reply::Status(pong)]) if pong == "PONG")
    }

    fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().unwrap().is_some()
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    fn configuration(&self) -> PathBuf {
        self.directory.path().join("configuration")
    }

    /// The last lines that it logged.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on, and that this process has not used yet. It is below those that the kernel gives to clients,
/// so that it is still there when a server that was killed comes back.
fn unused_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Other test processes begin elsewhere.
    let begin = process::id() % COUNT * 61;
    loop {
        let port = FIRST + (begin + TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = port.try_into().unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
