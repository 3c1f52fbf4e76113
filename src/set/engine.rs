//! [`RevocationSet`]: the set, which consists of shards and the registry of signals.

use std::{array, fmt, hash::BuildHasher, iter, num::NonZeroU64, sync::Arc, time::Duration};

use crate::{
    chain::debug_as_chain,
    clock::Timestamp,
    revocation::{KeyKind, Outcome, Revocation, RevocationKey, TokenIdentity},
    set::{
        Generation, RevocationSignal,
        registry::Registry,
        shard::{Shard, Used},
        sync::{AtomicU64, AtomicUsize, KINDS, MutexGuard, Ordering, RandomState, SHARDS},
    },
};

/// Concurrent set of revocations in memory.
///
/// It never evicts a live revocation: at capacity, [`join`](Self::join) rejects new keys. It has no
/// clock and no thread; its owner calls [`purge`](Self::purge) or [`purge_next`](Self::purge_next).
/// A purge raises the [purge watermark](Self::purged_through), and a token whose revocation may
/// have been purged counts as revoked, so that a clock that steps back does not un-revoke a token.
///
/// A check is wait-free, also during a revocation, a purge or the growth of a table. It searches
/// only for keys of kinds that have a revocation. Writers lock one shard of the set at a time.
pub struct RevocationSet {
    shards: Box<[Shard]>,
    hasher: RandomState,
    /// The number of entries of each kind. Incremented before an entry is added and decremented
    /// after it is removed, so never too low.
    kinds: [AtomicUsize; KINDS],
    len: AtomicUsize,
    capacity: usize,
    purged_through: AtomicU64,
    /// A number that changes with each new revocation, and is unique among all sets of the process.
    generation: AtomicU64,
    /// The number of threads that may have added a revocation without having changed the generation
    /// yet.
    entering: AtomicUsize,
    next_shard: AtomicUsize,
    /// How many entries its owner expects, so that tables grow in fewer steps.
    expected: AtomicUsize,
    signals: Arc<Registry>,
}

/// Error of a [`RevocationSet`] that is full.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[error(
    "the revocation set is full: it holds {capacity} live revocations; raise its capacity, or shorten the lifetime of \
     tokens"
)]
pub struct AtCapacity {
    capacity: usize,
}

debug_as_chain!(AtCapacity);

impl RevocationSet {
    /// The number of calls after which [`purge_next`](Self::purge_next) has examined the whole set.
    pub(crate) const SHARDS: usize = SHARDS;

