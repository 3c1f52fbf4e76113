#![doc = include_str!("../../../docs/redis-layout.md")]

mod address;
mod check;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod connect;
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
mod shards;
mod shared;
mod state;
mod tls;

use std::{fmt, slice};

use async_trait::async_trait;

use crate::{
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::{RevocationStore, StoreError},
};
pub use address::RedisAddress;
pub use cursor::RedisCursor;
pub use options::RedisStoreOptions;
use shards::Shards;

/// Store that keeps revocations in a Redis or Valkey server shared by all nodes.
///
/// Each revocation is one script, which the server runs atomically: of any number of parallel
/// callers on any machine, exactly one receives [`Outcome::Newly`]. Each check is one round trip to
/// the primary, however many keys the token has. Used directly, the store is never stale, but every
/// check fails while the server is unavailable. A [`Replica`](crate::Replica) over it answers
/// checks from the memory of this process instead.
///
/// Clones are cheap and share the connections, the background task and the observations of the
/// server.
///
/// # The server
///
/// Redis 6.2 or later, or Valkey: a single server, one with Sentinels
/// ([`connect_sentinel`](RedisStoreOptions::connect_sentinel), feature `redis-sentinel`), or a
/// Cluster ([`connect_cluster`](RedisStoreOptions::connect_cluster), feature `redis-cluster`), each
/// also with TLS (`rediss://`, feature `redis-tls`). Each time it connects, the store verifies that
/// the server is a primary and that its `maxmemory-policy` is `noeviction` or begins with
/// `volatile-`: if a server evicted revocations, revoked tokens would be accepted again. The keys
/// of the store have no time to live, so `volatile-` policies do not evict them. One that another
/// client has set is removed by one of the next revocations, or by a `Replica` within half a
/// minute. When the server's memory is full, revoking is an error.
///
/// For managed services that hide the role and the eviction policy of the server (Redis Cloud,
/// Redis Enterprise), use [`allow_unverified_server`](RedisStoreOptions::allow_unverified_server).
///
/// User and password can be parts of the URL, or of a [`RedisAddress`], which also takes a closure
/// that returns the password for each new connection: tokens of a cloud provider, for example.
///
/// `docs/redis-layout.md` in the repository lists the commands that the user needs, and describes
/// the layout for programs in other languages.
///
/// # When the server loses data
///
/// The store remembers the state that it has observed. If the server was emptied, replaced,
/// restored from an older copy, or lacks a part of the data, checks and revocations are errors
/// (503) from then on, and no token is reported as not revoked. This is verified in the same round
/// trip. A [`Replica`](crate::Replica) over the store knows the missing revocations, repairs the
/// store and continues without intervention. Used directly, the store continues once the data is
/// restored. If the data cannot be restored, revoke every token issued until then
/// ([`Revoker::everything`](crate::Revoker::everything)) and restart the processes;
/// `docs/redis-layout.md` has the steps. A process that starts cannot know what an empty server has
/// contained before.
///
/// An acknowledged revocation is in the server's memory. It survives a restart of the server if the
/// server persists its data (`appendonly yes`; with `appendfsync always` also a power loss), and a
/// failover if the new primary has received it, which
/// [`wait_replicas`](RedisStoreOptions::wait_replicas) makes likely. Every `Replica` that knows a
/// lost revocation re-sends it.
///
/// A former primary that is still running may continue to answer on open connections: a server
/// whose host name now leads to another one, or a Cluster node in the minority of a network
/// partition, which stops after `cluster-node-timeout` (15 s by default). An error that another
/// server may not have invalidates the connection, and the store opens a new one. Further remedies
/// are Sentinels, `min-replicas-to-write`, stopping the old primary before another one is promoted,
/// and a short `cluster-node-timeout`.
///
/// # What a failover costs
///
/// Until another server has taken over, revocations are errors, and so are checks of a store that
/// is used directly. A [`Replica`](crate::Replica) answers from memory while its view is no older
/// than [`max_staleness`](crate::store::ReplicaOptions::max_staleness) (5 s). A Cluster replaces a
/// primary after about twice its `cluster-node-timeout` (measured: 5.9 s with a timeout of 3 s; the
/// default is 15 s). Sentinels take their `down-after-milliseconds` (30 s by default) and one or
/// two seconds more. **Set either to at most a third of `max_staleness`**, or raise
/// `max_staleness`: otherwise every request fails during each failover.
///
/// # Errors
///
/// Every call ends within the [timeout](RedisStoreOptions::timeout), whatever the server does. A
/// revocation that ended in an error may have been stored: revoking again then returns
/// [`Outcome::Already`]. After an error that another server may not have, the next call opens a new
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
    shards: Shards,
}

#[async_trait]
impl RevocationStore for RedisStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let shard = self.shards.of(revocation.key());
        let outcomes = shard.revoke_in_batch(slice::from_ref(revocation)).await?;
        Ok(outcomes.first().copied().unwrap_or(Outcome::Already))
    }

    /// A thousand revocations are one round trip, and so is each further thousand. Fewer may share
    /// a round trip with those of concurrent calls. Each shard receives its own, at the same time.
    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        self.shards.revoke_all(revocations).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        match self.shards.only() {
            Some(shard) => shard.perform("check", shard.is_revoked(token.keys(), token)).await,
            None => self.shards.is_revoked(token).await,
        }
    }

    /// One round trip, with the same proof that nothing is missing as a check.
    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        let shard = self.shards.of(key);
        shard.perform("find", shard.find(key)).await
    }
}

/// Displays neither the user nor the password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.shards.first();
        f.debug_struct("RedisStore")
            .field("server", &first.server)
            .field("prefix", &first.layout.prefix())
            .field("shards", &self.shards.len())
            .field("timeout", &first.timeout)
            .field("wait_replicas", &first.wait_replicas)
            .finish_non_exhaustive()
    }
}
