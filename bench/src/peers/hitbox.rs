//! A caching framework's way to Redis, without the framework around it.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hitbox::{CacheKey, CacheValue};
use hitbox_backend::Backend;
use hitbox_redis::{ConnectionMode, RedisBackend};

use super::{EXPIRY, Peer, url};
use crate::Outcome;

/// The backend with default settings.
#[derive(Clone)]
pub(crate) struct Hitbox(Arc<RedisBackend>);

impl Hitbox {
    /// Stores until then.
    async fn write(&self, key: &str, value: &str, expiry: Option<DateTime<Utc>>) -> bool {
        let value = CacheValue::new(Bytes::copy_from_slice(value.as_bytes()), expiry, None);
        self.0.write(&CacheKey::from_str("k", key), value).await.is_ok()
    }
}

impl Peer for Hitbox {
    const NAME: &'static str = "hitbox";
    const WIRING: &'static str = "hitbox-redis 0.2.1 backend, RESP2, 1 connection; a value is a hash of its own";

    async fn connect(port: u16) -> Outcome<Self> {
        let builder = RedisBackend::builder().connection(ConnectionMode::single(url(port)));
        Ok(Self(Arc::new(builder.build()?)))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let value = self.0.read(&CacheKey::from_str("k", key)).await.ok()?;
        value.map(|value| value.data().len())
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        self.write(key, value, None).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        self.write(key, value, Some(Utc::now() + EXPIRY)).await
    }
}
