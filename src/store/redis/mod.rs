#![doc = include_str!("../../../docs/redis-layout.md")]

mod address;
mod check;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod connection;
mod cursor;
mod entry;
mod error;
mod layout;
mod log;
mod loss;
mod options;
mod parse;
mod prune;
mod repair;
mod requirements;
mod revoke;
mod rights;
mod scripts;
#[cfg(feature = "redis-sentinel")]
mod sentinel;
mod server;
mod shared;
mod state;
mod tls;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{RevocationStore, StoreError},
};
pub use cursor::RedisCursor;
pub use options::RedisStoreOptions;
use shared::Shared;

/// Stores revocations in a Redis or Valkey server that all processes share.
///
/// Each revocation is one script, which the server runs as one step: of any number of parallel
/// callers on any machine, exactly one gets [`Outcome::Newly`]. Each check is one round trip to the
/// primary, however many keys the token has. Used directly, the store is never stale, and nothing
/// works without the server; a [`Replica`](crate::Replica) over it answers checks from the memory
/// of this process instead.
///
/// Clones are cheap. They share the connections, the background task and what was observed of the
/// server.
///
/// # The server
///
/// Redis 6.2 or later, or Valkey: a single server, one with Sentinels
/// ([`connect_sentinel`](RedisStoreOptions::connect_sentinel), feature `redis-sentinel`), or a
/// Cluster ([`connect_cluster`](RedisStoreOptions::connect_cluster), feature `redis-cluster`), each
/// also with TLS (`rediss://`, feature `redis-tls`). Each time it connects, the store makes sure
/// that the server is a primary and that its `maxmemory-policy` is `noeviction` or begins with
/// `volatile-`: with a server that evicts revocations, revoked tokens would be accepted again. No
/// key of the store has a time to live, and the next revocation removes one that somebody else
/// sets, so `volatile-` policies cannot evict it. When the server's memory is full, revoking is an
/// error.
///
/// For managed services that hide what kind of server they are (Redis Cloud, Redis Enterprise), use
/// [`allow_unverified_server`](RedisStoreOptions::allow_unverified_server).
///
/// A user with few rights needs the commands listed in `docs/redis-layout.md`, which also describes
/// the layout for programs in other languages.
///
/// # When the server loses data
///
/// The store remembers what it has observed. If the server was emptied, replaced, restored from an
/// older copy, or lacks a part of the data, checks and revocations are errors (503) from then on,
/// within the same round trip, and never "not revoked". A [`Replica`](crate::Replica) over the
/// store knows what is missing, repairs the store and continues by itself. Used directly, the store
/// continues once the data is there again. An operator who cannot restore it revokes every token
/// issued until then ([`Revoker::everything`](crate::Revoker::everything)) and restarts the
/// processes; `docs/redis-layout.md` has the steps. A process that starts cannot know what an empty
/// server once contained.
///
/// An acknowledged revocation is in the server's memory. It survives the end of the server if the
/// server persists (`appendonly yes`; with `appendfsync always` also a loss of power), and a
/// failover if the new primary had received it, which
/// [`wait_replicas`](RedisStoreOptions::wait_replicas) makes likely. Every `Replica` that knows a
/// lost revocation re-sends it.
///
/// A former primary that is still running continues to answer on open connections: a server whose
/// host name leads to another one now, or a Cluster node that is cut off with a minority, which
/// stops after `cluster-node-timeout` (15 s by default). The store makes a new connection as soon
/// as an error casts doubt on one. Beyond that, the remedies are Sentinels,
/// `min-replicas-to-write`, stopping the old primary before another one is promoted, and a short
/// `cluster-node-timeout`.
///
/// # What a failover costs
///
/// Until another server has taken over, revocations are errors, and so are checks of a store that
/// is used directly; a [`Replica`](crate::Replica) answers from memory as long as its view is no
/// older than [`max_staleness`](crate::store::ReplicaOptions::max_staleness) (5 s). A Cluster
/// replaces a primary after about twice its `cluster-node-timeout`: 5.9 s were measured with 3 s,
/// and the default is 15 s. Sentinels take their `down-after-milliseconds` (30 s by default) and
/// one or two seconds more. **Set either to a third of `max_staleness` at most**, or raise
/// `max_staleness`: otherwise each failover is an outage for every request.
///
/// # Errors
///
/// Every call ends within the [timeout](RedisStoreOptions::timeout), whatever the server does. A
/// revocation that ended in an error may still be stored: revoking again then returns
/// [`Outcome::Already`]. After an error that another server may not have, the next call makes a new
/// connection and looks for the primary again.
///
/// # Examples
///
/// ```no_run
/// # async fn connect() -> Result<(), tower_logout::store::StoreError> {
/// use tower_logout::{RedisStore, Replica};
///
/// let store = RedisStore::connect("redis://logout:secret@redis.internal:6379").await?;
/// let replica = Replica::start(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

impl RedisStore {
    /// Connects to one server: `redis://user:password@host:port/database`, or `rediss://…` for TLS.
    ///
    /// User, password, port and database are optional. User and password are percent-encoded.
    ///
    /// # Errors
    ///
    /// [`StoreError`], with the likely cause and the remedy, if the URL is invalid, or if the
    /// server
    ///
    /// * does not answer in time or rejects the login,
    /// * is older than Redis 6.2, a replica, a Sentinel or a Cluster node,
    /// * may evict revocations, or does not show in `INFO` whether it may,
    /// * rejects writes, or does not allow the user a command that the store needs, or
    /// * holds data of a later version under the prefix.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::options().connect(url).await
    }

    /// Creates a store that connects when it is first used, to a server that need not be running
    /// yet.
    ///
    /// A [`Replica`](crate::Replica) over it starts at once, answers 503, and is ready once the
    /// server is. The first call reports what [`connect`](Self::connect) would report about the
    /// server; missing rights are reported by the calls that need them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the URL or an option is invalid.
    pub fn connect_lazily(url: &str) -> Result<Self, StoreError> {
        Self::options().connect_lazily(url)
    }

    /// Returns the default options: prefix, timeout, replicas to wait for, TLS, Sentinel and
    /// Cluster.
    pub fn options() -> RedisStoreOptions {
        RedisStoreOptions::default()
    }

    async fn open(self) -> Result<Self, StoreError> {
        self.shared.open().await.map_err(|error| self.shared.store_error("open", error))?;
        Ok(self)
    }
}

#[async_trait]
impl RevocationStore for RedisStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let shared = &self.shared;
        let result = shared.within(shared.revoke(revocation)).await;
        shared.invalidate_on_error(result).map_err(|error| shared.store_error("revoke", error))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        let shared = &self.shared;
        let result = shared.within(shared.is_revoked(token)).await;
        shared.invalidate_on_error(result).map_err(|error| shared.store_error("check", error))
    }
}

/// Prints no user and no password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.shared.server)
            .field("prefix", &self.shared.layout.prefix())
            .field("timeout", &self.shared.timeout)
            .field("wait_replicas", &self.shared.wait_replicas)
            .finish_non_exhaustive()
    }
}
