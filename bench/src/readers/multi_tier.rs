//! A cache of two tiers.

use std::sync::Arc;

use bytes::Bytes;
use multi_tier_cache::{CacheStrategy, CacheSystem, CacheSystemBuilder, RedisCache, TierConfig, error::CacheError};

use super::{LIFE, Reader, Source, url};
use crate::Outcome;

/// `get_or_compute_with`, with or without the tier in this process.
#[derive(Clone)]
pub(crate) struct MultiTier<const TIERED: bool>(Arc<CacheSystem>);

impl<const TIERED: bool> Reader for MultiTier<TIERED> {
    const NAME: &'static str = if TIERED { "multi_tier_l1" } else { "multi_tier" };
    const WIRING: &'static str = if TIERED {
        "multi-tier-cache 0.6.9 get_or_compute_with, in this process and Redis, its default; RESP2, 1 connection"
    } else {
        "multi-tier-cache 0.6.9 get_or_compute_with, Redis as its only tier, RESP2, 1 connection"
    };

    type Value = Bytes;

    async fn connect(port: u16) -> Outcome<Self> {
        let system = if TIERED {
            CacheSystem::with_redis_url(&url(port)).await?
        } else {
            let redis = Arc::new(RedisCache::with_url(&url(port)).await?);
            CacheSystemBuilder::new()
                .with_tier(redis, TierConfig::as_l1())
                .build()
                .await?
        };
        Ok(Self(Arc::new(system)))
    }

    async fn read(&self, key: &str, source: &Source) -> Option<Bytes> {
        let load = || async {
            let value = source.clone().load().await;
            value
                .map(Bytes::from)
                .map_err(|failure| CacheError::InternalError(failure.to_string()))
        };
        let strategy = CacheStrategy::Custom(LIFE);
        let value = self.0.cache_manager().get_or_compute_with(key, strategy, load).await;
        value.ok()
    }
}
