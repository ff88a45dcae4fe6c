//! Clients that have nothing to do with the manager: the library that it is built on, as its documentation makes it, and one that blocks.

use std::time::Duration;

use fred::{
    clients::Pool,
    interfaces::ClientLike,
    types::{
        Builder, RespVersion,
        config::{ClusterDiscoveryPolicy, Config, Server, ServerConfig, TcpConfig},
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

/// Connects as somebody else would, whose calls block the thread.
///
/// # Errors
///
/// - The server does not answer.
pub(crate) fn blocking(port: u16) -> Outcome<redis::Connection> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    Ok(client.get_connection()?)
}

/// Connects so many connections with a deadline like the manager's.
///
/// # Errors
///
/// - The server does not answer.
pub(crate) async fn pool(port: u16, connections: usize) -> Outcome<Pool> {
    let server = Server::new("127.0.0.1", port);
    connect(ServerConfig::Centralized { server }, connections).await
}

/// Connects one connection to each node of a cluster, which is found by one of them, with a deadline like the manager's.
///
/// # Errors
///
/// - The node does not answer.
pub(crate) async fn cluster(port: u16) -> Outcome<Pool> {
    let server = ServerConfig::Clustered {
        hosts: vec![Server::new("127.0.0.1", port)],
        policy: ClusterDiscoveryPolicy::default(),
    };
    connect(server, 1).await
}

/// Connects to a server, or to a cluster.
async fn connect(server: ServerConfig, connections: usize) -> Outcome<Pool> {
    let config = Config {
        server,
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
