//! [`TableStatus`]: the state of the tables, which every statement that reads them returns with its
//! result.
//!
//! Each result thereby proves that it is reliable.

use tokio_postgres::Row;

use super::{
    error::PostgresError,
    identity::LogIdentity,
    layout::{StoredRow, check_layout, to_timestamp},
};
use crate::clock::Timestamp;

/// The columns of `sql/status.sql`.
pub(super) struct TableStatus {
    pub(super) identity: LogIdentity,
    /// Whether expected rows are missing.
    pub(super) lost: bool,
    /// The row with the greatest `retain_until`.
    pub(super) longest: Option<StoredRow>,
    /// `pg_current_snapshot()`.
    pub(super) snapshot: String,
    /// The purge watermark.
    pub(super) purged_through: Timestamp,
}

/// The number of columns of `sql/status.sql`. Those of the statement itself follow.
pub(super) const STATUS_COLUMNS: usize = 12;

impl TableStatus {
    /// Reads the columns of a row.
    ///
    /// # Errors
    ///
    /// If the result is unreliable: rows may be hidden, the layout has another version, the server
    /// is a standby, or the tables are missing or of the wrong type.
    pub(super) fn read(row: &Row, schema: &str) -> Result<Self, PostgresError> {
        if row.try_get("row_security")? {
            return Err(PostgresError::RowSecurity(schema.to_owned()));
        }
        let layout: Option<i32> = row.try_get("layout")?;
        check_layout(layout.ok_or_else(|| PostgresError::NotMigrated(schema.to_owned()))?)?;
        if row.try_get("standby")? {
            return Err(PostgresError::Standby);
        }
        let tables: Option<String> = row.try_get("tables")?;
        let longest: Option<&[u8]> = row.try_get("longest_key")?;
        let longest = longest.map(|key| {
            let (issued_through, retain_until) =
                (row.try_get("longest_issued_through")?, row.try_get("longest_retain_until")?);
            Ok::<_, PostgresError>(StoredRow { key: key.to_vec(), issued_through, retain_until })
        });
        Ok(Self {
            identity: LogIdentity {
                epoch: row.try_get("epoch")?,
                started: row.try_get("started")?,
                tables: tables.ok_or_else(|| PostgresError::WrongTableType(schema.to_owned()))?,
            },
            lost: row.try_get("lost")?,
            longest: longest.transpose()?,
            snapshot: row.try_get("snapshot")?,
            purged_through: to_timestamp(row.try_get("purged_through")?)?,
        })
    }
}
