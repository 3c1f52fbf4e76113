//! [`Shard`]: a part of the set, written by one thread at a time.

use std::sync::{Arc, PoisonError, TryLockError};

use crate::set::table::{Slot, Table};
use crate::{
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    set::sync::{ArcSwap, AtomicU64, Mutex, MutexGuard, OnceLock, Ordering},
};

/// A table that is replaced when it is full, or too large for what is left in it.
pub(super) struct Shard {
    /// Made with the first entry: one that is dropped asks every thread whether it reads there.
    table: OnceLock<ArcSwap<Table>>,
    /// No entry is to be retained for less than this.
    earliest: AtomicU64,
    /// Locked by whoever writes the table or replaces it.
    used: Mutex<Used>,
}

/// Slots of the table.
#[derive(Default)]
pub(super) struct Used {
    entries: usize,
    removed: usize,
}

impl Shard {
    pub(super) fn new() -> Self {
        Self { table: OnceLock::new(), earliest: AtomicU64::new(u64::MAX), used: Mutex::new(Used::default()) }
    }

    /// Whether the key is revoked for a token that was issued then.
    pub(super) fn is_revoked(&self, hash: u64, key: RevocationKey, issued_at: Timestamp) -> bool {
        self.table
            .get()
            .is_some_and(|table| table.load().find(hash, key).is_some_and(|entry| issued_at <= entry.issued_through()))
    }

    pub(super) fn revocation(&self, hash: u64, key: RevocationKey) -> Option<Revocation> {
        self.table.get()?.load().find(hash, key).map(Slot::revocation)
    }

    pub(super) fn for_each(&self, each: impl FnMut(Revocation)) {
        if let Some(table) = self.table.get() {
            table.load().entries().map(|(_, entry)| entry.revocation()).for_each(each);
        }
    }

    /// Joins a revocation in. `admit` is asked before an entry is added, under the lock.
    pub(super) fn join<E>(
        &self,
        revocation: &Revocation,
        hash: impl Fn(RevocationKey) -> u64,
        admit: impl FnOnce() -> Result<(), E>,
    ) -> Result<Outcome, E> {
        let (key, until) = (revocation.key(), revocation.retain_until().as_unix_millis());
        let mut used = self.lock();
        let table = self.table.get().map(ArcSwap::load);
        if let Some(entry) = table.as_ref().and_then(|table| table.find(hash(key), key)) {
            return Ok(entry.join(revocation));
        }
        admit()?;
        self.earliest.fetch_min(until, Ordering::Relaxed);
        match table {
            Some(table) if used.entries + used.removed < table.room() => table.insert(hash(key), revocation),
            _ => self.replace(&mut used, &hash, Some(revocation)),
        }
        used.entries += 1;
        Ok(Outcome::Newly)
    }

    /// Whether there may be an entry that was to be retained until `due` or before.
    pub(super) fn is_due(&self, due: Timestamp) -> bool {
        self.earliest.load(Ordering::Relaxed) <= due.as_unix_millis()
    }

    /// Removes what may be forgotten at `now`.
    ///
    /// `raise_fence` is told until when the last of it was to be retained before any is removed; then, of each entry, `purged` before it is
    /// removed, and `gone` after it.
    pub(super) fn purge(
        &self,
        mut used: MutexGuard<'_, Used>,
        now: Timestamp,
        hash: impl Fn(RevocationKey) -> u64,
        raise_fence: impl FnOnce(Timestamp),
        mut purged: impl FnMut(RevocationKey),
        mut gone: impl FnMut(RevocationKey),
    ) {
        let Some(table) = self.table.get().filter(|_| used.entries > 0) else { return };
        let table = table.load();
        let (mut fence, mut earliest) = (Timestamp::MIN, Timestamp::MAX);
        for (_, entry) in table.entries() {
            let until = entry.retain_until();
            if until <= now {
                fence = fence.max(until);
            } else {
                earliest = earliest.min(until);
            }
        }
        raise_fence(fence);
        for (place, entry) in table.entries().filter(|(_, entry)| entry.retain_until() <= now) {
            let key = entry.key();
            purged(key);
            table.remove(place);
            used.entries -= 1;
            used.removed += 1;
            gone(key);
        }
        self.earliest.store(earliest.as_unix_millis(), Ordering::Relaxed);
        if table.is_large_for(used.entries + used.entries / SLACK) {
            self.replace(&mut used, hash, None);
        }
    }

    /// Copies all entries into a new table, and one more.
    fn replace(&self, used: &mut Used, hash: impl Fn(RevocationKey) -> u64, one_more: Option<&Revocation>) {
        let table = Table::roomy(used.entries + usize::from(one_more.is_some()));
        let insert = |revocation: Revocation| table.insert(hash(revocation.key()), &revocation);
        self.for_each(insert);
        one_more.copied().into_iter().for_each(insert);
        let table = Arc::new(table);
        match self.table.get() {
            Some(current) => current.store(table),
            None => drop(self.table.set(ArcSwap::new(table))),
        }
        used.removed = 0;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if another thread writes.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Used>> {
        match self.used.try_lock() {
            Ok(used) => Some(used),
            Err(TryLockError::Poisoned(used)) => Some(used.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// A purge replaces the table if it would be smaller by more than one part of so many.
const SLACK: usize = 64;
