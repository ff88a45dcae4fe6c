//! Who certifies, and servers that prove who they are. Everything is made anew for each test.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

use super::RedisServer;

/// A certificate authority of the test's own.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
    certified: Cell<usize>,
}

/// The files of a certificate and its key.
pub struct Certified {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub enum Validity {
    Now,
    Past,
    Future,
}

/// Gives each authority a name of its own.
static AUTHORITIES: AtomicUsize = AtomicUsize::new(0);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
            directory: tempfile::tempdir().unwrap(),
            certified: Cell::new(0),
        };
        fs::write(authority.file(), authority.issuer.pem()).unwrap();
        authority
    }

    /// Its own certificate.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Certifies a server, or a client, by those names and addresses.
    pub fn certify(&self, names: &[&str], validity: Validity) -> Certified {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        (params.not_before, params.not_after) = match validity {
            Validity::Now => (params.not_before, params.not_after),
            Validity::Past => (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1)),
            Validity::Future => (date_time_ymd(4001, 1, 1), date_time_ymd(4002, 1, 1)),
        };
        params.distinguished_name.push(DnType::CommonName, names[0]);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let number = self.certified.replace(self.certified.get() + 1);
        let certified = Certified {
            certificate: self.directory.path().join(format!("certificate-{number}.pem")),
            key: self.directory.path().join(format!("key-{number}.pem")),
        };
        fs::write(&certified.certificate, certificate.pem()).unwrap();
        fs::write(&certified.key, key.serialize_pem()).unwrap();
        certified
    }

    /// Starts a server that speaks TLS only, beside its Unix socket, and proves to be `localhost` and `127.0.0.1`.
    pub fn server(&self) -> RedisServer {
        self.server_with(&self.certify(&["localhost", "127.0.0.1"], Validity::Now), "no")
    }

    /// The same with another certificate, and clients that may, or have to, prove who they are: `no`, `optional`, `yes`.
    pub fn server_with(&self, certified: &Certified, auth_clients: &str) -> RedisServer {
        RedisServer::start_with(&[
            "--port",
            "0",
            "--tls-port",
            "{port}",
            "--tls-cert-file",
            text(&certified.certificate),
            "--tls-key-file",
            text(&certified.key),
            "--tls-ca-cert-file",
            text(&self.file()),
            "--tls-auth-clients",
            auth_clients,
        ])
    }
}

impl Certified {
    /// Has a server prove from now on that it is who this says, to whoever connects.
    pub fn renew(&self, server: &RedisServer) {
        let renewed = server.command(&[
            "CONFIG",
            "SET",
            "tls-cert-file",
            text(&self.certificate),
            "tls-key-file",
            text(&self.key),
        ]);
        assert_eq!(renewed, "+OK");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
