//! Where a server is and how one introduces oneself there.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, io::tcp::TcpSettings};

use super::error::RedisStoreError;

/// Certificates for TLS, in PEM. Empty without the feature `redis-tls`.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    #[cfg(feature = "redis-tls")]
    pub(super) root: Option<Vec<u8>>,
    #[cfg(feature = "redis-tls")]
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// A server, and what it wants to know before it answers.
#[derive(Clone)]
pub(super) struct Address(ConnectionInfo);

impl Address {
    pub(super) fn new(url: &str, certificates: &Certificates) -> Result<Self, RedisStoreError> {
        let url = url.trim();
        if !cfg!(feature = "redis-tls") && ["rediss:", "valkeys:"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(RedisStoreError::TlsFeature);
        }
        let info = url.into_connection_info().map_err(RedisStoreError::Url)?;
        if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr() {
            return Err(RedisStoreError::Insecure);
        }
        let info = with_certificates(info, certificates)?;
        // A server that has closed a connection says so at once in the third version of the protocol.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        let keepalive = redis::io::tcp::socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        Ok(Self(info.set_redis_settings(settings).set_tcp_settings(tcp)))
    }

    #[cfg(feature = "redis-tls")]
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.0.addr(), ConnectionAddr::TcpTls { .. })
    }

    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.0
    }

    /// Another server that wants to know the same.
    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    pub(super) fn at(&self, host: String, port: u16) -> Result<Self, RedisStoreError> {
        let addr = match self.0.addr().clone() {
            ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(host, port),
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => return Err(RedisStoreError::UnixSocket),
        };
        Ok(Self(self.0.clone().set_addr(addr)))
    }

    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    pub(super) fn host(&self) -> Result<&str, RedisStoreError> {
        match self.0.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => Ok(host),
            _ => Err(RedisStoreError::UnixSocket),
        }
    }
}

/// Host and port, without user and password.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.addr().fmt(f)
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(feature = "redis-tls")]
fn with_certificates(info: ConnectionInfo, certificates: &Certificates) -> Result<ConnectionInfo, RedisStoreError> {
    use redis::{Client, ClientTlsConfig, TlsCertificates};

    use crate::store::certificates::root_certificates;

    let Certificates { root, client } = certificates.clone();
    let is_given = root.is_some() || client.is_some();
    if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        return if is_given { Err(RedisStoreError::TlsUnused) } else { Ok(info) };
    }
    // Without it, connecting would panic.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(RedisStoreError::TlsProvider);
    }
    if !is_given {
        return Ok(info);
    }
    if let Some(pem) = &root {
        root_certificates(pem).map_err(RedisStoreError::RootCertificates)?;
    }
    if let Some((certificate, key)) = &client {
        check_client_certificate(certificate, key).map_err(RedisStoreError::ClientCertificate)?;
    }
    let client_tls = client.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    let client = Client::build_with_tls(info, TlsCertificates { client_tls, root_cert: root });
    Ok(client.map_err(RedisStoreError::TlsFiles)?.get_connection_info().clone())
}

/// Nothing is left out silently: there is a certificate, all of them can be read, and there is one key.
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
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
fn with_certificates(info: ConnectionInfo, _: &Certificates) -> Result<ConnectionInfo, RedisStoreError> {
    Ok(info)
}

/// How long a connection may be silent before the system asks whether the other end is still there.
const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_an_address_nor_an_error_shows_the_password() {
        let address = Address::new("redis://alice:p%40ss@example.com:7000/3", &Certificates::default());
        let address = address.unwrap_or_else(|error| unreachable!("{error}"));
        assert_eq!(address.to_string(), "example.com:7000");
        assert_eq!(format!("{address:?}"), "example.com:7000");
        assert_eq!(address.info().redis_settings().username(), Some("alice"));
        assert_eq!(address.info().redis_settings().password(), Some("p@ss"));
        assert_eq!(address.info().redis_settings().db(), 3);
        for url in
            ["redis://:hunter2@/0", "http://:hunter2@host/", "redis://:hunter2@host/nine", "redis://:hunter2@host:x/"]
        {
            let error = Address::new(url, &Certificates::default()).map(|_| ()).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn tls_is_checked_or_refused() {
        let error = Address::new("rediss://host/#insecure", &Certificates::default()).map(|_| ());
        #[cfg(feature = "redis-tls")]
        assert!(matches!(error, Err(RedisStoreError::Insecure)), "{error:?}");
        #[cfg(not(feature = "redis-tls"))]
        assert!(matches!(error, Err(RedisStoreError::TlsFeature)), "{error:?}");
    }
}
