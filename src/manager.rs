//! The forgiving face: every method is the honest call plus its neutral value.

mod fallback;
mod hashes;
mod health;
mod keys;
mod pubsub;
mod request;
mod strings;

use std::time::SystemTime;

use self::fallback::Fallback;
pub use self::{
    health::{Health, HealthState, NearCacheHealth, NearCacheState},
    request::{Answer, IncrRequest, SetManyRequest, SetRequest},
    strings::Lookup,
};
use crate::{
    capabilities::Capabilities,
    config::{Config, Settings, Target},
    error::Result,
    metrics::Metrics,
    service::{RedisService, Request},
    transport::call::Backend,
};

/// A cache manager that always answers.
///
/// When Redis is disabled, absent, hung or gone, every call answers at once with its neutral value (`None`, `false`, `0`);
/// when Redis is back, so is the cache. No method panics, and none takes longer than `REDIS_SOCKET_TIMEOUT`, save
/// [`initialize`](Self::initialize) and [`disconnect`](Self::disconnect).
///
/// Use the global one, [`redis_manager()`](crate::redis_manager), or make your own to inject it or to test with it. It
/// connects on first use and lives in any number of tokio runtimes, one after the other or at once; each must have
/// its I/O and time drivers enabled. Dropping it closes its connections.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// let redis = RedisManager::new(Config::from_url("memory://"))?;
/// assert!(redis.set("greeting", "hello").ex(60).await);
/// assert_eq!(redis.get("greeting").await.as_deref(), Some("hello"));
///
/// let off = RedisManager::disabled("an example");
/// assert!(!off.set("greeting", "hello").ex(60).await);
/// assert_eq!(off.get("greeting").await, None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisManager {
    service: RedisService,
    fallback: Fallback,
    built: SystemTime,
}

/// Building one.
impl RedisManager {
    /// Makes a manager of a configuration. Does no I/O: it connects on first use.
    ///
    /// # Errors
    ///
    /// - The parts of the configuration do not fit together; the error names the variable.
    /// - The configuration asks for TLS, and this program was built without the feature `tls`.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, ErrorKind, RedisManager};
    ///
    /// assert!(RedisManager::new(Config::from_url("redis://cache.internal:6379/2")).is_ok());
    /// let error = RedisManager::new(Config::from_url("redis://:6379")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// ```
    pub fn new(config: Config) -> Result<Self> {
        Ok(Self::with_settings(config.try_into()?))
    }

    /// Makes a manager of `ENABLE_REDIS` and the `REDIS_*` variables. Does no I/O.
    ///
    /// # Errors
    ///
    /// - A variable holds what it may not; the error names it, what it held (unless secret) and what is accepted.
    /// - As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::RedisManager;
    ///
    /// let redis = RedisManager::from_env()?;
    /// assert!(!redis.is_enabled()); // ENABLE_REDIS is not set here
    /// # Ok::<(), redis_manager::Error>(())
    /// ```
    pub fn from_env() -> Result<Self> {
        Self::new(Config::from_env()?)
    }

    /// Makes a manager that never asks anybody: every method answers its neutral value. It opens no socket, starts no
    /// task and allocates nothing for a call.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::RedisManager;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let redis = RedisManager::disabled("tests of the database alone");
    /// assert_eq!(redis.incr("visits").await, None);
    /// # }
    /// ```
    pub fn disabled(reason: impl Into<String>) -> Self {
        Self::with_settings(Settings::disabled(reason.into()))
    }

    fn with_settings(settings: Settings) -> Self {
        match &settings.target {
            Target::Disabled(reason) => tracing::debug!(reason, "Redis is disabled"),
            Target::Memory { max_bytes } => {
                tracing::info!(max_bytes, "the embedded backend answers for Redis");
            }
            target => {
                let deadline = settings.deadline;
                tracing::info!(server = %target, db = settings.db, ?deadline, "Redis is enabled");
            }
        }
        Self {
            service: RedisService::with_settings(settings),
            fallback: Fallback::default(),
            built: SystemTime::now(),
        }
    }
}

/// Life cycle.
impl RedisManager {
    /// Connects now and says whether Redis answers. Optional: the first call connects as well.
    ///
    /// Takes as long as one attempt to connect at most (`REDIS_SOCKET_CONNECT_TIMEOUT`, plus two deadlines). On a manager that
    /// is connected it costs one round trip; on one that waits to try again it tries at once. In a cluster it connects to all nodes, and says whether any
    /// answers.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let redis = redis_manager::RedisManager::disabled("an example");
    /// assert!(!redis.initialize().await);
    /// # }
    /// ```
    pub async fn initialize(&self) -> bool {
        match &self.service.road().backend {
            Backend::Disabled(_) => false,
            Backend::Embedded(_) | Backend::Guest(_) => true,
            Backend::Server(topology) => topology.try_now().await,
        }
    }

