use std::{fmt, time::Duration};

use super::{
    RedisStore,
    address::{Address, Certificates},
    error::RedisStoreError,
    server::Server,
};
use crate::store::StoreError;

/// How a [`RedisStore`] is to connect, and what it is to wait for.
///
/// # Examples
///
/// ```no_run
/// # async fn connect() -> Result<(), tower_logout::StoreError> {
/// use std::time::Duration;
/// use tower_logout::RedisStore;
///
/// let options = RedisStore::options().prefix("matar").timeout(Duration::from_millis(500)).wait_replicas(1);
/// let store = options.connect("redis://logout:secret@redis.internal:6379").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisStoreOptions {
    pub(super) prefix: String,
    pub(super) timeout: Duration,
    pub(super) wait_replicas: usize,
    pub(super) behind_proxy: bool,
    certificates: Certificates,
}

impl Default for RedisStoreOptions {
    fn default() -> Self {
        Self {
            prefix: "tower-logout".to_owned(),
            timeout: Duration::from_secs(1),
            wait_replicas: 0,
            behind_proxy: false,
            certificates: Certificates::default(),
        }
    }
}

impl RedisStoreOptions {
    /// Sets what the names of all keys in Redis begin with. Default: `tower-logout`. Stores with the same prefix share their revocations.
    ///
    /// From 1 to 128 bytes, without braces and control characters.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Sets how long a call may take, connecting included. Default: 1 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets on how many replicas a revocation is to be before it is acknowledged. Default: 0, the primary alone.
    ///
    /// With fewer, revoking is an error, although the primary has stored it: revoking again then tells
    /// [`Outcome::Already`](crate::Outcome::Already). Revocations then wait for each other on a connection of their own, which
    /// brings their number per second down to that of round trips between the primary and its replicas.
    ///
    /// It makes a loss in a failover unlikely, not impossible: Redis may promote a replica that has not confirmed.
    pub fn wait_replicas(self, replicas: usize) -> Self {
        Self { wait_replicas: replicas, ..self }
    }

    /// Accepts a server that stands behind a proxy and does not say what it is, as Redis Cloud and Redis Enterprise do.
    ///
    /// Such services have no `ROLE`, and hide parts of `INFO`. What the server shows is still judged. What it hides is not
    /// known, so with this the operator has to see to it that
    ///
    /// * the database evicts nothing, or only keys with a time to live (`noeviction` or `volatile-…`). What is evicted
    ///   all the same is noticed, as any loss is, and then checks are errors;
    /// * the proxy leads to the primary only. Otherwise a replica that lags behind may call a revoked token not revoked, until
    ///   it has what this store has seen: it cannot be told that a primary has become a replica while it is connected.
    ///
    /// [`wait_replicas`](Self::wait_replicas) needs `WAIT`, which a proxy may not pass on.
    pub fn behind_proxy(self) -> Self {
        Self { behind_proxy: true, ..self }
    }

