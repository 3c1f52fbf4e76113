//! [`Load`]: receives the rows of a file while it is read.

use std::sync::Arc;

use super::{error::FileError, expired::ExpiredRows};
use crate::{
    clock::{Clock, Timestamp},
    revocation::Revocation,
    set::RevocationSet,
};

/// Receives the contents of a file before the whole file is known to be intact.
pub(super) trait Load {
    /// Receives the purge watermark of the file, before any row.
    fn purged_through(&mut self, watermark: Timestamp);

    /// Receives one row. A key can have several.
    fn row(&mut self, row: Revocation) -> Result<(), FileError>;
}

/// Loads a file into an empty set.
pub(super) struct LoadAll {
    pub(super) set: Arc<RevocationSet>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) expired: ExpiredRows,
    expired_through: Timestamp,
}

impl LoadAll {
    pub(super) fn new(set: Arc<RevocationSet>, clock: Arc<dyn Clock>) -> Self {
        let expired_through = clock.now();
        Self { set, clock, expired: ExpiredRows::default(), expired_through }
    }

    /// Whether the row has expired. If so, it is recorded for deletion and not loaded; a group is
    /// deleted once all of its rows have expired.
    fn skips(&mut self, row: &Revocation) -> bool {
        let is_expired = row.retain_until() <= self.expired_through;
        if is_expired {
            self.set.raise_purged_through(row.retain_until());
            self.expired.push(row.key());
        }
        is_expired
    }
}

impl Load for LoadAll {
    fn purged_through(&mut self, watermark: Timestamp) {
        self.set.raise_purged_through(watermark);
        self.expired_through = self.expired_through.max(self.set.purged_through());
    }

    fn row(&mut self, row: Revocation) -> Result<(), FileError> {
        if !self.skips(&row) {
            self.set.join(&row).map_err(FileError::OverCapacity)?;
        }
        Ok(())
    }
}

/// Collects the rows of a file that the set lacks. They are added once the file has proved to be
/// intact.
pub(super) struct LoadMissing {
    all: LoadAll,
    rows: Vec<Revocation>,
}

impl LoadMissing {
    pub(super) fn new(set: Arc<RevocationSet>, clock: Arc<dyn Clock>) -> Self {
        Self { all: LoadAll::new(set, clock), rows: Vec::new() }
    }

    /// Adds the missing rows to the set, and returns the rows to delete from the file.
    pub(super) fn finish(self) -> ExpiredRows {
        for row in &self.rows {
            // These rows were written although an error was reported. The set has room for them,
            // because it was reserved before writing.
            let _ = self.all.set.join(row);
        }
        self.all.expired
    }
}

impl Load for LoadMissing {
    fn purged_through(&mut self, watermark: Timestamp) {
        self.all.purged_through(watermark);
    }

    fn row(&mut self, row: Revocation) -> Result<(), FileError> {
        let is_missing = match self.all.set.revocation(row.key()) {
            Some(known) => known.join(&row) != Some(known),
            None => !self.all.skips(&row),
        };
        if is_missing {
            self.rows.push(row);
        }
        Ok(())
    }
}
