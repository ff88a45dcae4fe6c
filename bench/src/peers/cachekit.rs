//! The closest rival: a cache with a breaker, on the same client library, an older version of it.

use std::time::Duration;

use cachekit::CacheKit;

use super::{EXPIRY, Peer, url};
use crate::Outcome;

/// Its preset for speed, without the tier in this process.
#[derive(Clone)]
pub(crate) struct Cachekit(CacheKit);

/// Its preset for services, without the tier in this process: it comes back, retries, and has a breaker.
#[derive(Clone)]
pub(crate) struct Production(Cachekit);

/// It stores nothing without an expiry, so that "for ever" is this long.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

impl Peer for Cachekit {
    const NAME: &'static str = "cachekit";
    const WIRING: &'static str =
        "cachekit-rs 0.13.1 minimal, no L1, RESP2, 1 connection, deadline 5 s; always stores with an expiry";

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(
            CacheKit::minimal(&url(port))
                .await?
                .namespace("bench")
                .no_l1()
                .build()?,
        ))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let value: Option<String> = self.0.get(key).await.ok()?;
        value.map(|text| text.len())
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        self.0.set_with_ttl(key, &value, LONG).await.is_ok()
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        self.0.set_with_ttl(key, &value, EXPIRY).await.is_ok()
    }
}

impl Peer for Production {
    const NAME: &'static str = "cachekit";
    const WIRING: &'static str = "cachekit-rs 0.13.1 production, no L1, RESP2, 1 connection, deadline 5 s";

    async fn connect(port: u16) -> Outcome<Self> {
        let builder = CacheKit::production(&url(port)).await?;
        Ok(Self(Cachekit(builder.namespace("bench").no_l1().build()?)))
    }

    as_the_one_inside!();
}
