//! Certificates that are replaced while the program runs, and files that are not there.

use std::fs;

use super::{Authority, Validity, assert_works, manager, manager_with, refusal::reason_of};
use crate::support::is_back;

#[tokio::test]
async fn a_file_that_is_replaced_counts_from_the_next_connection_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = old.server();
    let redis = manager(&server, &old);
    assert_works(&redis).await;
    new.certify(&["localhost"], Validity::Now).renew(&server);
    fs::copy(new.file(), old.file()).unwrap();
    assert_eq!(redis.get("k").await.as_deref(), Some("v"), "the connection goes on");
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    is_back(&redis).await;
    assert_eq!(redis.metrics().connects, 2);
}

#[tokio::test]
async fn a_certificate_that_is_renewed_at_the_server_ends_the_outage() {
    let authority = Authority::new();
    let server = authority.server_with(&authority.certify(&["localhost"], Validity::Past), "no");
    let redis = manager(&server, &authority);
    assert_eq!(reason_of(&redis).await, "the server's certificate has expired");
    authority.certify(&["localhost"], Validity::Now).renew(&server);
    is_back(&redis).await;
    assert_eq!(redis.health().reason, None);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_and_read_when_it_comes() {
    let authority = Authority::new();
    let server = authority.server();
    let late = authority.file().with_file_name("late.pem");
    let redis = manager_with(&server, &authority, |config| config.tls_ca_file = Some(late.clone()));
    let reason = reason_of(&redis).await;
    let told = format!("REDIS_TLS_CA_FILE: {} cannot be read: ", late.display());
    assert!(reason.starts_with(&told), "{reason}");
    fs::copy(authority.file(), late).unwrap();
    is_back(&redis).await;
}

#[tokio::test]
async fn a_file_that_holds_something_else_is_named_and_not_shown() {
    let authority = Authority::new();
    let server = authority.server();
    let client = authority.certify(&["a client"], Validity::Now);
    for text in [
        "",
        "sesame",
        "-----BEGIN sesame",
        "-----BEGIN PRIVATE KEY-----\nsesame\n",
    ] {
        let other = authority.file().with_file_name("other.pem");
        fs::write(&other, text).unwrap();
        for (variable, what) in [
            ("REDIS_TLS_CA_FILE", "certificate"),
            ("REDIS_TLS_CERT_FILE", "certificate"),
            ("REDIS_TLS_KEY_FILE", "private key without a passphrase"),
        ] {
            let redis = manager_with(&server, &authority, |config| {
                config.tls_cert_file = Some(client.certificate.clone());
                config.tls_key_file = Some(client.key.clone());
                let file = match variable {
                    "REDIS_TLS_CA_FILE" => &mut config.tls_ca_file,
                    "REDIS_TLS_CERT_FILE" => &mut config.tls_cert_file,
                    _ => &mut config.tls_key_file,
                };
                *file = Some(other.clone());
            });
            let told = format!("{variable}: {} holds no {what}, as PEM", other.display());
            assert_eq!(reason_of(&redis).await, told);
        }
    }
}
