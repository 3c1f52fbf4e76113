use tokio_postgres::Row;

use super::{error::PostgresError, statements::LAYOUT};

/// Where a [`Replica`](crate::Replica) follows a [`PostgresStore`](crate::PostgresStore) from: what was committed, on which server.
#[derive(Clone, Debug)]
pub struct PostgresCursor {
    pub(super) log: Identity,
    /// `pg_snapshot`: everything that was visible in it is known.
    pub(super) snapshot: String,
    /// Some of what came after it is known too.
    pub(super) rest: Option<Rest>,
    /// There is more to read at once.
    pub(super) behind: bool,
}

impl PostgresCursor {
    /// The number of the first transaction that may be unknown. A snapshot begins with it: `xmin:xmax:xip,…`.
    pub(super) fn first_unknown(&self) -> &str {
        self.snapshot.split(':').next().unwrap_or("0")
    }
}

/// The last page of those that lead from one snapshot to a later one.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) until: String,
    pub(super) changed_in: String,
    pub(super) key: Vec<u8>,
}

/// Which log it is. In another one, transactions have other numbers, and some may be missing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) epoch: String,
    pub(super) started: String,
    pub(super) file: String,
}

impl Identity {
    /// What the first columns of a row say, if the server may say it: `layout, standby, epoch, started, file`.
    pub(super) fn read(row: &Row) -> Result<Self, PostgresError> {
        check_server(row)?;
        let file: Option<String> = row.try_get(4)?;
        Ok(Self {
            epoch: row.try_get(2)?,
            started: row.try_get(3)?,
            file: file.ok_or(PostgresError::Damaged("`revocation` is not a table"))?,
        })
    }

    /// How it is known that this is another log.
    pub(super) fn differs(&self, other: &Self) -> Option<&'static str> {
        if self.epoch != other.epoch {
            Some("the tables were created anew, or given another epoch")
        } else if self.started != other.started {
            Some("the server was restarted, has crashed, or is another one")
        } else if self.file != other.file {
            Some("the table was truncated or rewritten")
        } else {
            None
        }
    }
}

/// Whether the first columns of a row, `layout, standby`, are of a server and a layout that this store can believe.
pub(super) fn check_server(row: &Row) -> Result<(), PostgresError> {
    check_layout(row.try_get(0)?)?;
    if row.try_get(1)? { Err(PostgresError::Standby) } else { Ok(()) }
}

pub(super) fn check_layout(layout: i32) -> Result<(), PostgresError> {
    match layout {
        LAYOUT => Ok(()),
        ..LAYOUT => Err(PostgresError::Damaged("the layout has no such version")),
        _ => Err(PostgresError::NewerLayout(layout)),
    }
}
