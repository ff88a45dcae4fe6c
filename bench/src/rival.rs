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

/// Connects one connection with a deadline like the manager's.
///
/// # Errors
///
/// - The server does not answer.
pub(crate) async fn plain_pool(server: &RedisServer) -> Outcome<Pool> {
    pool(server.port(), 1).await
}

/// Connects so many connections with a deadline like the manager's.
///
/// # Errors
///
/// - The server does not answer.
pub(crate) async fn pool(port: u16, connections: usize) -> Outcome<Pool> {
    let config = Config {
        server: ServerConfig::Centralized {
            server: Server::new("127.0.0.1", port),
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
        .build_pool(connections)?;
    pool.init().await?;
    Ok(pool)
}