    /// Sets what must have signed the certificate of the server, in PEM. Without it, that is decided by what the system trusts.
    ///
    /// Connecting is an error if the text holds no certificate, one that cannot be read, or anything else than certificates.
    #[cfg(feature = "redis-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.root = Some(pem.into());
        self
    }

    /// Sets by what the server knows this client: a certificate, with those between it and its root, and its key, in PEM.
    #[cfg(feature = "redis-tls")]
    pub fn client_certificate(mut self, certificate_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.client = Some((certificate_pem.into(), key_pem.into()));
        self
    }

    /// Connects to one server. As [`RedisStore::connect`] in all else.
    ///
    /// # Errors
    ///
    /// As [`RedisStore::connect`].
    pub async fn connect(self, url: &str) -> Result<RedisStore, StoreError> {
        self.connect_lazily(url)?.open().await
    }

    /// Makes a store that connects when it is first used. As [`RedisStore::connect_lazily`] in all else.
    ///
    /// # Errors
    ///
    /// As [`RedisStore::connect_lazily`].
    pub fn connect_lazily(self, url: &str) -> Result<RedisStore, StoreError> {
        self.make(Address::new(url, &self.certificates).map(Server::Single))
    }

    /// Connects to the node of a Cluster that has the prefix's slot, and to another one when the slot is there.
    ///
    /// Name several nodes: one of them must answer. User, password and TLS of all nodes are those of the node that was asked for the others.
    ///
    /// All revocations of a prefix are in one slot, hence on one node and its replicas. While the slot is being moved to another node, or has no
    /// master, calls are errors. How long that is, `cluster-node-timeout` decides: see [what a failover costs](RedisStore#what-a-failover-costs).
    ///
    /// # Errors
    ///
    /// As [`RedisStore::connect`].
    #[cfg(feature = "redis-cluster")]
    pub async fn connect_cluster<I>(self, urls: I) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.connect_cluster_lazily(urls)?.open().await
    }

    /// Makes a store that connects when it is first used. As [`connect_cluster`](Self::connect_cluster) in all else.
    ///
    /// # Errors
    ///
    /// As [`RedisStore::connect_lazily`].
    #[cfg(feature = "redis-cluster")]
    pub fn connect_cluster_lazily<I>(self, urls: I) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.make(self.addresses(urls).and_then(super::cluster::Nodes::new).map(Server::Cluster))
    }

    /// Connects to the master that the Sentinels name, and to its successor after a failover.
    ///
    /// Name **all** Sentinels: what counts is what the majority of those named here says. `master` is the URL of the master with its *name* as
    /// the host: `redis://user:password@mymaster/0`.
    ///
    /// A master that was left behind in a partition goes on answering. So nothing is asked of a master or told to it unless that
    /// majority has named it within the last second; a [`Replica`](crate::Replica) counts as fresh only what it has read while the majority named the master,
    /// and is stale otherwise. Without a majority, calls are errors, also when the master could be reached.
    ///
    /// What this cannot do: within that second a check may be answered by a master that has a successor already, and a revocation may be
    /// acknowledged by it and lost with it. [`wait_replicas`](Self::wait_replicas) and `min-replicas-to-write` of the server make the second unlikely, and a
    /// `Replica` that knew the revocation tells it the new master.
    ///
    /// # Errors
    ///
    /// As [`RedisStore::connect`], and if no majority names the same master.
    #[cfg(feature = "redis-sentinel")]
    pub async fn connect_sentinel<I>(self, sentinels: I, master: &str) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.connect_sentinel_lazily(sentinels, master)?.open().await
    }

    /// Makes a store that connects when it is first used. As [`connect_sentinel`](Self::connect_sentinel) in all else.
    ///
    /// # Errors
    ///
    /// As [`RedisStore::connect_lazily`].
    #[cfg(feature = "redis-sentinel")]
    pub fn connect_sentinel_lazily<I>(self, sentinels: I, master: &str) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let sentinels = self.addresses(sentinels).and_then(|sentinels| {
            let master = Address::new(master, &self.certificates)?;
            // So that there is time left to go where they say, or to tell that they do not.
            super::sentinel::Sentinels::new(sentinels, master, self.timeout / 2)
        });
        self.make(sentinels.map(Server::Sentinel))
    }

    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    fn addresses<I>(&self, urls: I) -> Result<Vec<Address>, RedisStoreError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        urls.into_iter().map(|url| Address::new(url.as_ref(), &self.certificates)).collect()
    }

    fn make(&self, server: Result<Server, RedisStoreError>) -> Result<RedisStore, StoreError> {
        server.and_then(|server| RedisStore::new(server, self)).map_err(|error| error.of("open", None))
    }
}

/// Shows no certificate.
impl fmt::Debug for RedisStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreOptions")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("wait_replicas", &self.wait_replicas)
            .field("behind_proxy", &self.behind_proxy)
            .finish_non_exhaustive()
    }
}
