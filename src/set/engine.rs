use std::{array, fmt, hash::BuildHasher, sync::Arc};

use crate::{
    chain::debug_as_chain,
    clock::Timestamp,
    revocation::{KeyKind, Outcome, Revocation, RevocationKey, TokenIdentity},
    set::{
        RevocationSignal,
        shard::{Shard, Used},
        signal::Registry,
        sync::{AtomicU64, AtomicUsize, MutexGuard, Ordering, RandomState, SHARDS},
    },
};

/// All live revocations of one process, for any number of threads.
///
/// It never evicts a live revocation: at capacity, [`join`](Self::join) refuses what is new. It has no clock and no
/// thread; its owner says when to purge. What it has purged it announces, and a token that could have been among it
/// counts as revoked: a clock that steps back cannot bring a dead token to life.
///
/// A check waits for nobody: neither for a thread that revokes, nor for one that purges, nor for a table that grows. It looks for those of
/// the token's keys whose kind has any revocation at all. Whoever writes locks one of the set's shards at a time.
pub struct RevocationSet {
    shards: Box<[Shard]>,
    hasher: RandomState,
    /// By kind, how many entries there are. Counted up before an entry goes in and down after it has gone, so never too low.
    kinds: [AtomicUsize; KeyKind::ALL.len()],
    len: AtomicUsize,
    capacity: usize,
    purged_through: AtomicU64,
    next_shard: AtomicUsize,
    signals: Arc<Registry>,
}

/// The set holds as many revocations as it may, all of them live.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[error(
    "the revocation set is full: it holds {capacity} live revocations; raise its capacity, or shorten the life of tokens"
)]
pub struct AtCapacity {
    capacity: usize,
}

debug_as_chain!(AtCapacity);

impl RevocationSet {
    /// After so many calls of [`purge_next`](Self::purge_next) all of the set has been looked at.
    pub(crate) const SHARDS: usize = SHARDS;

