//! The cache behind a popular macro for functions.

use std::sync::Arc;

use cached::{ConcurrentCachedAsync, stores::AsyncRedisCache};

use super::{EXPIRY, Peer, url};
use crate::Outcome;

/// A cache of texts.
type Texts = Arc<AsyncRedisCache<String, String>>;

/// Two caches of the same keys, since an expiry belongs to a cache.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    /// Stores for ever.
    lasting: Texts,
    /// Stores for a while.
    expiring: Texts,
}

impl Peer for Cached {
    const NAME: &'static str = "cached";
    const WIRING: &'static str = "cached 4.1.0 AsyncRedisCache, RESP2, 1 connection; a write also reads the old value (it is part of its answer)";

    async fn connect(port: u16) -> Outcome<Self> {
        let builder = || AsyncRedisCache::builder("bench").connection_string(&url(port));
        Ok(Self {
            lasting: Arc::new(builder().build().await?),
            expiring: Arc::new(builder().ttl(EXPIRY).build().await?),
        })
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let value = self.lasting.async_cache_get(&key.to_owned()).await;
        value.ok().flatten().map(|text| text.len())
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        let stored = self.lasting.async_cache_set(key.to_owned(), value.to_owned());
        stored.await.is_ok()
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        let stored = self.expiring.async_cache_set(key.to_owned(), value.to_owned());
        stored.await.is_ok()
    }
}
