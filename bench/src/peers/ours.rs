//! `redis-manager`, by its forgiving face.

use std::{sync::Arc, time::Duration};

use redis_manager::{Config, RedisManager};
use tokio::time::sleep;

use super::{EXPIRY_MILLIS, Peer, url};
use crate::Outcome;

/// The manager with default settings.
#[derive(Debug, Clone)]
pub(crate) struct Ours(Arc<RedisManager>);

/// The manager with a near cache.
#[derive(Debug, Clone)]
pub(crate) struct Near(Ours);

/// Memory of the near cache.
const NEAR_CACHE_MB: u32 = 64;

/// How often the near cache is asked until it counts as missing: it takes its time to connect.
const PROBES: usize = 100;

/// The pause after each time.
const PAUSE: Duration = Duration::from_millis(10);

impl Ours {
    /// Connects a manager with that configuration.
    pub(super) async fn configured(config: Config) -> Outcome<Self> {
        let manager = RedisManager::new(config)?;
        manager.initialize().await;
        Ok(Self(Arc::new(manager)))
    }

    /// Returns the manager.
    pub(crate) fn manager(&self) -> &RedisManager {
        &self.0
    }
}

impl Near {
    /// Returns the manager.
    pub(crate) fn manager(&self) -> &RedisManager {
        self.0.manager()
    }

    /// Says whether this build of the library has a near cache, and it answers.
    pub(crate) async fn is_at_work(&mut self) -> bool {
        let key = "near:probe";
        for _ in 0..PROBES {
            let before = self.hits();
            if !self.set(key, key).await {
                return false;
            }
            for _ in 0..3 {
                self.get(key).await;
            }
            if self.hits() > before {
                return true;
            }
            sleep(PAUSE).await;
        }
        false
    }

    /// Says how often the near cache had the answer; `None` if this build of the library has none.
    pub(crate) fn hits(&self) -> Option<u64> {
        let metrics = serde_json::to_value(self.0.manager().metrics()).ok()?;
        metrics.get("near_hits")?.as_u64()
    }
}

impl Peer for Ours {
    const NAME: &'static str = "ours";
    const WIRING: &'static str = "redis-manager, RESP3, 1 connection";

    async fn connect(port: u16) -> Outcome<Self> {
        Self::configured(Config::from_url(url(port))).await
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        self.0.get(key).await.map(|text| text.len())
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        self.0.set(key, value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        self.0.set(key, value).px(EXPIRY_MILLIS.into()).await
    }
}

impl Peer for Near {
    const NAME: &'static str = "ours_near";
    const WIRING: &'static str =
        "redis-manager with a near cache of 64 MB, RESP3, 1 connection and that for invalidations";

    async fn connect(port: u16) -> Outcome<Self> {
        let mut config = Config::from_url(url(port));
        config.near_cache_mb = NEAR_CACHE_MB;
        Ok(Self(Ours::configured(config).await?))
    }

    as_the_one_inside!();
}
