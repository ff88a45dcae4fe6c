//! A cache of two tiers, without the tier in this process.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use multi_tier_cache::{CacheBackend, RedisCache};

use super::{EXPIRY, Peer, url};
use crate::Outcome;

/// The second tier alone.
#[derive(Clone)]
pub(crate) struct MultiTier(Arc<RedisCache>);

/// It stores nothing without an expiry, so that "for ever" is this long.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

impl Peer for MultiTier {
    const NAME: &'static str = "multi_tier";
    const WIRING: &'static str = "multi-tier-cache 0.6.9 RedisCache, RESP2, 1 connection; always stores with an expiry";

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(Arc::new(RedisCache::with_url(&url(port)).await?)))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        self.0.get(key).await.map(|bytes| bytes.len())
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        let value = Bytes::copy_from_slice(value.as_bytes());
        self.0.set_with_ttl(key, value, LONG).await.is_ok()
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        let value = Bytes::copy_from_slice(value.as_bytes());
        self.0.set_with_ttl(key, value, EXPIRY).await.is_ok()
    }
}
