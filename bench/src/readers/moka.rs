//! A cache in this process, without Redis.

use std::sync::Arc;

use ::moka::future::Cache;
use tokio::task::coop::consume_budget;

use super::{Failure, LIFE, Reader, Source};
use crate::Outcome;

/// `try_get_with`, which loads once for all who wait.
#[derive(Clone)]
pub(crate) struct Moka(Cache<String, String>);

/// More than all keys.
const CAPACITY: u64 = 20_000;

impl Reader for Moka {
    const NAME: &'static str = "moka";
    const WIRING: &'static str = "moka 0.12.16 try_get_with, in this process only: no Redis";

    type Value = String;

    async fn connect(_port: u16) -> Outcome<Self> {
        let cache = Cache::builder().max_capacity(CAPACITY).time_to_live(LIFE);
        Ok(Self(cache.build()))
    }

    async fn read(&self, key: &str, source: &Source) -> Option<String> {
        // A hit never waits, and tasks that never wait would leave no thread of the runtime to anybody else.
        consume_budget().await;
        let value: Result<String, Arc<Failure>> = self.0.try_get_with_by_ref(key, source.clone().load()).await;
        value.ok()
    }
}
