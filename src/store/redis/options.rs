//! [`RedisStoreOptions`]: settings of a store and of its connections.

use std::{fmt, time::Duration};

use super::{shared::Settings, tls::Certificates};

/// Options of a [`RedisStore`](crate::RedisStore): prefix, timeout, replicas to wait for, shards,
/// TLS, Sentinel and Cluster.
///
/// # Examples
///
/// ```no_run
/// # async fn connect() -> Result<(), tower_logout::store::StoreError> {
/// use std::time::Duration;
/// use tower_logout::RedisStore;
///
/// let store = RedisStore::options()
///     .prefix("matar")
///     .timeout(Duration::from_millis(500))
///     .wait_replicas(1)
///     .connect("redis://logout:secret@redis.internal:6379")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisStoreOptions {
    pub(super) settings: Settings,
    pub(super) certificates: Certificates,
}

impl Default for RedisStoreOptions {
    fn default() -> Self {
        let settings = Settings {
            prefix: "tower-logout".to_owned(),
            timeout: Duration::from_secs(1),
            wait_replicas: 0,
            allow_unverified: false,
            shards: 1,
        };
        Self { settings, certificates: Certificates::default() }
    }
}

impl RedisStoreOptions {
    /// Sets the prefix of all keys in Redis. Default: `tower-logout`. Stores with the same prefix
    /// share their revocations.
    ///
    /// A prefix has 1 to 128 bytes and contains neither braces nor control characters.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// Sets the maximum duration of a call, including connecting. Default: 1 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets the number of replicas that must confirm a revocation before it is acknowledged.
    /// Default: 0, the primary alone.
    ///
    /// If fewer replicas confirm it in time, revoking is an error although the primary has stored
    /// the revocation; revoking again then returns
    /// [`Outcome::Already`](crate::revocation::Outcome::Already). Concurrent revocations share one
    /// wait: those that come meanwhile are sent together after it.
    ///
    /// This makes a loss in a failover unlikely, not impossible: Redis may promote a replica that
    /// has not confirmed.
    pub fn wait_replicas(mut self, replicas: usize) -> Self {
        self.settings.wait_replicas = replicas;
        self
    }

    /// Sets the number of shards: parts of the store that each have keys, a log and connections of
    /// their own. Default: 1. At most 64.
    ///
    /// In a Cluster, each shard is in a slot of its own, so that several nodes share the load and
    /// the memory. One server runs one script at a time, whatever the number; with one server or
    /// with Sentinels, shards are of no use.
    ///
    /// The key of a revocation decides in which shard it is. A check asks the shards of the token's
    /// keys at the same time, and fails if one of them cannot be asked, unless another one reports
    /// a revocation. A [`Replica`](crate::Replica) follows all of them, and its staleness is that
    /// of the oldest. Several revocations at once are one script for each shard. A token has up to
    /// six keys, in as many shards, so that checks of a store that is used directly do not become
    /// cheaper; a `Replica` answers them from memory.
    ///
    /// The number is part of the stored layout: all processes must have the same one, and a store
    /// with another one is an error. `docs/redis-layout.md` in the repository describes how the
    /// number is changed.
    pub fn shards(mut self, shards: usize) -> Self {
        self.settings.shards = shards;
        self
    }

    /// Accepts a server whose role and eviction policy cannot be verified, such as one behind the
    /// proxies of Redis Cloud and Redis Enterprise.
    ///
    /// Such services have no `ROLE` and hide parts of `INFO`. The values that the server reports
    /// are still verified. For the others, the operator must make sure that
    ///
    /// * the database evicts nothing, or only keys with a time to live (`noeviction` or
    ///   `volatile-…`). An eviction is detected like any other loss, and checks are errors from
    ///   then on;
    /// * the proxy leads to the primary only. A replica that lags behind may report a revoked token
    ///   as not revoked until it has caught up with the state that this store has observed, and a
    ///   primary that becomes a replica is not detected.
    ///
    /// [`wait_replicas`](Self::wait_replicas) needs `WAIT`, which a proxy may not support.
    pub fn allow_unverified_server(mut self) -> Self {
        self.settings.allow_unverified = true;
        self
    }

    /// Sets the CA certificates, in PEM, that the server's certificate is verified against.
    /// Default: the certificates that the system trusts.
    ///
    /// Connecting is an error if the text contains no certificate, a certificate that cannot be
    /// read, or anything other than certificates.
    #[cfg(feature = "redis-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.root = Some(pem.into());
        self
    }

    /// Sets the certificate chain and the private key, in PEM, with which this client
    /// authenticates.
    ///
    /// Connecting is an error if one of them cannot be read, or if there is not exactly one key.
    #[cfg(feature = "redis-tls")]
    pub fn client_certificate(mut self, certificate_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.client = Some((certificate_pem.into(), key_pem.into()));
        self
    }
}

/// Displays neither certificates nor keys.
impl fmt::Debug for RedisStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreOptions").field("settings", &self.settings).finish_non_exhaustive()
    }
}
