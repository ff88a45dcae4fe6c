//! A pool of redis-rs connections that asks each whether it lives before it lends it.

use deadpool_redis::{Config, Pool, Runtime};

use super::{Peer, redis_rs, url};
use crate::Outcome;

/// The pool with default settings.
#[derive(Clone)]
pub(crate) struct Deadpool(Pool);

impl Peer for Deadpool {
    const NAME: &'static str = "deadpool";
    const WIRING: &'static str = "deadpool-redis 0.23.1, RESP2, its default of connections: twice the cores";

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(Config::from_url(url(port)).create_pool(Some(Runtime::Tokio1))?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let mut connection = self.0.get().await.ok()?;
        redis_rs::get(&mut connection, key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        match self.0.get().await {
            Ok(mut connection) => redis_rs::set(&mut connection, key, value).await,
            Err(_) => false,
        }
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        match self.0.get().await {
            Ok(mut connection) => redis_rs::set_px(&mut connection, key, value).await,
            Err(_) => false,
        }
    }
}
