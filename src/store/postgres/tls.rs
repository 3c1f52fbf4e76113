//! TLS (feature `postgres-tls`). The server's certificate and name are always verified.

use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::PostgresError;
use crate::store::certificates::{self, PemError};

/// Creates a TLS connector that trusts the system's certificates and the given ones, in PEM.
pub(super) fn connector(root_certificates: &[Vec<u8>]) -> Result<MakeRustlsConnect, PostgresError> {
    let provider = CryptoProvider::get_default().ok_or(PostgresError::NoCryptoProvider)?;
    let mut roots = RootCertStore::empty();
    // System certificates that cannot be read are skipped; servers that need them are rejected.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for pem in root_certificates {
        for certificate in certificates::root_certificates(pem).map_err(PostgresError::RootCertificates)? {
            roots.add(certificate).map_err(|_| PostgresError::RootCertificates(PemError::Unreadable))?;
        }
    }
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(PostgresError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
