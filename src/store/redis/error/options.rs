//! [`OptionsError`]: errors of URLs, options and certificates.

use redis::RedisError;

use super::server_text::ServerText;
use crate::store::redis::layout::MAX_SHARDS;

/// Why a URL, an option or a certificate is invalid. No server was contacted.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::store::redis) enum OptionsError {
    #[error("the prefix must have 1 to 128 bytes and contain neither braces nor control characters")]
    Prefix,
    #[error("the number of shards must be from 1 to {MAX_SHARDS}, and is {0}")]
    Shards(usize),
    #[error("the timeout must not be zero")]
    ZeroTimeout,
    #[error(
        "the Redis URL is invalid ({}); expected redis://user:password@host:port/database, or rediss:// for TLS, with \
         user and password percent-encoded",
        ServerText(.0)
    )]
    Url(RedisError),
    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    #[error("no address is given; list the address of every node or Sentinel")]
    NoAddress,
    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    #[error("a Unix socket cannot be used with Sentinel or Cluster; give host and port")]
    UnixSocket,
    #[error("a Unix socket cannot be used with TLS; give host and port, or leave TLS out")]
    UnixSocketTls,
    #[error(
        "the host of the address is empty or is neither a host name nor an IP address; for a URL or a Unix socket, use \
         `RedisAddress::from`"
    )]
    Host,
    #[error("the port of the address is 0; Redis usually has 6379, and Sentinels have 26379")]
    Port,
    #[error("the user is empty; leave it out for the user `default`")]
    EmptyUser,
    #[error(
        "a user is given without a password; set `RedisAddress::password` or `RedisAddress::password_from` (for a user \
         with `nopass`, any password will do)"
    )]
    UserWithoutPassword,
    #[error("the address asks for TLS; enable the feature `redis-tls` of tower-logout")]
    TlsFeature,
    #[cfg(feature = "redis-tls")]
    #[error(
        "TLS needs a rustls crypto provider for the process; install one first, for example with \
         `rustls::crypto::aws_lc_rs::default_provider().install_default()`"
    )]
    TlsProvider,
    #[cfg(feature = "redis-tls")]
    #[error(
        "certificates are given, but the address does not ask for TLS; use a URL that begins with rediss://, or \
         `RedisAddress::tls`"
    )]
    UnusedCertificates,
    #[cfg(feature = "redis-tls")]
    #[error("the root certificates cannot be used: {0}; give CA certificates in PEM and nothing else")]
    RootCertificates(crate::certificates::PemError),
    #[cfg(feature = "redis-tls")]
    #[error(
        "the client certificate or its key cannot be used: {0}; give a certificate chain and one private key in PEM"
    )]
    ClientCertificate(&'static str),
    #[cfg(feature = "redis-tls")]
    #[error("the certificates or the key cannot be read ({}); give them in PEM", ServerText(.0))]
    TlsFiles(RedisError),
    #[error("the URL says `#insecure`, which would disable certificate verification; use `root_certificates` instead")]
    Insecure,
}
