//! The plain client library that the manager is built on, used as its own documentation says.

use std::time::Duration;

use fred::{
    clients::Pool,
    interfaces::ClientLike,
    types::{
        Builder, RespVersion,
        config::{Config, Server, ServerConfig, TcpConfig},
    },
};

use crate::{Outcome, server::RedisServer};

/// Connects a pool with a deadline like the manager's, and as many connections.
///
/// # Errors
///
/// - The server does not answer.
pub(crate) async fn plain_pool(server: &RedisServer) -> Outcome<Pool> {
    let config = Config {
        server: ServerConfig::Centralized {
            server: Server::new("127.0.0.1", server.port()),
        },
        version: RespVersion::RESP3,
        ..Config::default()
    };
    let pool = Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
        })
        .with_performance_config(|performance| performance.default_command_timeout = Duration::from_millis(500))
        .build_pool(1)?;
    pool.init().await?;
    Ok(pool)
}
