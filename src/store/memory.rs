//! [`MemoryStore`]: revocations in the memory of this process.

use std::{cell::Cell, sync::Arc};

use async_trait::async_trait;

use crate::{
    clock::{Clock, SystemClock},
    revocation::{Outcome, Revocation, TokenIdentity},
    set::{Generation, RevocationSet, RevocationSignal},
    store::{RevocationStore, StoreError, StoreErrorKind},
    telemetry,
};

/// Stores revocations in this process only, and loses them when it ends.
///
/// For tests, for a single process whose tokens do not outlive it, and as the reference
/// implementation.
///
/// **One store for routes and logout.** Each `MemoryStore` has a memory of its own. Two layers with
/// one each, one for the routes and one for the logout, would answer 200 and revoke nothing. Make
/// one [`RevocationLayer`](crate::RevocationLayer) and clone it, or share the store in an `Arc`.
///
/// It purges expired revocations while it is used, a few with every revocation and some with a
/// check now and then; there is no task to start. At capacity, revoking is an error: nothing live
/// is evicted.
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
    /// How many live revocations a store may hold by default: ten million, which take about half a
    /// GiB.
    pub const DEFAULT_CAPACITY: usize = 10_000_000;

    /// Creates an empty store with the [default capacity](Self::DEFAULT_CAPACITY) and the system's
    /// clock.
    #[must_use]
    pub fn new() -> Self {
        Self { set: RevocationSet::with_capacity(Self::DEFAULT_CAPACITY), clock: Arc::new(SystemClock) }
    }

    /// Sets how many live revocations the store may hold. Revoking one more is an error.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.set.set_capacity(capacity);
        self
    }

    /// Sets the clock by which expired revocations are purged. It should show the same time as the
    /// verifier's.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// How many revocations the store holds, including those that the next purge removes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// How many watches of a token there are, such as those of live streams.
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

    fn generation(&self) -> Option<Generation> {
        self.purge_now_and_then();
        self.set.generation()
    }

    fn is_private(&self) -> bool {
        true
    }
}

impl MemoryStore {
    fn is_revoked_here(&self, token: &TokenIdentity) -> bool {
        self.purge_now_and_then();
        self.set.is_revoked(token)
    }

    fn purge_now_and_then(&self) {
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
const SHARDS_PURGED_BY_A_REVOCATION: usize = 2;
