//! [`SnapshotLoader`]: applies the snapshot of a log.

use std::iter;

use tokio::time::Instant;

use super::{
    knowledge::{Knowledge, join_silently},
    view::View,
};
use crate::{clock::Timestamp, revocation::Revocation, set::RevocationSet, store::SnapshotSink};

/// Adds the snapshot of a log to the revocations that the replica knows. Entries take effect at
/// once; no known revocation is removed.
pub(super) struct SnapshotLoader<'a> {
    knowledge: &'a Knowledge,
    view: &'a View,
    /// The contents of the log, collected if the replica already had revocations that the log may
    /// lack.
    present: Option<RevocationSet>,
    loaded: u64,
    expected: Option<u64>,
    /// When the cursor was older than everything that this node has written since.
    cursor_taken: Option<Instant>,
}

impl<'a> SnapshotLoader<'a> {
    pub(super) fn new(knowledge: &'a Knowledge, view: &'a View) -> Self {
        let present = (!knowledge.set().is_empty()).then(RevocationSet::new);
        Self { knowledge, view, present, loaded: 0, expected: None, cursor_taken: None }
    }

    pub(super) fn loaded(&self) -> u64 {
        self.loaded
    }

    /// Determines the revocations that the log has lost, or may lack at the cursor. Called when the
    /// snapshot is complete.
    pub(super) fn find_lost(&self, now: Timestamp) {
        if let Some(present) = &self.present {
            self.knowledge.compare_with(present, now);
        }
        if let Some(taken) = self.cursor_taken {
            self.knowledge.doubt_written_since(taken);
        }
    }
}

impl Drop for SnapshotLoader<'_> {
    fn drop(&mut self) {
        self.knowledge.set().expect(0);
    }
}

impl SnapshotSink for SnapshotLoader<'_> {
    fn expect(&mut self, entries: u64) {
        // A log of several parts calls it for each of them.
        self.cursor_taken = Some(Instant::now());
        self.expected = Some(entries);
        let entries = usize::try_from(entries).unwrap_or(usize::MAX);
        for set in iter::once(self.knowledge.set()).chain(&self.present) {
            set.expect(entries);
        }
        self.view.loading(self.loaded, self.expected);
    }

    fn take(&mut self, revocations: &[Revocation]) {
        self.cursor_taken.get_or_insert_with(Instant::now);
        self.knowledge.confirm(revocations);
        if let Some(present) = &self.present {
            for revocation in revocations {
                join_silently(present, revocation);
            }
        }
        self.loaded += revocations.len() as u64;
        self.view.loading(self.loaded, self.expected);
    }

    fn purged_through(&mut self, watermark: Timestamp) {
        self.knowledge.raise_purge_watermark(watermark, Timestamp::MIN);
    }
}
