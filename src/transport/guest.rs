//! A client that the caller has built and connected. Its life is the caller's: no gate, no supervisor, no heartbeat.

use std::time::Duration;

use fred::{
    clients::{Client, WithOptions},
    interfaces::ClientLike,
    types::config::{Options, ServerConfig},
};

use super::{connection::Connection, failure::Failure, wire};
use crate::{
    command::Command,
    error::{Error, ErrorKind, Result},
    reply::Reply,
};

/// The caller's client.
#[derive(Debug)]
pub(crate) struct Guest {
    client: WithOptions<Client>,
    deadline: Duration,
}

/// The deadline of a call where the client has none of its own.
const DEADLINE: Duration = Duration::from_millis(500);

impl Guest {
    /// # Errors
    ///
    /// - The client does not speak RESP3, or is one for a cluster or for Sentinel: its replies could be taken for others'.
    pub(crate) fn new(client: &Client) -> Result<Self> {
        let unsupported = |why| Err(Error::new(ErrorKind::Unsupported, why));
        let inner = client.inner();
        if !inner.is_resp3() {
            return unsupported(
                "the client does not speak RESP3: values that look like messages would bring its replies out of step",
            );
        }
        if !matches!(
            inner.config.server,
            ServerConfig::Centralized { .. } | ServerConfig::Unix { .. }
        ) {
            return unsupported(
                "the client is not for one server: a cluster's, or Sentinel's, takes values for redirections",
            );
        }
        let own = inner.default_command_timeout();
        let deadline = if own.is_zero() { DEADLINE } else { own };
        let options = Options {
            max_attempts: Some(1),
            timeout: Some(deadline),
            fail_fast: true,
            ..Options::default()
        };
        Ok(Self {
            client: client.with_options(&options),
            deadline,
        })
    }

    pub(super) async fn send(&self, command: Command) -> Result<Reply> {
        wire::send(&self.client, command).await.map_err(Failure::into_error)
    }

    /// Opens a connection with the client's own configuration.
    pub(super) async fn connection(&self) -> Result<Connection> {
        let client = self.client.clone_new();
        let opened = Box::pin(Connection::establish(client, self.deadline)).await;
        opened.map_err(|refusal| Error::new(ErrorKind::Unavailable, refusal.reason).unsent())
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }
}
