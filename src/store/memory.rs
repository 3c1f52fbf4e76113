//! [`MemoryStore`]: a store in the memory of this process.

use std::{cell::Cell, sync::Arc};

use async_trait::async_trait;

use crate::{
    clock::{Clock, SystemClock},
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::{Generation, RevocationSet, RevocationSignal},
    store::{RevocationStore, StoreError, StoreErrorKind},
    telemetry,
};

/// Store that keeps revocations in the memory of this process and loses them when it ends.
///
/// It is intended for tests, for a single process whose tokens do not outlive it, and as the
/// reference implementation of [`RevocationStore`].
///
/// **Use one store for the routes and the logout endpoint.** Each `MemoryStore` has a memory of its
/// own. If the routes and the endpoint had different stores, a logout would return 200 and its
/// revocation would never be checked. Create the layer and the endpoint from one
/// [`Logout`](crate::Logout), or share the store in an `Arc`.
///
/// Expired revocations are purged while the store is used, with each revocation and with some of
/// the checks; there is no task to start. At capacity, revoking is an error: live revocations are
/// never evicted.
///
/// # Examples
///
/// ```
/// use tower_logout::MemoryStore;
///
/// let store = MemoryStore::new().capacity(100_000);
/// assert!(store.is_empty());
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    set: RevocationSet,
    clock: Arc<dyn Clock>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// Default maximum number of live revocations: ten million, which take about half a GiB.
    pub const DEFAULT_CAPACITY: usize = 10_000_000;

    /// Creates an empty store with the [default capacity](Self::DEFAULT_CAPACITY) and the system's
    /// clock.
    #[must_use]
    pub fn new() -> Self {
        Self { set: RevocationSet::with_capacity(Self::DEFAULT_CAPACITY), clock: Arc::new(SystemClock) }
    }

    /// Sets the maximum number of live revocations. Beyond it, revoking is an error. Default:
    /// [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY).
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.set.set_capacity(capacity);
        self
    }

    /// Sets the clock by which expired revocations are purged. It should show the same time as the
    /// verifier's clock. Default: the system's clock.
    ///
    /// A clock that is ahead of the verifier's purges revocations before their tokens have expired,
    /// and tokens whose revocation may have been purged count as revoked. The system's clock is
    /// ahead in tests that date tokens in the past.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Returns the number of revocations in the store, including expired ones that were not purged
    /// yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Returns the number of active watches of tokens, such as those of live streams.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.set.watched()
    }

    /// Returns whether the store holds no revocation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }
}

#[async_trait]
impl RevocationStore for MemoryStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let now = self.clock.now();
        let outcome = self.set.join(revocation).or_else(|_| {
            self.set.purge(now, |_| {});
            self.set.join(revocation)
        });
        for _ in 0..SHARDS_PER_REVOCATION {
            self.set.purge_next(now, |_| {});
        }
        telemetry::live_revocations(self.set.len());
        outcome.map_err(|full| StoreError::new("revoke", full).with_kind(StoreErrorKind::Full))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        Ok(self.check(token))
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        Ok(self.set.revocation(key))
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        Some(Ok(self.check(token)))
    }

    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        Some(self.set.watch(token))
    }

    fn generation(&self) -> Option<Generation> {
        self.purge_occasionally();
        self.set.generation()
    }

    fn is_private(&self) -> bool {
        true
    }
}

impl MemoryStore {
    fn check(&self, token: &TokenIdentity) -> bool {
        self.purge_occasionally();
        self.set.is_revoked(token)
    }

    fn purge_occasionally(&self) {
        let checks = CHECKS.get().wrapping_add(1);
        CHECKS.set(checks);
        if checks.is_multiple_of(CHECKS_PER_PURGE) {
            self.set.purge_next(self.clock.now(), |_| {});
        }
    }
}

thread_local! {
    static CHECKS: Cell<u32> = const { Cell::new(0) };
}

const CHECKS_PER_PURGE: u32 = 256;
const SHARDS_PER_REVOCATION: usize = 2;
