//! What each statement that reads says of the tables it has read, so that an answer proves by itself that it may be believed.

use tokio_postgres::Row;

use super::{cursor::Identity, error::PostgresError, rows::to_timestamp, statements::LAYOUT, witnesses::Witness};
use crate::clock::Timestamp;

/// The columns of `sql/here.sql`.
pub(super) struct Here {
    pub(super) identity: Identity,
    /// Rows that were known to be in the table are not.
    pub(super) lost: bool,
    /// The row that is to be retained longest.
    pub(super) longest: Option<Witness>,
    pub(super) snapshot: String,
    pub(super) purged_through: Timestamp,
}

impl Here {
    /// Reads the columns, if the server and its tables are such that their answer can be believed.
    pub(super) fn read(row: &Row, schema: &str) -> Result<Self, PostgresError> {
        if row.try_get("narrowed")? {
            return Err(PostgresError::Narrowed(schema.to_owned()));
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
            Ok::<_, PostgresError>(Witness { key: key.to_vec(), issued_through, retain_until })
        });
        Ok(Self {
            identity: Identity {
                epoch: row.try_get("epoch")?,
                started: row.try_get("started")?,
                tables: tables.ok_or_else(|| PostgresError::NoTables(schema.to_owned()))?,
            },
            lost: row.try_get("lost")?,
            longest: longest.transpose()?,
            snapshot: row.try_get("snapshot")?,
            purged_through: to_timestamp(row.try_get("purged_through")?)?,
        })
    }
}

pub(super) fn check_layout(layout: i32) -> Result<(), PostgresError> {
    match layout {
        LAYOUT => Ok(()),
        ..LAYOUT => Err(PostgresError::Damaged("the layout has no such version")),
        _ => Err(PostgresError::NewerLayout(layout)),
    }
}
