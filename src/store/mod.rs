//! Who remembers what was revoked: [`RevocationStore`], and the stores there are.

#[cfg(any(feature = "redis-tls", feature = "postgres-tls"))]
mod certificates;
#[cfg(feature = "test-util")]
pub mod conformance;
mod error;
mod log;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "redis")]
mod redis;
mod replica;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod upkeep;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    revocation::{Outcome, Revocation, TokenIdentity},
    set::RevocationSignal,
};
pub use error::{StoreError, StoreErrorKind};
pub use log::{CollectedSnapshot, FollowError, Followed, RevocationLog, SnapshotSink};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresCursor, PostgresStore, PostgresStoreOptions};
#[cfg(all(feature = "redb", feature = "test-util"))]
#[doc(hidden)]
pub use redb::Storage;
#[cfg(feature = "redb")]
pub use redb::{RedbStore, RedbStoreOptions};
#[cfg(feature = "redis")]
pub use redis::{RedisCursor, RedisStore, RedisStoreOptions};
pub use replica::{Health, Replica, ReplicaMonitor, ReplicaOptions};

/// Remembers which tokens were revoked, until they would have expired anyway.
///
/// # Contract
///
/// * Once [`revoke`](Self::revoke) has returned `Ok`, every later check of a token that carries the key and was issued
///   through `issued_through` is `Ok(true)`, until `retain_until`.
/// * Revocations of one key join by maximum: revoking again never shortens and never weakens.
/// * Nothing that is live is ever evicted. Without room for a revocation, `revoke` is an error.
/// * A dropped future leaves the revocation either written or absent.
/// * A check that cannot be answered for certain is an error, never `Ok(false)`.
///
/// The suite in `tower_logout::conformance` (feature `test-util`) holds a store to it.
///
/// # Examples
///
/// A whole store; `examples/custom_store.rs` is this one in use.
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
///
/// use async_trait::async_trait;
/// use tower_logout::{Outcome, Revocation, RevocationKey, RevocationStore, StoreError, TokenIdentity};
///
/// #[derive(Default)]
/// struct MapStore(Mutex<HashMap<RevocationKey, Revocation>>);
///
/// #[async_trait]
/// impl RevocationStore for MapStore {
///     async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
///         let mut map = self.0.lock().map_err(|_| StoreError::new("revoke", "an earlier caller panicked"))?;
///         let known = map.get(&revocation.key());
///         let newly = known.is_none_or(|known| known.issued_through() < revocation.issued_through());
///         let joined = known.and_then(|known| known.join(revocation)).unwrap_or(*revocation);
///         map.insert(revocation.key(), joined);
///         Ok(if newly { Outcome::Newly } else { Outcome::Already })
///     }
///
///     async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
///         let map = self.0.lock().map_err(|_| StoreError::new("check", "an earlier caller panicked"))?;
///         let dead = |known: &Revocation| token.issued_at() <= known.issued_through();
///         Ok(token.keys().iter().any(|key| map.get(key).is_some_and(dead)))
///     }
/// }
/// ```
#[async_trait]
pub trait RevocationStore: Send + Sync + 'static {
    /// Joins `revocation` into the store. [`Outcome::Newly`] for exactly one of any number of parallel callers.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the revocation could not be stored, or if that is not known.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves the revocation either written or absent.
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError>;

    /// Whether any of the token's keys is revoked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if that cannot be told for certain.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError>;

    /// The same as [`is_revoked`](Self::is_revoked), if it can be answered without waiting.
    ///
    /// Stores that answer from this process implement it: a check then needs no future and no allocation.
    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        let _ = token;
        None
    }

    /// A signal that is raised when a check of the token may have another answer than before, if this store learns of that as it happens.
    ///
    /// Stores that keep a [`RevocationSet`](crate::RevocationSet) return its [`watch`](crate::RevocationSet::watch). Streams that a token has opened then end
    /// the moment it is revoked; without a signal, the store is asked again every [`recheck_interval`](crate::Guard::recheck_interval).
    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        let _ = token;
        None
    }

    /// Whether nobody but the owner of this value can ask the store: no other process, and nothing else in this one.
    ///
    /// Then a logout whose layer guards no route has ended nothing, and says so in an event. A store that does not say is
    /// taken for one that others ask. Of an `Arc` with several owners each is one.
    fn is_private(&self) -> bool {
        false
    }
}

macro_rules! delegate {
    ($($pointer:ident: $is_shared:expr),*) => {$(
        #[async_trait]
        impl<S: RevocationStore + ?Sized> RevocationStore for $pointer<S> {
            async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
                (**self).revoke(revocation).await
            }

            async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
                (**self).is_revoked(token).await
            }

            fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
                (**self).is_revoked_now(token)
            }

            fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
                (**self).watch(token)
            }

            fn is_private(&self) -> bool {
                let is_shared: fn(&Self) -> bool = $is_shared;
                !is_shared(self) && (**self).is_private()
            }
        }
    )*};
}

delegate!(Arc: |store| Arc::strong_count(store) > 1, Box: |_| false);
