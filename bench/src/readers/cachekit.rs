//! The closest rival: a cache with a breaker, on the same client library, an older version of it.

use ::cachekit::{
    CacheKit, CachekitError,
    error::BackendErrorKind::{Backpressure, CircuitOpen},
};

use super::{LIFE, Reader, Source, url};
use crate::Outcome;

/// Its preset for services, asked as its documentation of single flight says and its macro does, with or without the tier in this process.
#[derive(Clone)]
pub(crate) struct Cachekit<const TIERED: bool>(CacheKit);

impl<const TIERED: bool> Cachekit<TIERED> {
    /// Returns what is cached. What its macro takes for an outage is none; any other error is the caller's.
    async fn cached(&self, key: &str) -> Result<Option<String>, CachekitError> {
        match self.0.get(key).await {
            Err(CachekitError::Backend(error))
                if error.kind.is_retryable() || matches!(error.kind, CircuitOpen | Backpressure) =>
            {
                Ok(None)
            }
            Err(CachekitError::Serialization(_)) => Ok(None),
            answer => answer,
        }
    }
}

impl<const TIERED: bool> Reader for Cachekit<TIERED> {
    const NAME: &'static str = if TIERED { "cachekit_l1" } else { "cachekit" };
    const WIRING: &'static str = if TIERED {
        "cachekit-rs 0.13.1 production with single_flight as #[cachekit] asks it, in this process and Redis, its default; RESP2, 1 connection"
    } else {
        "cachekit-rs 0.13.1 production with single_flight as #[cachekit] asks it, no L1, RESP2, 1 connection"
    };

    type Value = String;

    async fn connect(port: u16) -> Outcome<Self> {
        let builder = CacheKit::production(&url(port)).await?.namespace("bench");
        let builder = if TIERED { builder } else { builder.no_l1() };
        Ok(Self(builder.build()?))
    }

    async fn read(&self, key: &str, source: &Source) -> Option<String> {
        if let Some(value) = self.cached(key).await.ok()? {
            return Some(value);
        }
        let mut flight = self.0.single_flight(key).await;
        while flight.wait_for_fill().await {
            if let Some(value) = self.cached(key).await.ok()? {
                flight.release().await;
                return Some(value);
            }
        }
        let value = source.clone().load().await.ok();
        if let Some(value) = &value {
            // Its macro returns the value whether it could be stored or not.
            self.0.set_with_ttl(key, value, LIFE).await.ok();
        }
        flight.release().await;
        value
    }
}
