//! Who answers: a `redis-server` of the test's own, or the embedded store.

use std::{
    env, fs,
    os::unix::net::UnixStream,
    process::{Child, Command as Process, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tempfile::TempDir;

use crate::{
    command::{Command, EntryAct, EntryCommand, Expiry, Set},
    config::Config,
    error::Result,
    reply::Reply,
    transport::call::Road,
    ttl::Ttl,
};

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whoever answers, and the road to him.
pub(super) struct Backend {
    road: Road,
}

/// A `redis-server` on a Unix socket, killed when dropped.
pub(super) struct Server {
    directory: TempDir,
    child: Child,
}

/// Runs a scenario at a server, and in the embedded store.
pub(super) async fn at_both(scenario: impl AsyncFn(&Backend)) {
    scenario(&Backend::of("memory://")).await;
    let server = Server::start();
    scenario(&Backend::of(&server.url())).await;
}

/// Waits for a condition.
pub(super) async fn eventually(condition: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited too long");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(super) fn set(key: Bytes, value: Bytes, ttl: Option<Ttl>) -> Command {
    Command::Set(Set {
        key,
        value,
        expiry: ttl.map_or(Expiry::Never, Expiry::In),
        condition: None,
        returns_old: false,
    })
}

impl Backend {
    pub(super) fn of(url: &str) -> Self {
        Self {
            road: Road::new(Config::from_url(url).try_into().unwrap()),
        }
    }

    pub(super) fn road(&self) -> &Road {
        &self.road
    }

    pub(super) async fn act(&self, key: &'static str, act: EntryAct) -> Result<Reply> {
        let command = Command::Entry(EntryCommand { key: key.into(), act }.into());
        self.road.call(|_prefix| Ok(command), Ok).await
    }

    pub(super) async fn number(&self, key: &'static str, act: EntryAct) -> i64 {
        self.act(key, act).await.unwrap().into_integer().unwrap()
    }

    pub(super) async fn command(&self, command: Command) -> Reply {
        self.road.call(|_prefix| Ok(command), Ok).await.unwrap()
    }

    pub(super) async fn get(&self, key: &'static str) -> Option<Bytes> {
        let reply = self.command(Command::Get { key: key.into() }).await;
        reply.into_bytes().unwrap()
    }

    /// Sets a string that lives for so many milliseconds, or for ever.
    pub(super) async fn set(&self, key: &'static str, value: Bytes, millis: u64) {
        self.command(set(key.into(), value, Ttl::from_millis(millis).ok()))
            .await;
    }
}

impl Server {
    /// Starts a server and waits until it listens.
    pub(super) fn start() -> Self {
        let program = env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let directory = tempfile::tempdir().unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let child = Process::new(&program)
            .args([
                "--port",
                "0",
                "--unixsocket",
                "socket",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .current_dir(directory.path())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be started ({error}); scripts/test.sh installs it"));
        let server = Self { directory, child };
        let began = Instant::now();
        while UnixStream::connect(server.directory.path().join("socket")).is_err() {
            assert!(began.elapsed() < PATIENCE, "{program} does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}", self.directory.path().join("socket").display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
