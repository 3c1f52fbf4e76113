//! [`ExpiredRows`]: the keys of rows to delete from the file.

use super::group::is_grouped;
use crate::revocation::RevocationKey;

/// Keys that were removed from the set and whose rows are still in the file.
#[derive(Default)]
pub(super) struct ExpiredRows(Vec<RevocationKey>);

impl ExpiredRows {
    /// Adds a key, unless its row is in a group, which is deleted as a whole.
    pub(super) fn push(&mut self, key: RevocationKey) {
        if !is_grouped(key) {
            self.0.push(key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next keys to delete, at most `max` of them.
    pub(super) fn next(&self, max: usize) -> &[RevocationKey] {
        &self.0[self.0.len().saturating_sub(max)..]
    }

    /// Removes the [next](Self::next) keys, which were deleted from the file.
    pub(super) fn remove(&mut self, deleted: usize) {
        let kept = self.0.len().saturating_sub(deleted);
        self.0.truncate(kept);
        self.0.shrink_to(2 * kept);
    }
}
