//! The client library that the manager is built on.

use fred::{clients::Pool, interfaces::KeysInterface, types::Expiration};

use super::{EXPIRY_MILLIS, Peer};
use crate::{Outcome, rival};

/// One connection.
pub(crate) type Fred = Pooled<1>;

/// A pool of so many connections that take turns.
#[derive(Debug, Clone)]
pub(crate) struct Pooled<const CONNECTIONS: usize>(Pool);

impl<const CONNECTIONS: usize> Peer for Pooled<CONNECTIONS> {
    const NAME: &'static str = match CONNECTIONS {
        1 => "fred",
        2 => "fred_pool2",
        _ => "fred_pool4",
    };
    const WIRING: &'static str = match CONNECTIONS {
        1 => "fred 10.1.0, RESP3, 1 connection, deadline 500 ms",
        2 => "fred 10.1.0, RESP3, 2 connections, deadline 500 ms",
        _ => "fred 10.1.0, RESP3, 4 connections, deadline 500 ms",
    };

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(rival::pool(port, CONNECTIONS).await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let value = self.0.next().get::<Option<String>, _>(key).await;
        value.ok().flatten().map(|text| text.len())
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        let stored = self.0.next().set::<(), _, _>(key, value, None, None, false);
        stored.await.is_ok()
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        let expiry = Some(Expiration::PX(EXPIRY_MILLIS.into()));
        let stored = self.0.next().set::<(), _, _>(key, value, expiry, None, false);
        stored.await.is_ok()
    }
}