    /// An empty set without a bound.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::new()).collect(),
            hasher: RandomState::default(),
            kinds: array::from_fn(|_| AtomicUsize::new(0)),
            len: AtomicUsize::new(0),
            capacity: usize::MAX,
            purged_through: AtomicU64::new(0),
            next_shard: AtomicUsize::new(0),
            signals: Arc::new(Registry::new()),
        }
    }

    /// Sets how many revocations the set may hold.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Joins a revocation into the set, and tells who [watches](Self::watch) its key. One that would have been purged already
    /// changes nothing: what it concerns is refused.
    ///
    /// # Errors
    ///
    /// [`AtCapacity`] if the key is new and there is no room for it. Nothing has changed then.
    pub fn join(&self, revocation: &Revocation) -> Result<Outcome, AtCapacity> {
        let outcome = self.join_untold(revocation)?;
        self.tell(revocation, outcome);
        Ok(outcome)
    }

    /// Tells who watches the key of a revocation that was joined in, if there is anything new in it. To be called without a lock.
    pub(crate) fn tell(&self, revocation: &Revocation, outcome: Outcome) {
        // What is fenced off is refused without an entry.
        if outcome == Outcome::Newly || self.is_fenced(revocation.retain_until()) {
            self.signals.revoked(revocation.key());
        }
    }

    /// The same as [`join`](Self::join), but nobody is [told](Self::tell).
    pub(crate) fn join_untold(&self, revocation: &Revocation) -> Result<Outcome, AtCapacity> {
        if self.is_fenced(revocation.retain_until()) {
            return Ok(Outcome::Already);
        }
        let key = revocation.key();
        let admit = || {
            self.reserve()?;
            self.kinds[index(key.kind())].fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        self.shard(self.hash(key)).join(revocation, |key| self.hash(key), admit)
    }

    /// Whether any of the token's keys is revoked, or the token is so old that its revocation may have been purged.
    #[must_use]
    pub fn is_revoked(&self, token: &TokenIdentity) -> bool {
        let revoked = |key: &RevocationKey| {
            self.kinds[index(key.kind())].load(Ordering::Acquire) != 0 && self.is_dead(*key, token.issued_at())
        };
        if token.keys().iter().any(revoked) {
            return true;
        }
        // The fence is read last: a purge raises it before it removes anything.
        self.is_fenced(token.retain_until())
    }

    /// A signal that is raised when one of the token's keys is revoked from now on. Check the token after this, not before.
    ///
    /// It costs a place until it is dropped. A revocation costs the same however many there are, and wakes those that hold its key.
    #[must_use]
    pub fn watch(&self, token: &TokenIdentity) -> RevocationSignal {
        self.signals.watch(token)
    }

    /// Raises all signals: checks may have another answer now, though nothing was revoked.
    pub fn signal_all(&self) {
        self.signals.all();
    }

    /// How many signals there are.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.signals.waiting()
    }

    /// The revocation of a key, if there is one.
    #[must_use]
    pub fn revocation(&self, key: RevocationKey) -> Option<Revocation> {
        let hash = self.hash(key);
        self.shard(hash).revocation(hash, key)
    }

    /// Hands out every revocation, one shard after the other.
    pub(crate) fn for_each(&self, mut each: impl FnMut(Revocation)) {
        for shard in &self.shards {
            shard.for_each(&mut each);
        }
    }

    /// Whether everything that the revocation concerns is dead already, and remembered for as long.
    #[must_use]
    pub fn knows(&self, revocation: &Revocation) -> bool {
        self.is_fenced(revocation.retain_until())
            || self.revocation(revocation.key()).is_some_and(|known| known.join(revocation) == Some(known))
    }

    /// Removes everything that may be forgotten at `now`, one shard after the other, and tells `purged` the keys.
    ///
    /// `purged` is called under a lock and must not use the set.
    pub fn purge(&self, now: Timestamp, mut purged: impl FnMut(RevocationKey)) {
        for shard in self.shards.iter().filter(|shard| shard.is_due(now)) {
            self.purge_shard(shard, shard.lock(), now, &mut purged);
        }
    }

    /// Looks at one shard, the next in turn, removes what may be forgotten at `now`, unless it did so a moment ago or another thread
    /// writes there, and tells `purged` the keys.
    ///
    /// Called now and then, by whoever uses the set, it keeps the set small at a cost that nobody notices.
    pub fn purge_next(&self, now: Timestamp, mut purged: impl FnMut(RevocationKey)) {
        let shard = &self.shards[self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS];
        let overdue = Timestamp::from_unix_millis(now.as_unix_millis().saturating_sub(PURGE_INTERVAL_MILLIS));
        if shard.is_due(overdue)
            && let Some(used) = shard.try_lock()
        {
            self.purge_shard(shard, used, now, &mut purged);
        }
    }

    /// Whether there is room for so many revocations with new keys.
    #[cfg(feature = "redb")]
    pub(crate) fn room_for(&self, new: usize) -> Result<(), AtCapacity> {
        match self.len().checked_add(new) {
            Some(len) if len <= self.capacity => Ok(()),
            _ => Err(AtCapacity { capacity: self.capacity }),
        }
    }

    /// What has been purged was to be retained until this instant or before.
    #[must_use]
    pub fn purged_through(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.purged_through.load(Ordering::Acquire))
    }

    /// Takes over what an earlier process has purged.
    pub fn raise_purged_through(&self, through: Timestamp) {
        self.purged_through.fetch_max(through.as_unix_millis(), Ordering::AcqRel);
    }

    /// How many revocations the set holds, those included that the next purge removes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a revocation that was to be retained until then may have been purged, so that all it concerns counts as revoked.
    fn is_fenced(&self, retain_until: Timestamp) -> bool {
        let fence = self.purged_through();
        fence > Timestamp::MIN && retain_until <= fence
    }

    fn is_dead(&self, key: RevocationKey, issued_at: Timestamp) -> bool {
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
        shard.purge(used, now, |key| self.hash(key), |fence| self.raise_purged_through(fence), purged, gone);
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
        // Tables use the lowest and the highest bits.
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

const fn index(kind: KeyKind) -> usize {
    kind as usize - 1
}

/// How long [`RevocationSet::purge_next`] lets what has expired gather in a shard: one scan then removes many.
const PURGE_INTERVAL_MILLIS: u64 = 10_000;
