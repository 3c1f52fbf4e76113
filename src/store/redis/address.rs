//! [`Address`]: the address of a server, with the credentials for it.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, io::tcp::TcpSettings};

use super::{
    error::{OptionsError, Result},
    tls::{Certificates, with_certificates},
};

/// Host and port of a server, with the user, password, database and TLS settings for it.
#[derive(Clone)]
pub(super) struct Address(ConnectionInfo);

impl Address {
    pub(super) fn new(url: &str, certificates: &Certificates) -> Result<Self, OptionsError> {
        let url = url.trim();
        if !cfg!(feature = "redis-tls") && ["rediss:", "valkeys:"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(OptionsError::TlsFeature);
        }
        let info = url.into_connection_info().map_err(OptionsError::Url)?;
        if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr() {
            return Err(OptionsError::Insecure);
        }
        let info = with_certificates(info, certificates)?;
        // RESP3 reports at once that the server has closed the connection.
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

    /// These settings, for another host and port.
    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    pub(super) fn at(&self, host: String, port: u16) -> Result<Self, OptionsError> {
        let addr = match self.0.addr().clone() {
            ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(host, port),
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => return Err(OptionsError::UnixSocket),
        };
        Ok(Self(self.0.clone().set_addr(addr)))
    }

    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    pub(super) fn host(&self) -> Result<&str, OptionsError> {
        match self.0.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => Ok(host),
            _ => Err(OptionsError::UnixSocket),
        }
    }
}

/// Prints host and port, without user and password.
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

/// Idle time after which the operating system sends keepalive probes.
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
    fn tls_is_verified_or_rejected() {
        let error = Address::new("rediss://host/#insecure", &Certificates::default()).map(|_| ());
        #[cfg(feature = "redis-tls")]
        assert!(matches!(error, Err(OptionsError::Insecure)), "{error:?}");
        #[cfg(not(feature = "redis-tls"))]
        assert!(matches!(error, Err(OptionsError::TlsFeature)), "{error:?}");
    }
}