    /// Closes the connections after the calls in flight have been answered. Does nothing if there are none; a later call
    /// connects anew. Takes one deadline at most for each tokio runtime that used the manager. Subscriptions end.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let redis = redis_manager::redis_manager();
    /// redis.disconnect().await;
    /// redis.disconnect().await;
    /// # }
    /// ```
    pub async fn disconnect(&self) {
        if let Backend::Server(topology) = &self.service.road().backend {
            self.service.road().end_subscriptions();
            topology.disconnect().await;
        }
    }

    /// Says whether a call would be tried now: Redis is enabled and not known to be unavailable. Never blocks, does no I/O.
    ///
    /// Before the first call nothing is known, and the answer is `true` if Redis is enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Config, RedisManager};
    ///
    /// assert!(!RedisManager::disabled("an example").is_enabled());
    /// assert!(RedisManager::new(Config::from_url("memory://"))?.is_enabled());
    /// # Ok::<(), redis_manager::Error>(())
    /// ```
    pub fn is_enabled(&self) -> bool {
        match &self.service.road().backend {
            Backend::Disabled(_) => false,
            Backend::Embedded(_) | Backend::Guest(_) => true,
            Backend::Server(topology) => topology.is_usable(),
        }
    }

    /// Says how the manager is, and why. Never blocks, does no I/O.
    ///
    /// Connections belong to the tokio runtime that uses them: inside a runtime this tells of its own connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{HealthState, RedisManager};
    ///
    /// let health = RedisManager::disabled("not needed here").health();
    /// assert_eq!(health.state, HealthState::Disabled);
    /// assert_eq!(health.reason.as_deref(), Some("not needed here"));
    /// ```
    pub fn health(&self) -> Health {
        Health::of(self.service.road(), self.built)
    }

    /// Returns what the server can, as it said when the last connection to it was made. Never blocks, does no I/O.
    ///
    /// Before the first connection, for a moment after it, and on a manager that is disabled, nothing is known. In an outage it is what the server could.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{Capabilities, Config, RedisManager, Support};
    ///
    /// let embedded = RedisManager::new(Config::from_url("memory://"))?;
    /// assert_eq!(embedded.capabilities().getex, Support::Yes);
    ///
    /// let off = RedisManager::disabled("an example");
    /// assert_eq!(off.capabilities(), Capabilities::default());
    /// # Ok::<(), redis_manager::Error>(())
    /// ```
    pub fn capabilities(&self) -> Capabilities {
        self.service.capabilities()
    }

    /// Returns what was counted since the manager was built; all zero on other backends than a server.
    ///
    /// # Examples
    ///
    /// ```
    /// let redis = redis_manager::RedisManager::disabled("an example");
    /// assert_eq!(redis.metrics().outages, 0);
    /// ```
    pub fn metrics(&self) -> Metrics {
        match &self.service.road().backend {
            Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => Metrics::default(),
            Backend::Server(topology) => {
                let mut metrics = topology.metrics();
                self.service.road().journal().count(&mut metrics);
                metrics
            }
        }
    }

    /// Returns the fred client of the present connection, for what this crate does not cover. `None` while there is no
    /// connection, without a tokio runtime, in a cluster, which has a client for each node, and on other backends.
    ///
    /// What is sent through it bypasses the key prefix, the deadline's gate, the breaker and the guard: reply arrays whose first
    /// element a user can choose may desynchronise the connection (the heartbeat notices within a second and replaces it).
    /// The near cache learns of what is written through it only from the server's message, shortly after.
    /// Do not keep it: it ends with its connection.
    ///
    /// # Examples
    ///
    /// ```
    /// let redis = redis_manager::RedisManager::disabled("an example");
    /// assert!(redis.client().is_none());
    /// ```
    pub fn client(&self) -> Option<fred::clients::Client> {
        match &self.service.road().backend {
            Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => None,
            Backend::Server(topology) => topology.client(),
        }
    }
}

/// The honest face of a manager, to be kept and handed on: it shares the manager's connections.
impl From<&RedisManager> for RedisService {
    fn from(manager: &RedisManager) -> Self {
        manager.service.clone()
    }
}

impl RedisManager {
    /// Returns the honest face: the same Redis, for code that must know what happened.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::{ErrorKind, RedisManager};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let off = RedisManager::disabled("an example");
    /// let error = off.service().string().incr("visits").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Disabled);
    /// # }
    /// ```
    pub fn service(&self) -> &RedisService {
        &self.service
    }

    /// Asks for what the honest face builds, and forgives; what would be refused is not even built.
    async fn ask<'a, T: Send>(&'a self, neutral: T, build: impl FnOnce(&'a RedisService) -> Request<'a, T>) -> T {
        match self.unless_refused(|| build(&self.service)) {
            Some(request) => self.fallback.forgive(request.await, neutral),
            None => neutral,
        }
    }

    /// Builds what is to be asked, unless nobody will be: then it costs nothing.
    fn unless_refused<T>(&self, build: impl FnOnce() -> T) -> Option<T> {
        (!self.service.road().refuses()).then(build)
    }
}
