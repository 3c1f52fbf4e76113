//! [`RedisStoreOptions`]: settings of a store and of its connections.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    RedisStore,
    address::Address,
    error::{OptionsError, RedisStoreError},
    server::Server,
    shared::{Settings, Shared},
    tls::Certificates,
};
use crate::store::StoreError;

/// Options of a [`RedisStore`]: prefix, timeout, replicas to wait for, TLS, Sentinel and Cluster.
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
    settings: Settings,
    certificates: Certificates,
}

impl Default for RedisStoreOptions {
    fn default() -> Self {
        let settings = Settings {
            prefix: "tower-logout".to_owned(),
            timeout: Duration::from_secs(1),
            wait_replicas: 0,
            allow_unverified: false,
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
    /// [`Outcome::Already`](crate::revocation::Outcome::Already). Revocations are sent one after
    /// the other on a separate connection, so their rate is limited by the round trips between the
    /// primary and its replicas.
    ///
    /// This makes a loss in a failover unlikely, not impossible: Redis may promote a replica that
    /// has not confirmed.
    pub fn wait_replicas(mut self, replicas: usize) -> Self {
        self.settings.wait_replicas = replicas;
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

    /// Connects to one server with these options, as [`RedisStore::connect`] does.
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect`].
    pub async fn connect(self, url: &str) -> Result<RedisStore, StoreError> {
        self.connect_lazily(url)?.open().await
    }

    /// Creates a store with these options that connects when it is first used, as
    /// [`RedisStore::connect_lazily`] does.
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect_lazily`].
    pub fn connect_lazily(self, url: &str) -> Result<RedisStore, StoreError> {
        self.create(Address::new(url, &self.certificates).map(Server::Single))
    }

    /// Connects to the Cluster node that owns the slot of the prefix, and to another one once the
    /// slot has moved there.
    ///
    /// List several nodes: at least one of them must answer. All nodes use the user, the password
    /// and the TLS settings of the URL through which they were found.
    ///
    /// All revocations of a prefix are in one slot, and therefore on one node and its replicas.
    /// While the slot is being moved to another node, or has no primary, calls are errors.
    /// `cluster-node-timeout` decides how long that takes: see [what a failover
    /// costs](RedisStore#what-a-failover-costs).
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect`], and if no node names
    /// an owner of the slot.
    #[cfg(feature = "redis-cluster")]
    pub async fn connect_cluster<I>(self, urls: I) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.connect_cluster_lazily(urls)?.open().await
    }

    /// Creates a store over a Cluster that connects when it is first used. See
    /// [`connect_cluster`](Self::connect_cluster).
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect_lazily`].
    #[cfg(feature = "redis-cluster")]
    pub fn connect_cluster_lazily<I>(self, urls: I) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.create(self.addresses(urls).and_then(super::cluster::Cluster::new).map(Server::Cluster))
    }

    /// Connects to the primary that the Sentinels name, and to its successor after a failover.
    ///
    /// List **all** Sentinels: a primary is used if the majority of those listed here names it.
    /// `master` is the URL of the primary with its *name* as the host:
    /// `redis://user:password@mymaster/0`.
    ///
    /// A primary that is isolated by a network partition continues to answer. Therefore nothing is
    /// sent to a primary unless that majority has named it within the last second, and a
    /// [`Replica`](crate::Replica) is fresh only up to the last read during which the majority
    /// named the primary. Without a majority, calls are errors even if the primary is reachable.
    ///
    /// One limit remains: within that second, a primary that already has a successor may answer a
    /// check, or acknowledge a revocation that is then lost. [`wait_replicas`](Self::wait_replicas)
    /// and the server's `min-replicas-to-write` make the loss unlikely, and a `Replica` that knows
    /// the revocation re-sends it to the new primary.
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect`], and if no majority
    /// names the same primary.
    #[cfg(feature = "redis-sentinel")]
    pub async fn connect_sentinel<I>(self, sentinels: I, master: &str) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.connect_sentinel_lazily(sentinels, master)?.open().await
    }

    /// Creates a store over Sentinels that connects when it is first used. See
    /// [`connect_sentinel`](Self::connect_sentinel).
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect_lazily`].
    #[cfg(feature = "redis-sentinel")]
    pub fn connect_sentinel_lazily<I>(self, sentinels: I, master: &str) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let sentinels = self.addresses(sentinels).and_then(|sentinels| {
            let master = Address::new(master, &self.certificates)?;
            // Half of the timeout is left to connect to the primary, or to report that there is no
            // majority.
            super::sentinel::Sentinels::new(sentinels, master, self.settings.timeout / 2)
        });
        self.create(sentinels.map(Server::Sentinel))
    }

    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    fn addresses<I>(&self, urls: I) -> Result<Vec<Address>, OptionsError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        urls.into_iter().map(|url| Address::new(url.as_ref(), &self.certificates)).collect()
    }

    fn create(&self, server: Result<Server, OptionsError>) -> Result<RedisStore, StoreError> {
        let shared = server.and_then(|server| Shared::new(server, &self.settings));
        match shared {
            Ok(shared) => Ok(RedisStore { shared: Arc::new(shared) }),
            Err(error) => Err(RedisStoreError::from(error).into_store_error("open", None)),
        }
    }
}

/// Displays neither certificates nor keys.
impl fmt::Debug for RedisStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreOptions").field("settings", &self.settings).finish_non_exhaustive()
    }
}