    /// Creates an empty set without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(usize::MAX)
    }

    /// Creates an empty set that holds up to `capacity` revocations. It allocates as they are
    /// added.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::new()).collect(),
            hasher: RandomState::default(),
            kinds: array::from_fn(|_| AtomicUsize::new(0)),
            len: AtomicUsize::new(0),
            capacity,
            purged_through: AtomicU64::new(0),
            generation: AtomicU64::new(next_generation()),
            entering: AtomicUsize::new(0),
            next_shard: AtomicUsize::new(0),
            expected: AtomicUsize::new(0),
            signals: Arc::new(Registry::new()),
        }
    }

    /// Returns the number of revocations that the set may hold.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) const fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Joins a revocation into the set, and raises the [signals](Self::watch) of tokens that carry
    /// its key.
    ///
    /// A revocation at or below the purge watermark changes nothing: its tokens count as revoked.
    ///
    /// # Errors
    ///
    /// [`AtCapacity`] if the key is new and the set is full. The set is then unchanged.
    pub fn join(&self, revocation: &Revocation) -> Result<Outcome, AtCapacity> {
        let outcome = self.join_silently(revocation)?;
        self.notify(revocation, outcome);
        Ok(outcome)
    }

    /// Says how many entries the set is about to have, or 0 if that is not known any more. Until
    /// then, an insertion copies one other entry on average instead of six. A number that is too
    /// large costs at most as much memory as the entries use.
    pub(crate) fn expect(&self, entries: usize) {
        self.expected.store(entries, Ordering::Relaxed);
    }

    /// Raises the signals of a revocation that was [joined silently](Self::join_silently), unless
    /// it changed nothing. Must be called without holding a lock.
    pub(crate) fn notify(&self, revocation: &Revocation, outcome: Outcome) {
        // Below the watermark, tokens count as revoked although there is no entry.
        if outcome == Outcome::Newly || self.may_be_purged(revocation.retain_until()) {
            self.signals.notify_revoked(revocation.key());
        }
    }

    /// Joins a revocation into the set without raising signals, which [`notify`](Self::notify)
    /// does.
    pub(crate) fn join_silently(&self, revocation: &Revocation) -> Result<Outcome, AtCapacity> {
        // While the revocation can be found and the generation is still the old one, no thread
        // relies on the generation. A thread that has found the revocation once therefore always
        // finds it.
        self.entering.fetch_add(1, Ordering::AcqRel);
        let outcome = self.enter(revocation);
        if outcome == Ok(Outcome::Newly) {
            // If two threads do this at the same time, the larger number stays, which covers both.
            self.generation.fetch_max(next_generation(), Ordering::AcqRel);
        }
        self.entering.fetch_sub(1, Ordering::AcqRel);
        outcome
    }

    fn enter(&self, revocation: &Revocation) -> Result<Outcome, AtCapacity> {
        if self.may_be_purged(revocation.retain_until()) {
            return Ok(Outcome::Already);
        }
        let key = revocation.key();
        let admit = || {
            self.reserve()?;
            self.kinds[index(key.kind())].fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let expected = self.expected.load(Ordering::Relaxed) / SHARDS;
        self.shard(self.hash(key)).join(revocation, expected, |key| self.hash(key), admit)
    }

    /// Returns whether a key of the token is revoked, or a revocation of the token may have been
    /// purged.
    #[must_use]
    pub fn is_revoked(&self, token: &TokenIdentity) -> bool {
        let revoked = |key: &RevocationKey| {
            self.kinds[index(key.kind())].load(Ordering::Acquire) != 0 && self.covers(*key, token.issued_at())
        };
        if token.keys().iter().any(revoked) {
            return true;
        }
        // The watermark is read last, because a purge raises it before it removes anything.
        self.may_be_purged(token.retain_until())
    }

    /// Returns a signal that is raised when a key of the token is revoked from now on. Check the
    /// token after this call, not before.
    ///
    /// The signal uses memory until it is dropped. The cost of a revocation depends on the number
    /// of signals with its key, not on the number of all signals.
    pub fn watch(&self, token: &TokenIdentity) -> RevocationSignal {
        self.watch_with(iter::empty(), token)
    }

    /// Returns a signal that is also raised when a key of the token is revoked in one of the other
    /// sets.
    pub(crate) fn watch_with<'a>(
        &self,
        others: impl Iterator<Item = &'a Self>,
        token: &TokenIdentity,
    ) -> RevocationSignal {
        RevocationSignal::of(token, &self.signals, others.map(|other| &other.signals))
    }

    /// Raises all signals, so that their tokens are checked again without a revocation.
    pub fn signal_all(&self) {
        self.signals.notify_all();
    }

    /// Returns the current generation, or `None` if a thread is about to change it. Read it before
    /// a check whose result is cached.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        if self.entering.load(Ordering::Acquire) != 0 {
            return None;
        }
        let number = NonZeroU64::new(self.generation.load(Ordering::Acquire))?;
        Some(Generation::new(number, self.purged_through()))
    }

    /// Returns the number of signals.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.signals.len()
    }

    /// Returns the revocation of a key, if there is one.
    #[must_use]
    pub fn revocation(&self, key: RevocationKey) -> Option<Revocation> {
        let hash = self.hash(key);
        self.shard(hash).revocation(hash, key)
    }

    /// Calls `each` with every revocation, one shard after the other.
    pub(crate) fn for_each(&self, mut each: impl FnMut(Revocation)) {
        for shard in &self.shards {
            shard.for_each(&mut each);
        }
    }

    /// Returns whether joining the revocation would change nothing.
    #[must_use]
    pub fn knows(&self, revocation: &Revocation) -> bool {
        self.may_be_purged(revocation.retain_until())
            || self.revocation(revocation.key()).is_some_and(|known| known.join(revocation) == Some(known))
    }

    /// Removes every entry whose retention has ended at `now`, one shard after the other, and calls
    /// `purged` with each key.
    ///
    /// `purged` is called under a lock and must not use the set.
    pub fn purge(&self, now: Timestamp, mut purged: impl FnMut(RevocationKey)) {
        for shard in self.shards.iter().filter(|shard| shard.is_due(now)) {
            self.purge_shard(shard, shard.lock(), now, &mut purged);
        }
    }

    /// Purges the next shard in turn at `now`, and calls `purged` with each key that it removes.
    /// Does nothing if the shard was purged a few seconds ago, or another thread is writing to it.
    ///
    /// If the users of the set call it regularly, the set stays small at little cost per call.
    pub fn purge_next(&self, now: Timestamp, mut purged: impl FnMut(RevocationKey)) {
        let shard = &self.shards[self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS];
        let overdue = now.saturating_sub(PURGE_INTERVAL);
        if shard.is_due(overdue)
            && let Some(used) = shard.try_lock()
        {
            self.purge_shard(shard, used, now, &mut purged);
        }
    }

    /// Whether there is room for `new` revocations with new keys.
    #[cfg(feature = "redb")]
    pub(crate) fn room_for(&self, new: usize) -> Result<(), AtCapacity> {
        match self.len().checked_add(new) {
            Some(len) if len <= self.capacity => Ok(()),
            _ => Err(AtCapacity { capacity: self.capacity }),
        }
    }

    /// Returns the purge watermark: revocations with a `retain_until` at or below it may have been
    /// removed. It is [`Timestamp::MIN`] if nothing was purged.
    #[must_use]
    pub fn purged_through(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.purged_through.load(Ordering::Acquire))
    }

    /// Raises the purge watermark, for example to that of an earlier process. It is never lowered.
    pub fn raise_purged_through(&self, through: Timestamp) {
        self.purged_through.fetch_max(through.as_unix_millis(), Ordering::AcqRel);
    }

    /// Returns the number of revocations in the set, including those that the next purge removes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Returns whether the set holds no revocation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a revocation with this `retain_until` may have been purged, so that its tokens count
    /// as revoked.
    fn may_be_purged(&self, retain_until: Timestamp) -> bool {
        let watermark = self.purged_through();
        watermark > Timestamp::MIN && retain_until <= watermark
    }

    /// Whether a revocation of the key covers a token issued at `issued_at`.
    fn covers(&self, key: RevocationKey, issued_at: Timestamp) -> bool {
        let hash = self.hash(key);
        self.shard(hash).is_revoked(hash, key, issued_at)
    }

    fn purge_shard(
        &self,
        shard: &Shard,
        used: MutexGuard<'_, Used>,
        now: Timestamp,
        purged: &mut impl FnMut(RevocationKey),
    ) {
        let gone = |key: RevocationKey| {
            self.kinds[index(key.kind())].fetch_sub(1, Ordering::SeqCst);
            self.len.fetch_sub(1, Ordering::Relaxed);
        };
        shard.purge(used, now, |key| self.hash(key), |watermark| self.raise_purged_through(watermark), purged, gone);
    }

    fn reserve(&self) -> Result<(), AtCapacity> {
        let grow = |len| (len < self.capacity).then_some(len + 1);
        match self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow) {
            Ok(_) => Ok(()),
            Err(_) => Err(AtCapacity { capacity: self.capacity }),
        }
    }

    fn hash(&self, key: RevocationKey) -> u64 {
        self.hasher.hash_one(u128::from_ne_bytes(*key.as_bytes()))
    }

    fn shard(&self, hash: u64) -> &Shard {
        // The tables use the lowest and the highest bits.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl Default for RevocationSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RevocationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSet")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .field("purged_through", &self.purged_through())
            .field("watched", &self.watched())
            .finish_non_exhaustive()
    }
}

/// Returns increasing numbers, each once in this process. None is zero.
fn next_generation() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, std::sync::atomic::Ordering::AcqRel) + 1
}

const fn index(kind: KeyKind) -> usize {
    kind as usize - 1
}

/// How long [`RevocationSet::purge_next`] leaves expired entries in a shard, so that one scan
/// removes many.
const PURGE_INTERVAL: Duration = Duration::from_secs(10);
