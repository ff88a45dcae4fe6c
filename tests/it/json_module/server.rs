//! A server with RedisJSON's commands, in Python: `tests/json_server.py`.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis_manager::{Config, HealthState, RedisManager};

/// The Python process. It ends when its standard input is closed, so it does not outlive this process either.
struct JsonServer {
    port: u16,
    child: Child,
}

impl JsonServer {
    fn start() -> Self {
        let python = python();
        let mut child = Command::new(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/json_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started ({error}); {HELP}", python.display()));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Ok(port) = line.trim().parse() else {
            let status = child.wait().unwrap();
            panic!("tests/json_server.py says no port ({status}, its errors stand above); {HELP}");
        };
        Self { port, child }
    }
}

impl Drop for JsonServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

const HELP: &str = "run scripts/test.sh, which installs what it needs";

/// The Python that has the packages of `tests/json_server.txt`.
fn python() -> PathBuf {
    env::var_os("JSON_SERVER_PYTHON").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("json_server/bin/python"),
        PathBuf::from,
    )
}

/// One user's part of a server that all tests of this module share: its own manager behind its own prefix.
pub struct Shared {
    pub redis: RedisManager,
    server: Arc<JsonServer>,
}

/// Does not own the server: a static is never dropped, so the last user ends it.
static SERVER: Mutex<Weak<JsonServer>> = Mutex::new(Weak::new());

static USERS: AtomicU64 = AtomicU64::new(0);

impl Shared {
    /// Starts the server if nobody uses one.
    pub fn join() -> Self {
        let mut current = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        let server = current.upgrade().unwrap_or_else(|| {
            let server = Arc::new(JsonServer::start());
            *current = Arc::downgrade(&server);
            server
        });
        // No busy machine reaches its deadline.
        let mut config = Config::from_url(format!("redis://127.0.0.1:{}", server.port));
        config.key_prefix = format!("user {}:", USERS.fetch_add(1, Ordering::Relaxed));
        config.socket_timeout = Duration::from_secs(10);
        config.socket_connect_timeout = Duration::from_secs(10);
        Self {
            redis: RedisManager::new(config).unwrap(),
            server,
        }
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Whatever was sent and answered, it was on one connection, which was never lost.
    pub fn assert_undisturbed(&self) {
        let metrics = self.redis.metrics();
        assert_eq!(
            (metrics.outages, metrics.broken, metrics.timeouts),
            (0, 0, 0),
            "{metrics:?}"
        );
        assert!(metrics.connects <= 1, "{metrics:?}");
        assert_ne!(self.redis.health().state, HealthState::Unavailable);
    }
}
