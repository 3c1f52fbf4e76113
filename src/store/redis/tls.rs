//! [`Certificates`]: the CA certificates for the server, and the client's own certificate.

use redis::ConnectionInfo;

use super::error::OptionsError;

/// Certificates for TLS, in PEM. Empty without the feature `redis-tls`.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    #[cfg(feature = "redis-tls")]
    pub(super) root: Option<Vec<u8>>,
    /// The certificate and its key.
    #[cfg(feature = "redis-tls")]
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

#[cfg(feature = "redis-tls")]
pub(super) fn with_certificates(
    info: ConnectionInfo,
    certificates: &Certificates,
) -> Result<ConnectionInfo, OptionsError> {
    use redis::{Client, ClientTlsConfig, ConnectionAddr, TlsCertificates};

    use crate::certificates::root_certificates;

    let Certificates { root, client } = certificates.clone();
    let is_given = root.is_some() || client.is_some();
    if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        return if is_given { Err(OptionsError::UnusedCertificates) } else { Ok(info) };
    }
    // Without a provider, connecting would panic.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(OptionsError::TlsProvider);
    }
    if !is_given {
        return Ok(info);
    }
    if let Some(pem) = &root {
        root_certificates(pem).map_err(OptionsError::RootCertificates)?;
    }
    if let Some((certificate, key)) = &client {
        check_client_certificate(certificate, key).map_err(OptionsError::ClientCertificate)?;
    }
    let client_tls = client.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    let client = Client::build_with_tls(info, TlsCertificates { client_tls, root_cert: root });
    Ok(client.map_err(OptionsError::TlsFiles)?.get_connection_info().clone())
}

/// Requires at least one certificate and exactly one key, all of them readable, because the `redis`
/// crate would skip the others.
#[cfg(feature = "redis-tls")]
fn check_client_certificate(certificate: &[u8], key: &[u8]) -> Result<(), &'static str> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

    let certificates = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
    match certificates.as_deref() {
        Err(_) => return Err("a certificate cannot be read"),
        Ok([]) => return Err("there is no certificate"),
        Ok(_) => {}
    }
    let keys = PrivateKeyDer::pem_slice_iter(key).collect::<Result<Vec<_>, _>>();
    match keys.as_deref() {
        Err(_) => Err("the key cannot be read"),
        Ok([]) => Err("there is no key"),
        Ok([_]) => Ok(()),
        Ok(_) => Err("there is more than one key"),
    }
}

#[cfg(not(feature = "redis-tls"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail if the feature is enabled")]
pub(super) fn with_certificates(info: ConnectionInfo, _: &Certificates) -> Result<ConnectionInfo, OptionsError> {
    Ok(info)
}
