//! TLS (feature `postgres-tls`). The server's certificate and name are always verified.

use std::{fs, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{error::PostgresError, libpq::LibpqOptions, options::PostgresStoreOptions};
use crate::certificates::{client_config, root_certificates, trusted};

/// Creates a TLS connector with the certificates of the options and of the address.
pub(super) fn connector(
    libpq: &LibpqOptions,
    options: &PostgresStoreOptions,
) -> Result<MakeRustlsConnect, PostgresError> {
    let provider = CryptoProvider::get_default().ok_or(PostgresError::NoCryptoProvider)?;
    let roots = roots(libpq, options)?;
    let config = match client_certificate(libpq, options)? {
        None => client_config(provider, roots).map_err(PostgresError::Tls)?,
        Some((chain, key)) => ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(PostgresError::Tls)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(PostgresError::ClientCertificateRejected)?,
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The given certificates, and those of the system unless `sslrootcert` names a file.
fn roots(libpq: &LibpqOptions, options: &PostgresStoreOptions) -> Result<RootCertStore, PostgresError> {
    let mut given = Vec::new();
    for pem in &options.root_certificates {
        given.extend(root_certificates(pem).map_err(PostgresError::RootCertificates)?);
    }
    match libpq.sslrootcert.as_deref() {
        None | Some("system") => Ok(trusted(given).0),
        Some(path) => {
            let pem = read("sslrootcert", path)?;
            given.extend(root_certificates(&pem).map_err(PostgresError::RootCertificateFile)?);
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(given);
            Ok(roots)
        }
    }
}

type ClientCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_certificate(
    libpq: &LibpqOptions,
    options: &PostgresStoreOptions,
) -> Result<Option<ClientCertificate>, PostgresError> {
    let (certificate, key) = match (&options.client_certificate, &libpq.sslcert, &libpq.sslkey) {
        (Some((certificate, key)), ..) => (certificate.clone(), key.clone()),
        (None, None, None) => return Ok(None),
        (None, Some(certificate), Some(key)) => (read("sslcert", certificate)?, read("sslkey", key)?),
        (None, Some(_), None) => return Err(PostgresError::ClientCertificate("`sslkey` is missing")),
        (None, None, Some(_)) => return Err(PostgresError::ClientCertificate("`sslcert` is missing")),
    };
    let invalid = |text| move |_| PostgresError::ClientCertificate(text);
    let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(invalid("a certificate cannot be read"))?;
    if chain.is_empty() {
        return Err(PostgresError::ClientCertificate("there is no certificate"));
    }
    let keys = PrivateKeyDer::pem_slice_iter(&key).collect::<Result<Vec<_>, _>>();
    let mut keys = keys.map_err(invalid("the key cannot be read"))?;
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(Some((chain, key))),
        (None, _) => Err(PostgresError::ClientCertificate("there is no key, or it is encrypted")),
        (Some(_), false) => Err(PostgresError::ClientCertificate("there is more than one key")),
    }
}

fn read(option: &'static str, path: &str) -> Result<Vec<u8>, PostgresError> {
    fs::read(path).map_err(|error| PostgresError::CertificateFile(option, error))
}
