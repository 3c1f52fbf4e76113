//! CA certificates and the configuration of TLS, for the features `oidc`, `redis-tls` and
//! `postgres-tls`.

#[cfg(any(feature = "oidc", feature = "postgres-tls"))]
use std::sync::Arc;

#[cfg(any(feature = "oidc", feature = "postgres-tls"))]
use rustls::{ClientConfig, crypto::CryptoProvider};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Why a PEM text is not a usable list of CA certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PemError {
    #[error("no certificate found")]
    Empty,
    #[error("found something other than certificates, such as a private key")]
    Foreign,
    #[error("one of the certificates cannot be read")]
    Unreadable,
}

/// Parses all certificates of a PEM text. A certificate that cannot be read is an error, and so is
/// anything but certificates and comments.
pub(crate) fn root_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    const BEGIN: &[u8] = b"-----BEGIN";
    let sections = pem.windows(BEGIN.len()).filter(|&part| part == BEGIN).count();
    let mut scratch = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| PemError::Unreadable)?;
        scratch.add(certificate.clone()).map_err(|_| PemError::Unreadable)?;
        certificates.push(certificate);
    }
    match (certificates.len(), sections) {
        (found, sections) if found != sections => Err(PemError::Foreign),
        (0, _) => Err(PemError::Empty),
        _ => Ok(certificates),
    }
}

/// Returns the given certificates and those that the system trusts, with the errors of the latter.
///
/// Certificates of the system that cannot be read are skipped; servers that need them are rejected.
/// The given ones come from [`root_certificates`], so that none of them is skipped.
#[cfg(any(feature = "oidc", feature = "postgres-tls"))]
pub(crate) fn trusted(given: Vec<CertificateDer<'static>>) -> (RootCertStore, Vec<rustls_native_certs::Error>) {
    let system = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system.certs.into_iter().chain(given));
    (roots, system.errors)
}

/// Configures a client for TLS 1.2 and 1.3 that verifies the server's certificate and name.
#[cfg(any(feature = "oidc", feature = "postgres-tls"))]
pub(crate) fn client_config(
    provider: &Arc<CryptoProvider>,
    roots: RootCertStore,
) -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
