//! The client library that the manager is built on.

use std::time::Duration;

use fred::{
    clients::{Client, Pool},
    interfaces::{ClientLike, KeysInterface},
    types::{
        Builder, Expiration,
        config::{Config, ReconnectPolicy},
    },
};

use super::{EXPIRY_MILLIS, Peer, url};
use crate::{Outcome, rival};

/// One connection, as fast as it gets.
pub(crate) type Fred = Pooled<1>;

/// A pool of so many connections that take turns.
#[derive(Debug, Clone)]
pub(crate) struct Pooled<const CONNECTIONS: usize>(Pool);

/// One connection as the documentation makes it: it reconnects, and waits for ever.
#[derive(Debug, Clone)]
pub(crate) struct Patient(Pool);

/// The same with a deadline like the manager's.
#[derive(Debug, Clone)]
pub(crate) struct Hurried(Pool);

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
        get(self.0.next(), key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        set(self.0.next(), key, value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        set_px(self.0.next(), key, value).await
    }
}

impl Peer for Patient {
    const NAME: &'static str = "fred";
    const WIRING: &'static str = "fred 10.1.0 with a policy to reconnect, RESP2, 1 connection";

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(reconnecting(port, Duration::ZERO).await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        get(self.0.next(), key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        set(self.0.next(), key, value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        set_px(self.0.next(), key, value).await
    }
}

impl Peer for Hurried {
    const NAME: &'static str = "fred_deadline";
    const WIRING: &'static str = "the same with a deadline of 500 ms";

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(reconnecting(port, Duration::from_millis(500)).await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        get(self.0.next(), key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        set(self.0.next(), key, value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        set_px(self.0.next(), key, value).await
    }
}

/// Connects a connection that comes back, with a deadline for each command; zero is none.
async fn reconnecting(port: u16, deadline: Duration) -> Outcome<Pool> {
    let pool = Builder::from_config(Config::from_url(&url(port))?)
        .with_performance_config(|performance| performance.default_command_timeout = deadline)
        .set_policy(ReconnectPolicy::new_exponential(0, 100, 2_000, 2))
        .build_pool(1)?;
    pool.init().await?;
    Ok(pool)
}

/// Reads.
pub(super) async fn get(client: &Client, key: &str) -> Option<usize> {
    let value = client.get::<Option<String>, _>(key).await;
    value.ok().flatten().map(|text| text.len())
}

/// Stores.
pub(super) async fn set(client: &Client, key: &str, value: &str) -> bool {
    client.set::<(), _, _>(key, value, None, None, false).await.is_ok()
}

/// Stores for a while.
pub(super) async fn set_px(client: &Client, key: &str, value: &str) -> bool {
    let expiry = Some(Expiration::PX(EXPIRY_MILLIS.into()));
    client.set::<(), _, _>(key, value, expiry, None, false).await.is_ok()
}
