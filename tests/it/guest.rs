//! A service over a client that the caller has built and connected.

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{
        Builder, RespVersion,
        config::{Config as FredConfig, Server, ServerConfig},
    },
};
use redis_manager::{ErrorKind, RedisService};

use crate::support::{RedisServer, eventually};

async fn client(server: &RedisServer, version: RespVersion) -> Client {
    let config = FredConfig {
        server: ServerConfig::Centralized {
            server: Server::new("127.0.0.1", server.port()),
        },
        version,
        ..FredConfig::default()
    };
    let client = Builder::from_config(config).build().unwrap();
    client.init().await.unwrap();
    client
}

#[tokio::test]
async fn every_kind_of_operation_works_on_a_client_of_the_callers() {
    let server = RedisServer::start();
    let client = client(&server, RespVersion::RESP3).await;
    let service = RedisService::from_client(&client).unwrap();
    let strings = service.string();
    assert!(strings.set("message", "message").ex(60).await.unwrap());
    let many: Vec<Option<String>> = strings.get_many(["message", "a", "b"]).await.unwrap();
    assert_eq!(many, [Some("message".to_owned()), None, None]);
    let (n, text): (i64, Option<String>) = service
        .pipeline((strings.incr("n"), strings.get("message")))
        .await
        .unwrap();
    assert_eq!((n, text.as_deref()), (1, Some("message")));
    assert_eq!(
        service
            .transaction((strings.incr("n"), strings.incr("n")))
            .await
            .unwrap(),
        (2, 3)
    );
    let mut watch = service.watch("n").await.unwrap();
    assert_eq!(watch.commit((strings.incr("n"),)).await.unwrap(), Some((4,)));
    assert_eq!(service.keys().delete_pattern("*").await.unwrap(), 2);
    let error = strings.incr("").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn its_life_stays_the_callers() {
    let server = RedisServer::start();
    let client = client(&server, RespVersion::RESP3).await;
    let service = RedisService::from_client(&client).unwrap();
    service.transaction((service.string().incr("n"),)).await.unwrap();
    drop(service);
    assert!(client.ping::<String>(None).await.is_ok(), "it is still connected");
    eventually("only the caller's connection is left", || async {
        server.command(&["INFO", "clients"]).contains("connected_clients:2")
    })
    .await;
    let service = RedisService::from_client(&client).unwrap();
    client.quit().await.unwrap();
    assert!(service.string().incr("n").await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn a_client_that_does_not_speak_resp3_is_refused_with_that_reason() {
    let server = RedisServer::start();
    let client = client(&server, RespVersion::RESP2).await;
    let error = RedisService::from_client(&client).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("RESP3"), "{error}");
}

#[tokio::test]
async fn a_client_for_a_cluster_is_refused() {
    let config = FredConfig {
        server: ServerConfig::new_clustered(vec![("127.0.0.1", 1_u16)]),
        version: RespVersion::RESP3,
        ..FredConfig::default()
    };
    let client = Builder::from_config(config).build().unwrap();
    let error = RedisService::from_client(&client).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("cluster"), "{error}");
}
