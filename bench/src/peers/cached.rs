//! The cache behind a popular macro for functions.

use std::sync::Arc;

use cached::{ConcurrentCachedAsync, stores::AsyncRedisCache};

use super::{EXPIRY, Peer, url};
use crate::Outcome;

/// A cache of texts.
type Texts = Arc<AsyncRedisCache<String, String>>;

/// With a connection that never comes back, its default.
pub(crate) type Cached = Caches<false>;

/// With a connection that comes back.
pub(crate) type CachedManaged = Caches<true>;

/// Two caches of the same keys, since an expiry belongs to a cache.
#[derive(Debug, Clone)]
pub(crate) struct Caches<const MANAGED: bool> {
    /// Stores for ever.
    lasting: Texts,
    /// Stores for a while.
    expiring: Texts,
}

impl<const MANAGED: bool> Peer for Caches<MANAGED> {
    const NAME: &'static str = if MANAGED { "cached_managed" } else { "cached" };
    const WIRING: &'static str = if MANAGED {
        "cached 4.1.0 AsyncRedisCache with connection_manager(true), RESP2, 1 connection"
    } else {
        "cached 4.1.0 AsyncRedisCache, RESP2, 1 connection; a write also reads the old value (it is part of its answer)"
    };

    async fn connect(port: u16) -> Outcome<Self> {
        let builder = || {
            AsyncRedisCache::builder("bench")
                .connection_string(&url(port))
                .connection_manager(MANAGED)
        };
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
