//! The client that most services use.

use redis::{
    AsyncCommands, Client,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};

use super::{EXPIRY_MILLIS, Peer, url};
use crate::Outcome;

/// One connection that never comes back.
#[derive(Debug, Clone)]
pub(crate) struct Multiplexed(MultiplexedConnection);

/// One connection that comes back.
#[derive(Clone)]
pub(crate) struct Managed(ConnectionManager);

/// The same, not connected before it is first used.
#[derive(Clone)]
pub(crate) struct Lazy(ConnectionManager);

impl Peer for Multiplexed {
    const NAME: &'static str = "redis_rs";
    const WIRING: &'static str = "redis-rs 1.8.1 MultiplexedConnection, RESP2, 1 connection";

    async fn connect(port: u16) -> Outcome<Self> {
        let client = Client::open(url(port))?;
        Ok(Self(client.get_multiplexed_async_connection().await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        get(&mut self.0, key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        set(&mut self.0, key, value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        set_px(&mut self.0, key, value).await
    }
}

impl Peer for Managed {
    const NAME: &'static str = "redis_rs_manager";
    const WIRING: &'static str = "redis-rs 1.8.1 ConnectionManager, RESP2, 1 connection";

    async fn connect(port: u16) -> Outcome<Self> {
        Ok(Self(ConnectionManager::new(Client::open(url(port))?).await?))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        get(&mut self.0, key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        set(&mut self.0, key, value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        set_px(&mut self.0, key, value).await
    }
}

impl Peer for Lazy {
    const NAME: &'static str = "redis_rs_lazy";
    const WIRING: &'static str = "redis-rs 1.8.1 ConnectionManager, lazy, RESP2, 1 connection";

    async fn connect(port: u16) -> Outcome<Self> {
        let client = Client::open(url(port))?;
        let manager = ConnectionManager::new_lazy_with_config(client, ConnectionManagerConfig::new())?;
        Ok(Self(manager))
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        get(&mut self.0, key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        set(&mut self.0, key, value).await
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        set_px(&mut self.0, key, value).await
    }
}

/// Reads by any connection of this client.
pub(super) async fn get(connection: &mut impl AsyncCommands, key: &str) -> Option<usize> {
    let value: Option<String> = connection.get(key).await.ok()?;
    value.map(|text| text.len())
}

/// Stores by any connection of this client.
pub(super) async fn set(connection: &mut impl AsyncCommands, key: &str, value: &str) -> bool {
    connection.set::<_, _, ()>(key, value).await.is_ok()
}

/// Stores for a while by any connection of this client.
pub(super) async fn set_px(connection: &mut impl AsyncCommands, key: &str, value: &str) -> bool {
    let stored = connection.pset_ex::<_, _, ()>(key, value, EXPIRY_MILLIS.into());
    stored.await.is_ok()
}
