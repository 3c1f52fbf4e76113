//! Removes expired revocations from the set. Commits delete them from the file.

use super::writer::{MAX_DELETIONS, Writer};
use crate::set::RevocationSet;

impl Writer {
    /// Purges up to `shards` shards of the set, until there are enough rows to delete from the
    /// file.
    pub(super) fn purge(&mut self, shards: usize) {
        let now = self.clock.now();
        for _ in 0..shards.min(RevocationSet::SHARDS) {
            self.has_more_to_purge = self.expired.len() >= MAX_DELETIONS;
            if self.has_more_to_purge {
                return;
            }
            self.set.purge_next(now, |key| self.expired.push(key));
        }
    }

    /// Purges the whole set, to make room.
    pub(super) fn purge_all(&mut self) {
        self.set.purge(self.clock.now(), |key| self.expired.push(key));
    }

    /// Whether the file has rows or groups to delete, or lacks the set's purge watermark.
    pub(super) fn has_expired(&self) -> bool {
        !self.expired.is_empty() || self.file.is_behind(self.set.purged_through())
    }
}
