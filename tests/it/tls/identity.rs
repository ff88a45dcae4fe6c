//! Who proves what to whom: names, addresses, and the client's own certificate.

use redis_manager::Config;

use super::{Authority, RedisManager, RedisServer, Validity, assert_works, manager, manager_with, refusal::reason_of};
use crate::support::certificates::Certified;

fn with_identity(server: &RedisServer, authority: &Authority, client: &Certified) -> RedisManager {
    manager_with(server, authority, |config| {
        config.tls_cert_file = Some(client.certificate.clone());
        config.tls_key_file = Some(client.key.clone());
    })
}

#[tokio::test]
async fn the_certificate_may_bear_another_name_if_that_is_configured() {
    let authority = Authority::new();
    let server = authority.server_with(&authority.certify(&["cache.internal"], Validity::Now), "no");
    let named = |name: &str| {
        manager_with(&server, &authority, |config| {
            config.tls_server_name = Some(name.to_owned());
        })
    };
    assert_works(&named("cache.internal")).await;
    let by_address = manager_with(&server, &authority, |config| {
        config.url = Some(format!("rediss://127.0.0.1:{}", server.port()).into());
        config.tls_server_name = Some("cache.internal".to_owned());
    });
    assert_works(&by_address).await;
    assert_eq!(
        reason_of(&manager(&server, &authority)).await,
        "the server's certificate is not valid for the name localhost"
    );
    assert_eq!(
        reason_of(&named("other.internal")).await,
        "the server's certificate is not valid for the name other.internal"
    );
}

#[tokio::test]
async fn an_address_may_be_the_configured_name() {
    let authority = Authority::new();
    let server = authority.server_with(&authority.certify(&["10.1.2.3", "::1"], Validity::Now), "no");
    for address in ["10.1.2.3", "::1"] {
        let redis = manager_with(&server, &authority, |config| {
            config.tls_server_name = Some(address.to_owned());
        });
        assert_works(&redis).await;
    }
}

#[tokio::test]
async fn a_client_proves_who_it_is_where_the_server_asks_for_that() {
    let authority = Authority::new();
    let known = authority.certify(&["localhost"], Validity::Now);
    let server = authority.server_with(&known, "yes");
    let client = authority.certify(&["a client"], Validity::Now);
    assert_works(&with_identity(&server, &authority, &client)).await;
    assert_eq!(
        reason_of(&manager(&server, &authority)).await,
        "the server asks for a client's certificate: CertificateRequired"
    );
}

#[tokio::test]
async fn a_clients_certificate_that_the_server_does_not_accept_is_told_of() {
    let authority = Authority::new();
    let known = authority.certify(&["localhost"], Validity::Now);
    let server = authority.server_with(&known, "yes");
    let stranger = Authority::new();
    let strangers = stranger.certify(&["a stranger"], Validity::Now);
    let expired = authority.certify(&["a client"], Validity::Past);
    for client in [strangers, expired] {
        let reason = reason_of(&with_identity(&server, &authority, &client)).await;
        let told = "the server does not accept the client's certificate: ";
        assert!(reason.starts_with(told), "{reason}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_the_certificates_is_told_of() {
    let authority = Authority::new();
    let server = authority.server();
    let (one, other) = (
        authority.certify(&["one"], Validity::Now),
        authority.certify(&["other"], Validity::Now),
    );
    let mixed = Certified {
        certificate: one.certificate,
        key: other.key,
    };
    let reason = reason_of(&with_identity(&server, &authority, &mixed)).await;
    assert_eq!(
        reason,
        "REDIS_TLS_KEY_FILE: this is not the key of the certificate in REDIS_TLS_CERT_FILE"
    );
}

#[tokio::test]
async fn a_host_that_no_certificate_can_bear_is_told_of() {
    let authority = Authority::new();
    let server = authority.server();
    let mut config = Config::from_url(format!("rediss://127.1:{}", server.port()));
    config.tls_ca_file = Some(authority.file());
    let reason = reason_of(&RedisManager::new(config).unwrap()).await;
    assert_eq!(reason, "no certificate can bear the name 127.1");
}
