//! [`Shard`]: a part of the set, which one thread at a time writes.

use std::sync::{Arc, PoisonError, TryLockError};

use crate::set::table::{Slot, Table};
use crate::{
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    set::sync::{ArcSwap, AtomicU64, Mutex, MutexGuard, OnceLock, Ordering},
};

/// A table that is replaced when it is full, or too large for its entries.
pub(super) struct Shard {
    /// Created with the first entry, because dropping an `ArcSwap` examines every thread for
    /// readers.
    table: OnceLock<ArcSwap<Table>>,
    /// No entry has an earlier `retain_until`, in ms since the Unix epoch.
    earliest: AtomicU64,
    /// Locked while the table is written or replaced.
    used: Mutex<Used>,
}

/// Numbers of slots in use.
#[derive(Default)]
pub(super) struct Used {
    entries: usize,
    removed: usize,
}

impl Shard {
    pub(super) fn new() -> Self {
        Self { table: OnceLock::new(), earliest: AtomicU64::new(u64::MAX), used: Mutex::new(Used::default()) }
    }

    /// Whether the key is revoked for a token issued at `issued_at`.
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

    /// Joins a revocation into the shard, which is about to have `expected` entries. `admit` is
    /// called under the lock before an entry is added.
    pub(super) fn join<E>(
        &self,
        revocation: &Revocation,
        expected: usize,
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
            _ => self.replace(&mut used, expected, &hash, Some(revocation)),
        }
        used.entries += 1;
        Ok(Outcome::Newly)
    }

    /// Whether an entry may have a `retain_until` of `due` or earlier.
    pub(super) fn is_due(&self, due: Timestamp) -> bool {
        self.earliest.load(Ordering::Relaxed) <= due.as_unix_millis()
    }

    /// Removes the entries whose retention has ended at `now`.
    ///
    /// Before any is removed, `raise_watermark` is called with the latest `retain_until` among
    /// them. Then, for each, `purged` is called before it is removed, and `gone` afterwards.
    pub(super) fn purge(
        &self,
        mut used: MutexGuard<'_, Used>,
        now: Timestamp,
        hash: impl Fn(RevocationKey) -> u64,
        raise_watermark: impl FnOnce(Timestamp),
        mut purged: impl FnMut(RevocationKey),
        mut gone: impl FnMut(RevocationKey),
    ) {
        let Some(table) = self.table.get().filter(|_| used.entries > 0) else { return };
        let table = table.load();
        let (mut watermark, mut earliest) = (Timestamp::MIN, Timestamp::MAX);
        for (_, entry) in table.entries() {
            let until = entry.retain_until();
            if until <= now {
                watermark = watermark.max(until);
            } else {
                earliest = earliest.min(until);
            }
        }
        raise_watermark(watermark);
        for (position, entry) in table.entries().filter(|(_, entry)| entry.retain_until() <= now) {
            let key = entry.key();
            purged(key);
            table.remove(position);
            used.entries -= 1;
            used.removed += 1;
            gone(key);
        }
        self.earliest.store(earliest.as_unix_millis(), Ordering::Relaxed);
        if table.is_large_for(used.entries + used.entries / SLACK) {
            self.replace(&mut used, 0, hash, None);
        }
    }

    /// Copies all entries, and `one_more`, into a new table, with room for `expected` entries or
    /// twice as many as there are, whichever is less.
    fn replace(
        &self,
        used: &mut Used,
        expected: usize,
        hash: impl Fn(RevocationKey) -> u64,
        one_more: Option<&Revocation>,
    ) {
        let entries = used.entries + usize::from(one_more.is_some());
        let table = Table::with_room_for(entries.max(expected.min(2 * entries)));
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

    /// The lock, or `None` if another thread holds it.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Used>> {
        match self.used.try_lock() {
            Ok(used) => Some(used),
            Err(TryLockError::Poisoned(used)) => Some(used.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// A purge replaces the table if the new one is smaller even with one more entry for each of this
/// many entries.
const SLACK: usize = 64;
