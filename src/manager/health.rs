//! How the manager is, for people and for health checks.

use std::time::SystemTime;

use serde::Serialize;

use crate::{
    near,
    transport::{
        call::{Backend, Road},
        node::Condition,
    },
};

/// How a manager is. It serialises, for a health endpoint; it never holds a password.
///
/// # Examples
///
/// ```
/// let health = redis_manager::RedisManager::disabled("not needed here").health();
/// let json = serde_json::to_value(&health).unwrap();
/// assert_eq!(json["state"], "disabled");
/// assert_eq!(json["reason"], "not needed here");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The state.
    pub state: HealthState,
    /// Why, if the state is not a good one.
    pub reason: Option<String>,
    /// Since when.
    pub since: SystemTime,
    /// Who answers: `host:port`, `unix:/path`, `memory` or `none`. Behind Sentinels, the master's name and where it is now: `mymaster at host:port`.
    pub server: String,
    /// The near cache.
    pub near_cache: NearCacheHealth,
}

/// How the near cache is.
///
/// # Examples
///
/// ```
/// use redis_manager::{NearCacheState, RedisManager};
///
/// let health = RedisManager::disabled("not needed here").health();
/// assert_eq!(health.near_cache.state, NearCacheState::Off);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NearCacheHealth {
    /// The state.
    pub state: NearCacheState,
    /// Why it serves nothing, if it was asked for.
    pub reason: Option<String>,
}

/// The states of the near cache.
///
/// # Examples
///
/// ```
/// use redis_manager::{NearCacheState, RedisManager};
///
/// let health = RedisManager::disabled("not needed here").health();
/// assert_eq!(serde_json::to_value(health.near_cache.state).unwrap(), "off");
/// assert_eq!(health.near_cache.state, NearCacheState::Off);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NearCacheState {
    /// There is none: nobody asked for one, or there can be none.
    Off,
    /// The first read will have it begin.
    Idle,
    /// It serves.
    On,
    /// It serves nothing now, and asks the server again by itself.
    Unavailable,
}

/// The states of a manager.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, HealthState, RedisManager};
///
/// let redis = RedisManager::new(Config::from_url("redis://cache.internal"))?;
/// assert_eq!(redis.health().state, HealthState::Idle);
/// # Ok::<(), redis_manager::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthState {
    /// Switched off by configuration, or by a mistake in it.
    Disabled,
    /// Enabled; the first call will connect.
    Idle,
    /// The first attempt to connect is under way.
    Connecting,
    /// Calls are answered.
    Ready,
    /// In a cluster: calls are answered, but for the keys of the nodes that the reason names.
    Degraded,
    /// Enabled, but no answer is to be had: calls are refused at once.
    Unavailable,
}

impl Health {
    pub(super) fn of(road: &Road, built: SystemTime) -> Self {
        let backend = &road.backend;
        let (state, reason, since) = match backend {
            Backend::Disabled(reason) => (HealthState::Disabled, Some(reason.to_string()), built),
            Backend::Embedded(_) | Backend::Guest(_) => (HealthState::Ready, None, built),
            Backend::Server(topology) => match topology.condition() {
                Condition::Idle => (HealthState::Idle, None, built),
                Condition::Connecting => (HealthState::Connecting, None, built),
                Condition::Ready { since } => (HealthState::Ready, None, since),
                Condition::Degraded { reason, since } => (HealthState::Degraded, Some(reason.to_string()), since),
                Condition::Unavailable { reason, since } => (HealthState::Unavailable, Some(reason.to_string()), since),
            },
        };
        let server = match backend {
            Backend::Disabled(_) => "none".to_owned(),
            Backend::Embedded(_) => "memory".to_owned(),
            Backend::Guest(_) => "client".to_owned(),
            Backend::Server(topology) => topology.server(),
        };
        Self {
            state,
            reason,
            since,
            server,
            near_cache: NearCacheHealth::of(road),
        }
    }
}

impl NearCacheHealth {
    fn of(road: &Road) -> Self {
        let condition = match &road.backend {
            Backend::Server(topology) => topology.near_condition(),
            Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => None,
        };
        let (state, reason) = match condition {
            None => (NearCacheState::Off, road.near_obstacle().map(str::to_owned)),
            Some(near::Condition::Idle) => (NearCacheState::Idle, None),
            Some(near::Condition::Serving) => (NearCacheState::On, None),
            Some(near::Condition::Unavailable(reason)) => (NearCacheState::Unavailable, Some(reason.to_string())),
        };
        Self { state, reason }
    }
}
