//! Another pool of redis-rs connections that asks each whether it lives before it lends it.

use bb8_redis::{RedisConnectionManager, bb8::Pool};

use super::{Peer, redis_rs, url};
use crate::Outcome;

/// The pool with default settings.
#[derive(Debug, Clone)]
pub(crate) struct Bb8(Pool<RedisConnectionManager>);

impl Peer for Bb8 {
    const NAME: &'static str = "bb8";
    const WIRING: &'static str = "bb8-redis 0.26.0, RESP2, its default of 10 connections";

    async fn connect(port: u16) -> Outcome<Self> {
        let manager = RedisConnectionManager::new(url(port))?;
        Ok(Self(Pool::builder().build(manager).await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let mut connection = self.0.get().await.ok()?;
        redis_rs::get(&mut *connection, key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        match self.0.get().await {
            Ok(mut connection) => redis_rs::set(&mut *connection, key, value).await,
            Err(_) => false,
        }
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        match self.0.get().await {
            Ok(mut connection) => redis_rs::set_px(&mut *connection, key, value).await,
            Err(_) => false,
        }
    }
}
