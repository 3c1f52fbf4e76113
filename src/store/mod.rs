//! Stores of revocations: the contracts [`RevocationStore`] and [`RevocationLog`], and their
//! implementations.

#[cfg(any(feature = "redis", feature = "postgres"))]
mod batch;
#[cfg(feature = "test-util")]
pub mod conformance;
mod error;
mod log;
mod memory;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod password;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod purge_schedule;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "redis")]
mod redis;
mod regions;
mod replica;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::{Generation, RevocationSignal},
};
pub use error::{StoreError, StoreErrorKind};
pub use log::{CollectedSnapshot, FollowError, Followed, RevocationLog, SnapshotSink};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresAddress, PostgresCursor, PostgresStore, PostgresStoreOptions};
#[cfg(all(feature = "redb", feature = "test-util"))]
#[doc(hidden)]
pub use redb::Storage;
#[cfg(feature = "redb")]
pub use redb::{RedbStore, RedbStoreOptions};
#[cfg(feature = "redis")]
pub use redis::{RedisAddress, RedisCursor, RedisStore, RedisStoreOptions};
pub use regions::{RegionMonitor, Regions, RegionsBuilder, RegionsMonitor};
pub use replica::{Health, Replica, ReplicaMonitor, ReplicaOptions};

/// Stores revocations until the tokens they apply to would have expired anyway.
///
/// # Contract
///
/// * Once [`revoke`](Self::revoke) has returned `Ok`, every later check of a token that has the key
///   and was issued at or before `issued_through` is `Ok(true)`, until `retain_until`.
/// * Revocations of one key join by maximum: revoking again never shortens or weakens one.
/// * No live revocation is ever evicted. If there is no room for another one, `revoke` returns an
///   error.
/// * A dropped future leaves the revocation either written or absent.
/// * A check that cannot be answered for certain is an error, never `Ok(false)`.
///
/// The suite in `tower_logout::store::conformance` (feature `test-util`) tests whether a store
/// fulfils it.
///
/// # Examples
///
/// A complete store, also used by the example `custom-store`.
///
/// ```
/// use std::{
///     collections::HashMap,
///     sync::{Mutex, MutexGuard},
/// };
///
/// use async_trait::async_trait;
/// use tower_logout::{
///     RevocationStore,
///     revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
///     store::StoreError,
/// };
///
/// type Map = HashMap<RevocationKey, Revocation>;
///
/// #[derive(Default)]
/// struct MapStore(Mutex<Map>);
///
/// #[async_trait]
/// impl RevocationStore for MapStore {
///     async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
///         let mut map = self.lock("revoke")?;
///         let known = map.get(&revocation.key());
///         let newly =
///             known.is_none_or(|known| known.issued_through() < revocation.issued_through());
///         let joined = known.and_then(|known| known.join(revocation)).unwrap_or(*revocation);
///         map.insert(revocation.key(), joined);
///         Ok(if newly { Outcome::Newly } else { Outcome::Already })
///     }
///
///     async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
///         let map = self.lock("check")?;
///         let revokes = |known: &Revocation| token.issued_at() <= known.issued_through();
///         Ok(token.keys().iter().any(|key| map.get(key).is_some_and(revokes)))
///     }
///
///     async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
///         Ok(self.lock("find")?.get(&key).copied())
///     }
/// }
///
/// impl MapStore {
///     fn lock(&self, operation: &'static str) -> Result<MutexGuard<'_, Map>, StoreError> {
///         let poisoned = |_| StoreError::new(operation, "an earlier caller panicked");
///         self.0.lock().map_err(poisoned)
///     }
/// }
/// ```
#[async_trait]
pub trait RevocationStore: Send + Sync + 'static {
    /// Adds `revocation` to the store and joins it with an existing one of the same key. Exactly
    /// one of any number of parallel callers receives [`Outcome::Newly`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the revocation could not be stored, or if it is unknown whether it was.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves the revocation either written or absent.
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError>;

    /// Returns whether any of the token's keys is revoked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if that cannot be determined for certain.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError>;

    /// Adds several revocations, each as [`revoke`](Self::revoke) does, and returns their outcomes
    /// in the same order. If a key occurs several times, they are added one after the other.
    ///
    /// A database does this in one round trip. The provided method calls `revoke` for each.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if one of them could not be stored, or if it is unknown whether it was. Any
    /// of them may be stored then.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves each revocation either written or absent.
    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(revocations.len());
        for revocation in revocations {
            outcomes.push(self.revoke(revocation).await?);
        }
        Ok(outcomes)
    }

    /// Returns the revocation of this key, or `None` if there is none. Once a revocation was
    /// accepted by any process, it is found by every process until its `retain_until`: a store that
    /// answers checks from a copy asks the original.
    ///
    /// The endpoints that receive logouts from elsewhere need it to recognize repeated messages.
    /// The provided method returns an error.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if that cannot be determined for certain.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        let _ = key;
        let remedy = "this store cannot look up a revocation: implement `RevocationStore::find`";
        Err(StoreError::new("find", remedy).with_kind(StoreErrorKind::Misconfigured))
    }

    /// Returns the result of [`is_revoked`](Self::is_revoked) if it is available without waiting.
    ///
    /// Implemented by stores that answer from the memory of this process: a check then needs no
    /// future and no allocation. The provided method returns `None`.
    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        let _ = token;
        None
    }

    /// Returns a signal that is raised when the result of a check of the token may have changed, or
    /// `None` if the store does not learn of revocations as they happen.
    ///
    /// Stores that have a [`RevocationSet`](crate::set::RevocationSet) return its
    /// [`watch`](crate::set::RevocationSet::watch). Live streams of a token then end the moment it
    /// is revoked. Without a signal, each stream is re-checked every
    /// [`recheck_interval`](crate::Logout::recheck_interval).
    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        let _ = token;
        None
    }

    /// Returns the current [`Generation`] of the revocations, or `None` if every token must be
    /// checked.
    ///
    /// While the generation is unchanged, a token that was found not revoked is not checked again.
    /// Stores that have a [`RevocationSet`](crate::set::RevocationSet) return its
    /// [`generation`](crate::set::RevocationSet::generation) whenever they would answer a check
    /// from it. The provided method returns `None`.
    fn generation(&self) -> Option<Generation> {
        None
    }

    /// Returns whether the store can only be used through this value, and by no other process or
    /// owner.
    ///
    /// If a logout endpoint has such a store and its layer guards no route, the revocations are
    /// never checked; an event reports it. The provided method returns `false`. A store in an `Arc`
    /// with several owners is not private.
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

            async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
                (**self).revoke_all(revocations).await
            }

            async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
                (**self).find(key).await
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

            fn generation(&self) -> Option<Generation> {
                (**self).generation()
            }

            fn is_private(&self) -> bool {
                let is_shared: fn(&Self) -> bool = $is_shared;
                !is_shared(self) && (**self).is_private()
            }
        }
    )*};
}

delegate!(Arc: |store| Arc::strong_count(store) > 1, Box: |_| false);
