//! What rustls is given: whom to trust, and what to prove.

use std::{
    fs,
    path::Path,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, Error as TlsError, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::config::TlsSettings;

const CA_FILE: &str = "REDIS_TLS_CA_FILE";
const CERT_FILE: &str = "REDIS_TLS_CERT_FILE";
const KEY_FILE: &str = "REDIS_TLS_KEY_FILE";

/// Reads the files. The provider is named, since a process may have set another one as its default, or two crates of it may not agree on one.
///
/// # Errors
///
/// - As [`encrypt`](super::encrypt).
pub(super) fn client_config(tls: &TlsSettings) -> Result<ClientConfig, String> {
    let roots = match &tls.ca_file {
        Some(file) => Arc::new(roots_of(file)?),
        None => roots_of_this_machine()?,
    };
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let Some(identity) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(CERT_FILE, &identity.cert_file)?;
    let key = PrivateKeyDer::from_pem_slice(&read(KEY_FILE, &identity.key_file)?)
        // What stands in that file is not repeated.
        .map_err(|_unreadable| lacks(KEY_FILE, &identity.key_file, "private key without a passphrase"))?;
    let built = builder.with_client_auth_cert(chain, key);
    built.map_err(|error| match error {
        TlsError::InconsistentKeys(_) => format!("{KEY_FILE}: this is not the key of the certificate in {CERT_FILE}"),
        error => format!("{CERT_FILE} and {KEY_FILE}: they cannot be used ({error})"),
    })
}

fn roots_of(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CA_FILE, file)? {
        roots
            .add(certificate)
            .map_err(|error| format!("{CA_FILE}: {} cannot be used ({error})", file.display()))?;
    }
    Ok(roots)
}

/// Whom this machine trusts, read once. Some that are of no use do no harm, since others are.
fn roots_of_this_machine() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(format!(
            "this machine has no certificates to trust: {CA_FILE} can name some"
        ));
    }
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(roots))))
}

/// Reads the certificates in a file; there is at least one.
fn certificates(variable: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(variable, file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(lacks(variable, file, "certificate")),
    }
}

fn read(variable: &str, file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{variable}: {} cannot be read: {error}", file.display()))
}

fn lacks(variable: &str, file: &Path, what: &str) -> String {
    format!("{variable}: {} holds no {what}, as PEM", file.display())
}
