//! [`LossDetector`]: detects that the table was emptied or replaced.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    error::PostgresError,
    identity::LogIdentity,
    layout::{StoredRow, to_column},
    status::TableStatus,
    value::Value,
};
use crate::{clock::Timestamp, revocation::Revocation};

/// Remembers rows that every later result must contain.
///
/// A row is removed only once it has expired, and the same statement then raises the purge
/// watermark. With every statement that reads, the store therefore asks for the row with the
/// greatest `retain_until` and for the last rows that it has written.
#[derive(Debug, Default)]
pub(super) struct LossDetector(Mutex<Arc<KnownRows>>);

/// The rows known at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownRows {
    identity: Option<LogIdentity>,
    longest: Option<StoredRow>,
    written: VecDeque<StoredRow>,
}

impl LossDetector {
    /// Returns the rows that are known now. Called before the statement is sent.
    pub(super) fn known_rows(&self) -> Arc<KnownRows> {
        Arc::clone(&self.lock())
    }

    /// Adds a revocation that was committed.
    pub(super) fn add_written(&self, revocation: &Revocation) {
        let row = StoredRow {
            key: revocation.key().as_bytes().to_vec(),
            issued_through: to_column(revocation.issued_through()),
            retain_until: to_column(revocation.retain_until()),
        };
        self.update(|known| {
            known.written.retain(|other| other.key != row.key);
            known.written.push_back(row);
            if known.written.len() > MAX_WRITTEN {
                known.written.pop_front();
            }
        });
    }

    /// Checks the result of a statement that was sent when the rows `expected` were known, and
    /// updates the known rows.
    ///
    /// # Errors
    ///
    /// [`PostgresError::RowsLost`] if rows are missing that had not expired.
    pub(super) fn check(&self, expected: &KnownRows, status: &TableStatus) -> Result<(), PostgresError> {
        if status.lost {
            return Err(PostgresError::RowsLost);
        }
        // A table that was rewritten, for example by `VACUUM FULL`, still has its rows; an emptied
        // one does not.
        let is_replaced = expected.identity.as_ref().is_some_and(|known| !known.has_same_tables(&status.identity));
        if is_replaced && !expected.rows().any(|row| is_live(row, status.purged_through)) {
            return Err(PostgresError::RowsLost);
        }
        self.update(|known| {
            known.identity = Some(status.identity.clone());
            known.written.retain(|row| is_live(row, status.purged_through));
            known.update_longest(status);
        });
        Ok(())
    }

    /// Replaces the known rows by the present ones. A replica reads the whole table again, and
    /// re-sends the missing revocations.
    pub(super) fn reset(&self, status: &TableStatus) {
        self.update(|known| {
            *known = KnownRows { identity: Some(status.identity.clone()), ..KnownRows::default() };
            known.update_longest(status);
        });
    }

    fn lock(&self) -> MutexGuard<'_, Arc<KnownRows>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, update: impl FnOnce(&mut KnownRows)) {
        update(Arc::make_mut(&mut self.lock()));
    }
}

impl KnownRows {
    fn rows(&self) -> impl Iterator<Item = &StoredRow> {
        self.longest.iter().chain(&self.written)
    }

    fn update_longest(&mut self, status: &TableStatus) {
        let Some(longest) = &status.longest else { return };
        let replaces =
            |known: &StoredRow| longest.retain_until > known.retain_until || !is_live(known, status.purged_through);
        if self.longest.as_ref().is_none_or(replaces) {
            self.longest = Some(longest.clone());
        }
    }

    /// The parameters `$1` to `$3` of each statement that reads: the rows that it looks for.
    pub(super) fn values(&self) -> [Value<'_>; 3] {
        [
            Value::Keys(self.rows().map(|row| &*row.key).collect()),
            Value::Numbers(self.rows().map(|row| row.issued_through).collect()),
            Value::Numbers(self.rows().map(|row| row.retain_until).collect()),
        ]
    }
}

fn is_live(row: &StoredRow, purged_through: Timestamp) -> bool {
    row.retain_until > to_column(purged_through)
}

const MAX_WRITTEN: usize = 15;
