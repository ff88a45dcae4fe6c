//! Configuration: what the environment says, checked variable by variable.

mod address;
mod encryption;
mod environment;
mod route;
mod secret;
mod settings;
mod target;

use std::{path::PathBuf, time::Duration};

pub(crate) use encryption::TlsSettings;
pub use secret::Secret;
pub(crate) use settings::{NearPlan, NearSettings, Settings};
pub(crate) use target::{Endpoint, Sentinels, Target};

/// How to reach Redis and how to behave when it cannot be reached.
///
/// [`from_env`](Self::from_env) reads it from `ENABLE_REDIS` and the `REDIS_*` variables; in code, start from
/// [`from_url`](Self::from_url) or [`default`](Self::default) and set the fields. Whether the parts fit together is
/// checked by [`RedisManager::new`](crate::RedisManager::new).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use redis_manager::{Config, RedisManager};
///
/// let mut config = Config::from_url("memory://?max_mb=8");
/// config.key_prefix = "shop:".into();
/// config.socket_timeout = Duration::from_millis(200);
/// let redis = RedisManager::new(config)?;
/// assert!(redis.is_enabled());
/// # Ok::<(), redis_manager::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// `ENABLE_REDIS`: whether Redis is used at all. Off by default; [`from_url`](Self::from_url) switches it on.
    pub enabled: bool,
    /// `REDIS_URL`: wins over the parts below. What it leaves out (user, password, database) they may still give.
    pub url: Option<Secret>,
    /// `REDIS_HOST`: host name or address, `localhost` by default.
    pub host: String,
    /// `REDIS_PORT`: 6379 by default.
    pub port: u16,
    /// `REDIS_DB`: number of the database, 0 by default.
    pub db: u8,
    /// `REDIS_USERNAME`: ACL user; without one, Redis' user `default`.
    pub username: Option<String>,
    /// `REDIS_PASSWORD`.
    pub password: Option<Secret>,
    /// `REDIS_SOCKET_PATH`: path of a Unix socket, instead of host and port.
    pub socket_path: Option<PathBuf>,
    /// `REDIS_CLUSTER`: whether the server is a Redis Cluster.
    pub cluster: bool,
    /// `REDIS_SENTINEL_MASTER`: name of the master that the Sentinels in [`nodes`](Self::nodes) watch.
    pub sentinel_master: Option<String>,
    /// `REDIS_SENTINEL_USERNAME`: ACL user at the Sentinels; without one, their user `default`.
    pub sentinel_username: Option<String>,
    /// `REDIS_SENTINEL_PASSWORD`: password at the Sentinels, which may have one of their own; none by default.
    pub sentinel_password: Option<Secret>,
    /// `REDIS_NODES`: `host:port` of the Sentinels, or of some nodes of the cluster.
    pub nodes: Vec<String>,
    /// `REDIS_TLS`: whether connections are encrypted; a URL with `rediss://` or `valkeys://` says so as well. It needs the feature `tls`.
    pub tls: bool,
    /// `REDIS_TLS_CA_FILE`: whom to trust, certificates in PEM; without it, whom this machine trusts. This file and the two below are read
    /// again for each connection.
    pub tls_ca_file: Option<PathBuf>,
    /// `REDIS_TLS_CERT_FILE`: the client's certificate, and those that lead from it to one that the server trusts, PEM.
    pub tls_cert_file: Option<PathBuf>,
    /// `REDIS_TLS_KEY_FILE`: the client's private key, PEM, without a passphrase.
    pub tls_key_file: Option<PathBuf>,
    /// `REDIS_TLS_SERVER_NAME`: the name, or the address, that the server's certificate must bear; the host's by default.
    pub tls_server_name: Option<String>,
    /// `REDIS_ENCRYPTION_KEY`: the keys of caches that keep their values encrypted, `id:key` with 32 bytes in base64 or hexadecimal, several separated by
    /// commas: the first one encrypts, all of them decrypt. It encrypts nothing by itself, and needs the feature `encryption`; `EncryptionKeys`
    /// explains it.
    pub encryption_key: Option<Secret>,
    /// `REDIS_MAX_CONNECTIONS`: upper bound of the pool, for each server, 10 by default; how many are opened is the manager's choice.
    pub max_connections: usize,
    /// `REDIS_SOCKET_TIMEOUT`: the deadline of every call, 0.5 s by default.
    pub socket_timeout: Duration,
    /// `REDIS_SOCKET_CONNECT_TIMEOUT`: the time that one attempt to connect may take, handshake included, 1 s by default.
    pub socket_connect_timeout: Duration,
    /// `REDIS_KEY_PREFIX`: put before every key, nothing by default.
    pub key_prefix: String,
    /// `REDIS_BATCHING`: which concurrent commands may share a round trip.
    pub batching: Batching,
    /// `REDIS_NEAR_CACHE_MB`: memory for the near cache in this process, in a cluster for all nodes together; 0, the default, means none. It needs the feature `near-cache`.
    pub near_cache_mb: u32,
    /// `REDIS_NEAR_CACHE_TTL`: how long the near cache keeps what it has read, at most; 60 s by default.
    pub near_cache_ttl: Duration,
    /// `REDIS_SERVE_STALE_IN_OUTAGE`: for how long after the beginning of an outage reads are answered by what the near cache still has; 0, the
    /// default, means never.
    pub serve_stale_in_outage: Duration,
    /// `REDIS_REPLAY_DELETES`: whether keys that [`delete`](crate::RedisManager::delete) could not delete, because of an outage or a timeout, are
    /// deleted after it, before anything is read; off by default. Right for a cache; wrong for keys that others may have written again meanwhile.
    pub replay_deletes: bool,
}

/// Which calls of different tasks may share a round trip (`REDIS_BATCHING`).
///
/// Each caller gets its own answer, error and deadline, as if its command had been alone. A call that finds hardly anything under way is sent alone. What the
/// server sees are `MGET`, `MSET`, `MSETEX` and scripts in the place of many `GET`s and `SET`s.
///
/// # Examples
///
/// ```
/// assert_eq!(redis_manager::Config::default().batching, redis_manager::Batching::On);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Batching {
    /// Plain reads, and plain writes: `on`.
    #[default]
    On,
    /// Plain reads only: `reads`.
    Reads,
    /// None, each call is a command of its own: `off`.
    Off,
}

impl Config {
    /// Makes an enabled configuration of a URL, in any form that `REDIS_URL` takes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(redis_manager::Config::from_url("redis://cache.internal").enabled);
    /// ```
    pub fn from_url(url: impl Into<Secret>) -> Self {
        Self {
            enabled: true,
            url: Some(url.into()),
            ..Self::default()
        }
    }
}

/// Disabled, and every field at its default.
impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            url: None,
            host: "localhost".to_owned(),
            port: 6379,
            db: 0,
            username: None,
            password: None,
            socket_path: None,
            cluster: false,
            sentinel_master: None,
            sentinel_username: None,
            sentinel_password: None,
            nodes: Vec::new(),
            tls: false,
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            tls_server_name: None,
            encryption_key: None,
            max_connections: 10,
            socket_timeout: Duration::from_millis(500),
            socket_connect_timeout: Duration::from_secs(1),
            key_prefix: String::new(),
            batching: Batching::default(),
            near_cache_mb: 0,
            near_cache_ttl: Duration::from_secs(60),
            serve_stale_in_outage: Duration::ZERO,
            replay_deletes: false,
        }
    }
}
