use std::{cell::Cell, sync::Arc};

use async_trait::async_trait;

use crate::{
    clock::{Clock, SystemClock},
    revocation::{Outcome, Revocation, TokenIdentity},
    set::{RevocationSet, RevocationSignal},
    store::{RevocationStore, StoreError, StoreErrorKind},
    telemetry,
};

/// Remembers revocations in this process only, and loses them with it.
///
/// For tests, for a single process whose tokens do not outlive it, and as the yardstick of every other store.
///
/// **One store for routes and logout.** Each `MemoryStore` is a memory of its own. Two layers with one each, one for the
/// routes and one for the logout, would answer 200 and end nothing. Make one
/// [`RevocationLayer`](crate::RevocationLayer) and use clones of it, or give each an `Arc` of the same store.
///
/// It purges what has expired as it is used, a little with every revocation and now and then with a check; there is no
/// task to start. At capacity, revoking is an error: nothing live is evicted.
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
    /// How many live revocations a store holds unless told otherwise: ten million, which takes about half a GiB.
    pub const DEFAULT_CAPACITY: usize = 10_000_000;

    /// An empty store with the [default capacity](Self::DEFAULT_CAPACITY) and the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self { set: RevocationSet::with_capacity(Self::DEFAULT_CAPACITY), clock: Arc::new(SystemClock) }
    }

    /// Sets how many live revocations the store may hold. One more is refused.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.set.set_capacity(capacity);
        self
    }

    /// Sets the clock that tells what may be forgotten. It is to show the same time as the verifier's.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// How many revocations the store holds, those included that the next purge removes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// How many streams are open whose token is watched.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.set.watched()
    }

    /// Whether the store holds nothing.
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
        for _ in 0..SHARDS_PURGED_BY_A_REVOCATION {
            self.set.purge_next(now, |_| {});
        }
        telemetry::live_revocations(self.set.len());
        outcome.map_err(|full| StoreError::new("revoke", full).with_kind(StoreErrorKind::Full))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        Ok(self.is_revoked_here(token))
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        Some(Ok(self.is_revoked_here(token)))
    }

    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        Some(self.set.watch(token))
    }

    fn is_private(&self) -> bool {
        true
    }
}

impl MemoryStore {
    fn is_revoked_here(&self, token: &TokenIdentity) -> bool {
        let revoked = self.set.is_revoked(token);
        let checks = CHECKS.get().wrapping_add(1);
        CHECKS.set(checks);
        if checks.is_multiple_of(CHECKS_PER_PURGE) {
            self.set.purge_next(self.clock.now(), |_| {});
        }
        revoked
    }
}

thread_local! {
    static CHECKS: Cell<u32> = const { Cell::new(0) };
}

const CHECKS_PER_PURGE: u32 = 256;
const SHARDS_PURGED_BY_A_REVOCATION: usize = 2;
