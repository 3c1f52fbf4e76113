//! TLS (feature `postgres-tls`). The server's certificate and name are always verified.

use rustls::crypto::CryptoProvider;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::PostgresError;
use crate::certificates::{client_config, root_certificates, trusted};

/// Creates a TLS connector that trusts the system's certificates and the given ones, in PEM.
pub(super) fn connector(pem_texts: &[Vec<u8>]) -> Result<MakeRustlsConnect, PostgresError> {
    let provider = CryptoProvider::get_default().ok_or(PostgresError::NoCryptoProvider)?;
    let mut given = Vec::new();
    for pem in pem_texts {
        given.extend(root_certificates(pem).map_err(PostgresError::RootCertificates)?);
    }
    let (roots, _) = trusted(given);
    Ok(MakeRustlsConnect::new(client_config(provider, roots).map_err(PostgresError::Tls)?))
}
