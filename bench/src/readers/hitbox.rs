//! A caching framework, by its macro for functions.

use ::hitbox::{
    concurrency::BroadcastConcurrencyManager,
    policy::{ConcurrencyLimit, PolicyConfig},
};
use hitbox_fn::{Cache, cached};
use hitbox_redis::{ConnectionMode, RedisBackend};

use super::{Failure, LIFE, Reader, Source, url};
use crate::Outcome;

/// One function call at a time for each key; who waits gets its answer.
#[derive(Clone)]
pub(crate) struct Hitbox(Cache<RedisBackend, BroadcastConcurrencyManager<Result<String, Failure>>>);

/// The function that is cached.
#[cached(skip(source))]
async fn value_of(_key: String, source: Source) -> Result<String, Failure> {
    source.load().await
}

impl Reader for Hitbox {
    const NAME: &'static str = "hitbox";
    const WIRING: &'static str =
        "hitbox-fn 0.2.1 #[cached] with a BroadcastConcurrencyManager on hitbox-redis 0.2.1, RESP2, 1 connection";

    type Value = String;

    async fn connect(port: u16) -> Outcome<Self> {
        let one = ConcurrencyLimit::new(1).ok_or("one is no limit")?;
        let backend = RedisBackend::builder().connection(ConnectionMode::single(url(port)));
        let cache = Cache::builder()
            .backend(backend.build()?)
            .policy(PolicyConfig::builder().ttl(LIFE).concurrency(one).build())
            .concurrency_manager(BroadcastConcurrencyManager::new())
            .build();
        Ok(Self(cache))
    }

    async fn read(&self, key: &str, source: &Source) -> Option<String> {
        value_of(key.to_owned(), source.clone()).cache(&self.0).await.ok()
    }
}
