//! Creation of a store for one server, a Cluster or Sentinels, with options or without.

use super::{
    RedisStore,
    address::{Address, RedisAddress},
    error::{OptionsError, RedisStoreError},
    options::RedisStoreOptions,
    server::Server,
    shards::Shards,
};
use crate::store::StoreError;

impl RedisStore {
    /// Connects to one server: `redis://user:password@host:port/database`, `rediss://…` for TLS, or
    /// a [`RedisAddress`].
    ///
    /// User, password, port and database are optional. In a URL, user and password are
    /// percent-encoded.
    ///
    /// # Errors
    ///
    /// [`StoreError`], with the likely cause and the remedy, if the address is invalid, or if the
    /// server
    ///
    /// * does not answer in time or rejects the login,
    /// * is older than Redis 6.2, a replica, a Sentinel or a Cluster node,
    /// * may evict revocations, or does not report its eviction policy in `INFO`,
    /// * rejects writes, or does not allow the user a command that the store needs, or
    /// * holds data of a later version, or of another number of shards, under the prefix.
    pub async fn connect(address: impl Into<RedisAddress>) -> Result<Self, StoreError> {
        Self::options().connect(address).await
    }

    /// Creates a store that connects when it is first used, to a server that need not be running
    /// yet.
    ///
    /// A [`Replica`](crate::Replica) over it starts at once, rejects requests with 503, and is
    /// ready once the server is. The first call verifies the server as [`connect`](Self::connect)
    /// does; missing rights are reported by the calls that need them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the address or an option is invalid.
    pub fn connect_lazily(address: impl Into<RedisAddress>) -> Result<Self, StoreError> {
        Self::options().connect_lazily(address)
    }

    /// Returns the default options: prefix, timeout, replicas to wait for, shards, TLS, Sentinel
    /// and Cluster.
    pub fn options() -> RedisStoreOptions {
        RedisStoreOptions::default()
    }

    async fn open(self) -> Result<Self, StoreError> {
        self.shards.open().await?;
        Ok(self)
    }
}

impl RedisStoreOptions {
    /// Connects to one server with these options, as [`RedisStore::connect`] does.
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect`].
    pub async fn connect(self, address: impl Into<RedisAddress>) -> Result<RedisStore, StoreError> {
        self.connect_lazily(address)?.open().await
    }

    /// Creates a store with these options that connects when it is first used, as
    /// [`RedisStore::connect_lazily`] does.
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect_lazily`].
    pub fn connect_lazily(self, address: impl Into<RedisAddress>) -> Result<RedisStore, StoreError> {
        self.create(Address::new(address.into(), &self.certificates).map(Server::Single))
    }

    /// Connects to the Cluster node that owns the slot of the prefix, and to another one once the
    /// slot has moved there.
    ///
    /// List several nodes: at least one of them must answer. All nodes use the user, the password
    /// and the TLS settings of the address through which they were found.
    ///
    /// All revocations of a prefix are in one slot, and therefore on one node and its replicas,
    /// unless there are several [`shards`](Self::shards), each of which has a slot. While a slot is
    /// being moved to another node, or has no primary, calls are errors. `cluster-node-timeout`
    /// decides how long that takes: see [what a failover costs](RedisStore#what-a-failover-costs).
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect`], and if no node names
    /// an owner of the slot.
    #[cfg(feature = "redis-cluster")]
    pub async fn connect_cluster<I>(self, nodes: I) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: Into<RedisAddress>>,
    {
        self.connect_cluster_lazily(nodes)?.open().await
    }

    /// Creates a store over a Cluster that connects when it is first used. See
    /// [`connect_cluster`](Self::connect_cluster).
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedisStore::connect_lazily`].
    #[cfg(feature = "redis-cluster")]
    pub fn connect_cluster_lazily<I>(self, nodes: I) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: Into<RedisAddress>>,
    {
        self.create(self.addresses(nodes).and_then(super::cluster::Cluster::new).map(Server::Cluster))
    }

    /// Connects to the primary that the Sentinels name, and to its successor after a failover.
    ///
    /// List **all** Sentinels: a primary is used if the majority of those listed here names it.
    /// `master` is the address of the primary with its *name* as the host:
    /// `redis://user:password@mymaster/0`. The Sentinels have users and passwords of their own, if
    /// any.
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
    pub async fn connect_sentinel<I>(
        self,
        sentinels: I,
        master: impl Into<RedisAddress>,
    ) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: Into<RedisAddress>>,
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
    pub fn connect_sentinel_lazily<I>(
        self,
        sentinels: I,
        master: impl Into<RedisAddress>,
    ) -> Result<RedisStore, StoreError>
    where
        I: IntoIterator<Item: Into<RedisAddress>>,
    {
        let sentinels = self.addresses(sentinels).and_then(|sentinels| {
            let master = Address::new(master.into(), &self.certificates)?;
            // Half of the timeout is left to connect to the primary, or to report that there is no
            // majority.
            super::sentinel::Sentinels::new(sentinels, master, self.settings.timeout / 2)
        });
        self.create(sentinels.map(Server::Sentinel))
    }

    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    fn addresses<I>(&self, addresses: I) -> Result<Vec<Address>, OptionsError>
    where
        I: IntoIterator<Item: Into<RedisAddress>>,
    {
        addresses.into_iter().map(|address| Address::new(address.into(), &self.certificates)).collect()
    }

    fn create(&self, server: Result<Server, OptionsError>) -> Result<RedisStore, StoreError> {
        match server.and_then(|server| Shards::new(server, &self.settings)) {
            Ok(shards) => Ok(RedisStore { shards }),
            Err(error) => Err(RedisStoreError::from(error).into_store_error("open", None)),
        }
    }
}
