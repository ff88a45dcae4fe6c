//! A client that batches what is to be written.

use rustis::{
    client::Client,
    commands::{SetExpiration, StringCommands},
};

use super::{EXPIRY_MILLIS, Peer, url};
use crate::Outcome;

/// One connection.
#[derive(Clone)]
pub(crate) struct Rustis(Client);

impl Rustis {
    /// Connects to whatever the URL names.
    pub(super) async fn connect_to(url: String) -> Outcome<Self> {
        Ok(Self(Client::connect(url).await?))
    }
}

impl Peer for Rustis {
    const NAME: &'static str = "rustis";
    const WIRING: &'static str = "rustis 0.27.2, RESP3, 1 connection";

    async fn connect(port: u16) -> Outcome<Self> {
        Self::connect_to(url(port)).await
    }

    async fn get(&mut self, key: &str) -> Option<usize> {
        let value: Option<String> = self.0.get(key).await.ok()?;
        value.map(|text| text.len())
    }

    async fn set(&mut self, key: &str, value: &str) -> bool {
        self.0.set(key, value).await.is_ok()
    }

    async fn set_px(&mut self, key: &str, value: &str) -> bool {
        let expiry = SetExpiration::Px(EXPIRY_MILLIS.into());
        let stored: Result<bool, _> = self.0.set_with_options(key, value, None, expiry).await;
        stored.unwrap_or(false)
    }
}
