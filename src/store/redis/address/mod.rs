//! [`Address`]: the address of a server, with the credentials for it.

mod parts;

use redis::{ConnectionAddr, ConnectionInfo, ProtocolVersion, io::tcp::TcpSettings};

use super::{
    error::{OptionsError, RedisStoreError, Result},
    tls::{Certificates, with_certificates},
};
use crate::store::password::PasswordSource;
pub use parts::RedisAddress;

/// Host and port of a server, with the user, password, database and TLS settings for it.
#[derive(Clone)]
pub(super) struct Address {
    info: ConnectionInfo,
    /// The closure that returns the password, in place of the one in `info`.
    password: Option<PasswordSource>,
}

impl Address {
    pub(super) fn new(address: RedisAddress, certificates: &Certificates) -> Result<Self, OptionsError> {
        let (info, password) = address.resolve()?;
        let info = with_certificates(info, certificates)?;
        // RESP3 reports at once that the server has closed the connection.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        let keepalive = redis::io::tcp::socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        Ok(Self { info: info.set_redis_settings(settings).set_tcp_settings(tcp), password })
    }

    #[cfg(feature = "redis-tls")]
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.addr(), ConnectionAddr::TcpTls { .. })
    }

    pub(super) fn addr(&self) -> &ConnectionAddr {
        self.info.addr()
    }

    /// The settings for a new connection, with the password that is valid now. The caller limits
    /// the time.
    pub(super) async fn credentials(&self) -> Result<ConnectionInfo> {
        let info = self.info.clone();
        let Some(source) = &self.password else { return Ok(info) };
        let asked = source.ask().await;
        let password = asked.map_err(|error| RedisStoreError::Password { server: self.to_string(), error })?;
        let settings = info.redis_settings().clone().set_password(password);
        Ok(info.set_redis_settings(settings))
    }

    /// These settings, for another host and port.
    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    pub(super) fn at(&self, host: String, port: u16) -> Result<Self, OptionsError> {
        let addr = match self.addr().clone() {
            ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(host, port),
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => return Err(OptionsError::UnixSocket),
        };
        Ok(Self { info: self.info.clone().set_addr(addr), password: self.password.clone() })
    }

    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    pub(super) fn host(&self) -> Result<&str, OptionsError> {
        match self.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => Ok(host),
            _ => Err(OptionsError::UnixSocket),
        }
    }
}

/// Prints host and port, without user and password.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.addr().fmt(f)
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

    fn address(url: &str) -> Result<Address, OptionsError> {
        Address::new(url.into(), &Certificates::default())
    }

    #[tokio::test]
    async fn neither_an_address_nor_an_error_shows_the_password() {
        let given = address("redis://alice:p%40ss@example.com:7000/3");
        let given = given.unwrap_or_else(|error| unreachable!("{error}"));
        assert_eq!(given.to_string(), "example.com:7000");
        assert_eq!(format!("{given:?}"), "example.com:7000");
        let info = given.credentials().await.unwrap_or_else(|error| unreachable!("{error}"));
        assert_eq!(info.redis_settings().username(), Some("alice"));
        assert_eq!(info.redis_settings().password(), Some("p@ss"));
        assert_eq!(info.redis_settings().db(), 3);
        for url in
            ["redis://:hunter2@/0", "http://:hunter2@host/", "redis://:hunter2@host/nine", "redis://:hunter2@host:x/"]
        {
            let error = address(url).map(|_| ()).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn tls_is_verified_or_rejected() {
        let error = address("rediss://host/#insecure").map(|_| ());
        #[cfg(feature = "redis-tls")]
        assert!(matches!(error, Err(OptionsError::Insecure)), "{error:?}");
        #[cfg(not(feature = "redis-tls"))]
        assert!(matches!(error, Err(OptionsError::TlsFeature)), "{error:?}");
    }
}
