//! Whether a connection is encrypted, and who proves what to whom.

use std::{net::IpAddr, path::PathBuf};

use super::{
    Config,
    route::{bad, check},
    target::{Endpoint, Target},
};
use crate::error::{Error, ErrorKind, Result};

/// How connections are encrypted. The files are read by whoever connects, each time: they are replaced while programs run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    /// Whom to trust; without it, whom this machine trusts.
    pub(crate) ca_file: Option<PathBuf>,
    /// What proves to the server who asks.
    pub(crate) identity: Option<Identity>,
    /// The name that the certificate must bear, when it is not the host.
    pub(crate) server_name: Option<String>,
}

/// A client's certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl TlsSettings {
    /// Finds out whether that target is asked over TLS.
    ///
    /// # Errors
    ///
    /// - The parts contradict each other or the target.
    /// - TLS is asked for, and this program was built without the feature `tls`.
    pub(super) fn of(config: &Config, is_asked_for: bool, target: &Target) -> Result<Option<Self>> {
        if matches!(target, Target::Disabled(_) | Target::Memory { .. }) {
            return Ok(None);
        }
        let Config {
            tls_ca_file,
            tls_cert_file,
            tls_key_file,
            tls_server_name,
            ..
        } = config;
        let has_files = tls_ca_file.is_some() || tls_cert_file.is_some() || tls_key_file.is_some();
        check(
            is_asked_for || !(has_files || tls_server_name.is_some()),
            "REDIS_TLS",
            "true beside the other REDIS_TLS_* (or a rediss:// URL)",
        )?;
        let identity = match (tls_cert_file.clone(), tls_key_file.clone()) {
            (Some(cert_file), Some(key_file)) => Some(Identity { cert_file, key_file }),
            (None, None) => None,
            _ => {
                return Err(bad("REDIS_TLS_CERT_FILE", "both a certificate and REDIS_TLS_KEY_FILE"));
            }
        };
        check(
            tls_server_name.as_deref().is_none_or(can_be_certified),
            "REDIS_TLS_SERVER_NAME",
            "a host name or an address, without scheme or port",
        )?;
        let is_unix = matches!(target, Target::Server(Endpoint::Unix(_)));
        check(!(is_asked_for && is_unix), "REDIS_TLS", "false on a Unix socket")?;
        if !is_asked_for {
            return Ok(None);
        }
        if !cfg!(feature = "tls") {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "TLS is asked for, and this program was built without redis-manager's feature `tls`",
            ));
        }
        Ok(Some(Self {
            ca_file: tls_ca_file.clone(),
            identity,
            server_name: tls_server_name.clone(),
        }))
    }
}

/// Says whether that looks like a name in a certificate.
fn can_be_certified(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        (1..=63).contains(&label.len()) && label.chars().all(is_plain)
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::{super::Settings, *};

    fn tls(vars: &[(&str, &str)]) -> Result<Option<TlsSettings>> {
        let vars = [("ENABLE_REDIS", "true")].iter().chain(vars);
        let config = Config::from_vars(vars.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))?;
        Settings::try_from(config).map(|settings| settings.tls)
    }

    #[test]
    fn without_being_asked_for_there_is_none() {
        for url in ["redis://h", "valkey://h", "unix:///s", "memory://"] {
            assert_eq!(tls(&[("REDIS_URL", url)]).unwrap(), None, "{url}");
        }
        assert_eq!(tls(&[("REDIS_TLS", "true"), ("REDIS_URL", "memory://")]).unwrap(), None);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn every_way_to_ask_for_it_is_understood() {
        let plain = TlsSettings {
            ca_file: None,
            identity: None,
            server_name: None,
        };
        let cases: [&[(&str, &str)]; 5] = [
            &[("REDIS_TLS", "true")],
            &[("REDIS_URL", "rediss://h")],
            &[("REDIS_URL", "valkeys://h/1")],
            &[("REDIS_URL", "redis://h"), ("REDIS_TLS", "1")],
            &[("REDIS_URL", "rediss://h"), ("REDIS_TLS", "false")],
        ];
        for case in cases {
            assert_eq!(tls(case).unwrap(), Some(plain.clone()), "{case:?}");
        }
        let all = tls(&[
            ("REDIS_TLS", "true"),
            ("REDIS_TLS_CA_FILE", "/ca.pem"),
            ("REDIS_TLS_CERT_FILE", "/cert.pem"),
            ("REDIS_TLS_KEY_FILE", "/key.pem"),
            ("REDIS_TLS_SERVER_NAME", "cache.internal"),
        ]);
        let expected = TlsSettings {
            ca_file: Some("/ca.pem".into()),
            identity: Some(Identity {
                cert_file: "/cert.pem".into(),
                key_file: "/key.pem".into(),
            }),
            server_name: Some("cache.internal".to_owned()),
        };
        assert_eq!(all.unwrap(), Some(expected));
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_the_feature_it_is_refused_and_never_a_plain_connection() {
        for case in [("REDIS_URL", "rediss://h"), ("REDIS_TLS", "true")] {
            let error = tls(&[case]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{case:?}");
            assert!(error.to_string().contains("feature `tls`"), "{error}");
        }
    }

    #[test]
    fn parts_that_contradict_each_other_are_refused() {
        let asked_for = ("REDIS_TLS", "true");
        let cases: [&[(&str, &str)]; 8] = [
            &[("REDIS_TLS_CA_FILE", "/ca.pem")],
            &[("REDIS_TLS_SERVER_NAME", "h")],
            &[asked_for, ("REDIS_TLS_CERT_FILE", "/cert.pem")],
            &[asked_for, ("REDIS_TLS_KEY_FILE", "/key.pem")],
            &[asked_for, ("REDIS_SOCKET_PATH", "/s")],
            &[asked_for, ("REDIS_TLS_SERVER_NAME", "h:6379")],
            &[asked_for, ("REDIS_TLS_SERVER_NAME", "rediss://h")],
            &[asked_for, ("REDIS_TLS_SERVER_NAME", "*.h")],
        ];
        for case in cases {
            let error = tls(case).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{case:?}: {error}");
            assert!(error.to_string().starts_with("REDIS_TLS"), "{error}");
        }
    }
}
