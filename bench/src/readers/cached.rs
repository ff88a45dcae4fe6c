//! The cache behind a popular macro for functions, asked as that macro does.

use std::sync::Arc;

use ::cached::{ConcurrentCachedAsync, stores::AsyncRedisCache};

use super::{LIFE, Reader, Source, url};
use crate::Outcome;

/// What `#[concurrent_cached]` makes of a function: an error of the cache is one of the function, which is not run then.
#[derive(Debug, Clone)]
pub(crate) struct Cached<const MANAGED: bool>(Arc<AsyncRedisCache<String, String>>);

impl<const MANAGED: bool> Reader for Cached<MANAGED> {
    const NAME: &'static str = if MANAGED { "cached_managed" } else { "cached" };
    const WIRING: &'static str = if MANAGED {
        "the same with connection_manager(true)"
    } else {
        "cached 4.1.0 AsyncRedisCache as #[concurrent_cached] asks it, no single flight, RESP2, 1 connection"
    };

    type Value = String;

    async fn connect(port: u16) -> Outcome<Self> {
        let cache = AsyncRedisCache::builder("bench")
            .connection_string(&url(port))
            .connection_manager(MANAGED)
            .ttl(LIFE)
            .build()
            .await?;
        Ok(Self(Arc::new(cache)))
    }

    async fn read(&self, key: &str, source: &Source) -> Option<String> {
        let key = key.to_owned();
        if let Some(value) = self.0.async_cache_get(&key).await.ok()? {
            return Some(value);
        }
        let value = source.clone().load().await.ok()?;
        self.0.async_cache_set(key, value.clone()).await.ok()?;
        Some(value)
    }
}
