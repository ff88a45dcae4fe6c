//! One suite over both backends: the embedded store and a real server give the same answers.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis_manager::{Config, HealthState, RedisManager};

use crate::support::{RedisServer, logs::Logs};

/// Makes two tests of each behaviour, an `async fn(&RedisManager)`: `embedded::…` and `server::…`.
macro_rules! on_both_backends {
    ($($behaviour:ident,)+) => {
        mod embedded {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    super::$behaviour(&crate::face::embedded()).await;
                }
            )+
        }

        mod server {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    let shared = crate::face::Shared::join();
                    super::$behaviour(&shared.redis).await;
                    shared.assert_undisturbed();
                }
            )+
        }
    };
}

mod counters;
mod disabled;
mod expiry;
mod hashes;
mod json;
mod keys;
mod many;
mod prefix;
mod refusals;
mod strings;
mod values;
mod wrong_type;

/// One user's part of a server that all tests of this process share: its own manager behind its own prefix.
pub struct Shared {
    pub redis: RedisManager,
    pub prefix: String,
    pub server: Arc<RedisServer>,
}

/// Does not own the server: a static is never dropped, so the last user ends it.
static SERVER: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());

static USERS: AtomicU64 = AtomicU64::new(0);

impl Shared {
    /// Starts the server if nobody uses one.
    pub fn join() -> Self {
        let mut current = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        let server = current.upgrade().unwrap_or_else(|| {
            let server = Arc::new(RedisServer::start());
            *current = Arc::downgrade(&server);
            server
        });
        let prefix = format!("user {}:", USERS.fetch_add(1, Ordering::Relaxed));
        Self {
            redis: patient(&server.url(), &prefix),
            prefix,
            server,
        }
    }

    /// No behaviour of this suite is an outage.
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

pub fn embedded() -> RedisManager {
    patient("memory://", "")
}

/// A manager whose deadline no busy machine reaches.
pub fn patient(url: &str, prefix: &str) -> RedisManager {
    let mut config = Config::from_url(url);
    config.key_prefix = prefix.to_owned();
    config.socket_timeout = Duration::from_secs(10);
    config.socket_connect_timeout = Duration::from_secs(10);
    RedisManager::new(config).unwrap()
}

/// Waits until a key is gone, and returns how long after `began` that was seen.
async fn gone(redis: &RedisManager, key: &str, began: Instant) -> Duration {
    crate::support::eventually("the key has expired", || async { !redis.exists(key).await }).await;
    began.elapsed()
}

/// Checks that one line tells of this, and names the key by its short hash only.
fn assert_told(logs: &Logs, reason: &str, key: &str) {
    let text = logs.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains(reason)).collect();
    assert_eq!(lines.len(), 1, "one line about {reason:?} in {text:?}");
    let hash = lines[0].split("on key #").nth(1).unwrap_or_default();
    let digits = hash.bytes().take_while(u8::is_ascii_hexdigit).count();
    assert_eq!(digits, 8, "a short hash of the key in {:?}", lines[0]);
    assert!(!text.contains(key), "{key:?} stands in {text:?}");
}
