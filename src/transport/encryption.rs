//! Encrypted connections: what fred is told of them, and what it tells of those that were refused.

#[cfg(feature = "tls")]
mod certificates;

use std::time::Duration;

use fred::types::config::Config as FredConfig;
use tokio::net::TcpStream;

use crate::{
    breaker::Severity,
    config::{Endpoint, TlsSettings},
};

#[cfg(not(feature = "tls"))]
const WITHOUT: &str = "this program was built without the feature `tls`";

/// Has fred encrypt. The files are read each time, so that one that was replaced counts from the next connection on.
///
/// # Errors
///
/// - A file cannot be read, does not hold what it should, or does not fit another; the reason names its variable.
/// - This program was built without the feature `tls`: whoever asks for encryption never gets a connection without it.
#[cfg(feature = "tls")]
pub(super) async fn encrypt(config: &mut FredConfig, tls: &TlsSettings, within: Duration) -> Result<(), String> {
    use fred::types::config::{ServerConfig, TlsConnector};

    let connector: TlsConnector = client_config(tls, within).await?.into();
    config.tls = Some(connector.into());
    if let (ServerConfig::Centralized { server }, Some(name)) = (&mut config.server, &tls.server_name) {
        server.tls_server_name = Some(name.as_str().into());
    }
    Ok(())
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
pub(super) async fn encrypt(_: &mut FredConfig, _: &TlsSettings, _: Duration) -> Result<(), String> {
    Err(WITHOUT.to_owned())
}

/// Encrypts a connection that is none of fred's. The files are read each time.
///
/// # Errors
///
/// - As [`encrypt`]; or the server refuses, or is not who it should be, as [`explain`] tells.
#[cfg(feature = "tls")]
pub(super) async fn wrap(
    stream: TcpStream,
    tls: &TlsSettings,
    endpoint: &Endpoint,
    within: Duration,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Explained> {
    use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

    let config = client_config(tls, within).await.map_err(Explained::lasting)?;
    let host = name(tls, endpoint);
    let invalid = |_invalid| Explained::lasting(format!("no certificate can bear the name {host}"));
    let server = ServerName::try_from(host.clone()).map_err(invalid)?;
    let connected = TlsConnector::from(std::sync::Arc::new(config))
        .connect(server, stream)
        .await;
    connected.map_err(|error| {
        let told = format!("{error:?}");
        explain(&told, tls, endpoint).unwrap_or_else(|| Explained {
            reason: error.to_string(),
            severity: Severity::Passing,
        })
    })
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
pub(super) async fn wrap(_: TcpStream, _: &TlsSettings, _: &Endpoint, _: Duration) -> Result<TcpStream, Explained> {
    Err(Explained::lasting(WITHOUT.to_owned()))
}

#[cfg(feature = "tls")]
async fn client_config(tls: &TlsSettings, within: Duration) -> Result<rustls::ClientConfig, String> {
    let files = tls.clone();
    // Elsewhere: a file may lie on a disk that takes its time.
    let reading = tokio::task::spawn_blocking(move || certificates::client_config(&files));
    match tokio::time::timeout(within, reading).await {
        Ok(Ok(client_config)) => client_config,
        // The runtime shuts down, and takes this future with it.
        Ok(Err(ended)) if ended.is_cancelled() => std::future::pending().await,
        Ok(Err(_)) => Err("the certificates cannot be read: their reader panicked".to_owned()),
        Err(_) => Err("the certificates cannot be read within the time for an attempt to connect".to_owned()),
    }
}

/// What a refusal has to do with encryption.
pub(super) struct Explained {
    pub(super) reason: String,
    pub(super) severity: Severity,
}

impl Explained {
    fn lasting(reason: String) -> Self {
        Self {
            reason,
            severity: Severity::Lasting,
        }
    }
}

/// Says in words for people why an encrypted connection was refused, if its encryption is the cause. A certificate stays as it is until
/// somebody renews it.
pub(super) fn explain(reason: &str, tls: &TlsSettings, endpoint: &Endpoint) -> Option<Explained> {
    // fred passes on the `Debug` form of an I/O error, which holds that of an error of rustls.
    let told = reason
        .split_once("error: ")
        .map_or(reason, |(_, told)| told.strip_suffix(" }").unwrap_or(told));
    if told == r#""tls handshake eof""# {
        return Some(Explained {
            reason: "the server closed the connection in the TLS handshake".to_owned(),
            severity: Severity::Passing,
        });
    }
    let (kind, cause) = told.split_once('(').unwrap_or((told, ""));
    let cause = cause.strip_suffix(')').unwrap_or(cause);
    let reason = match kind {
        "InvalidCertificate" => of_certificate(cause, &name(tls, endpoint)),
        "AlertReceived" => of_alert(cause),
        "InvalidMessage" => format!("the server does not speak TLS: {cause}"),
        "PeerIncompatible" | "PeerMisbehaved" => format!("the server speaks another TLS: {cause}"),
        "InvalidDnsNameError" => format!("no certificate can bear the name {}", name(tls, endpoint)),
        _ => return None,
    };
    Some(Explained {
        reason,
        severity: Severity::Lasting,
    })
}

/// Says what is wrong with the server's certificate.
fn of_certificate(cause: &str, name: &str) -> String {
    match cause.split(' ').next().unwrap_or_default() {
        "Expired" | "ExpiredContext" => "the server's certificate has expired".to_owned(),
        "NotValidYet" | "NotValidYetContext" => "the server's certificate is not valid yet".to_owned(),
        "NotValidForName" | "NotValidForNameContext" => {
            format!("the server's certificate is not valid for the name {name}")
        }
        // Two authorities of one name differ by their signatures.
        "UnknownIssuer" | "BadSignature" => format!("the server's certificate is not trusted: {cause}"),
        _ => format!("the server's certificate is not accepted: {cause}"),
    }
}

/// Says what the server does not like.
fn of_alert(alert: &str) -> String {
    match alert {
        "CertificateRequired" => format!("the server asks for a client's certificate: {alert}"),
        "BadCertificate"
        | "CertificateExpired"
        | "CertificateRevoked"
        | "CertificateUnknown"
        | "UnknownCA"
        | "UnsupportedCertificate" => format!("the server does not accept the client's certificate: {alert}"),
        _ => format!("the server refuses the TLS handshake: {alert}"),
    }
}

/// Returns what the certificate has to be valid for.
fn name(tls: &TlsSettings, endpoint: &Endpoint) -> String {
    match (&tls.server_name, endpoint) {
        (Some(name), _) => name.clone(),
        (None, Endpoint::Tcp { host, .. }) => host.clone(),
        (None, Endpoint::Unix(_)) => endpoint.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(reason: &str) -> Option<Explained> {
        let tls = TlsSettings {
            ca_file: None,
            identity: None,
            server_name: None,
        };
        let endpoint = Endpoint::Tcp {
            host: "cache.internal".to_owned(),
            port: 6379,
        };
        explain(reason, &tls, &endpoint)
    }

    #[test]
    fn what_rustls_says_is_said_in_words_for_people() {
        let cases = [
            (
                "InvalidCertificate(UnknownIssuer)",
                "the server's certificate is not trusted: UnknownIssuer",
            ),
            ("InvalidCertificate(Expired)", "the server's certificate has expired"),
            (
                "InvalidCertificate(ExpiredContext { time: UnixTime(9), not_after: UnixTime(8) })",
                "the server's certificate has expired",
            ),
            (
                r#"InvalidCertificate(NotValidForNameContext { expected: DnsName("x"), presented: ["DnsName(\"y\")"] })"#,
                "the server's certificate is not valid for the name cache.internal",
            ),
            (
                "InvalidCertificate(Other(OtherError(CaUsedAsEndEntity)))",
                "the server's certificate is not accepted: Other(OtherError(CaUsedAsEndEntity))",
            ),
            (
                "AlertReceived(CertificateRequired)",
                "the server asks for a client's certificate: CertificateRequired",
            ),
            (
                "InvalidMessage(InvalidContentType)",
                "the server does not speak TLS: InvalidContentType",
            ),
        ];
        for (told, expected) in cases {
            let explained = explained(&format!("Custom {{ kind: InvalidData, error: {told} }}")).unwrap();
            assert_eq!(
                (explained.reason.as_str(), explained.severity),
                (expected, Severity::Lasting)
            );
        }
        let explained = explained("InvalidDnsNameError").unwrap();
        assert_eq!(explained.reason, "no certificate can bear the name cache.internal");
    }

    #[test]
    fn a_connection_that_was_closed_may_come_back_at_any_time() {
        let closed = explained(r#"Custom { kind: UnexpectedEof, error: "tls handshake eof" }"#).unwrap();
        assert_eq!(closed.severity, Severity::Passing);
        for reason in ["Connection refused", "WRONGPASS invalid username-password pair", ""] {
            assert!(explained(reason).is_none(), "{reason}");
        }
    }
}
