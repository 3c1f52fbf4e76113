//! [`PostgresCursor`]: a position in the log.

use tokio_postgres::types::{ToSql, Type};

use super::{identity::LogIdentity, status::TableStatus};

/// Position in the log of a [`PostgresStore`](crate::PostgresStore): everything before it is known.
#[derive(Clone, Debug)]
pub struct PostgresCursor {
    pub(super) log: LogIdentity,
    /// A `pg_snapshot`: all changes that are visible in it are known.
    pub(super) snapshot: String,
    /// The end of the last page, while the changes after the snapshot are read page by page.
    pub(super) page_end: Option<PageEnd>,
    /// Whether more changes can be read at once.
    pub(super) has_more: bool,
}

impl PostgresCursor {
    /// The number of the first transaction that may be unknown: the `xmin` of the snapshot, which
    /// is written as `xmin:xmax:xip,…`.
    pub(super) fn first_unknown(&self) -> &str {
        self.snapshot.split(':').next().unwrap_or("0")
    }

    /// Returns the evidence that the log no longer reaches back to this cursor, or `None` if it
    /// does reach back.
    pub(super) fn lost_reason(&self, status: &TableStatus) -> Option<&'static str> {
        self.log.difference(&status.identity).or(status.lost.then_some("rows were deleted before they had expired"))
    }
}

/// The last row of a page of the changes between two snapshots.
#[derive(Clone, Debug)]
pub(super) struct PageEnd {
    /// The later snapshot, which was taken when the first page was read.
    pub(super) until: String,
    pub(super) changed_in: String,
    pub(super) key: Vec<u8>,
}

/// A cursor as parameters of the statement that reads the changes after it.
pub(super) struct FollowParams<'a> {
    pub(super) snapshot: &'a str,
    pub(super) until: Option<&'a str>,
    pub(super) changed_in: &'a str,
    pub(super) key: &'a [u8],
}

impl<'a> FollowParams<'a> {
    pub(super) fn new(cursor: &'a PostgresCursor) -> Self {
        let page_end = cursor.page_end.as_ref();
        Self {
            snapshot: &cursor.snapshot,
            until: page_end.map(|end| &*end.until),
            // All changes before the first unknown transaction are visible in the snapshot.
            changed_in: page_end.map_or_else(|| cursor.first_unknown(), |end| &end.changed_in),
            key: page_end.map_or(&[], |end| &end.key),
        }
    }

    /// The parameters `$4` to `$8` of `sql/follow.sql`.
    pub(super) fn params(&self) -> [(&(dyn ToSql + Sync), Type); 5] {
        [
            (&self.snapshot, Type::TEXT),
            (&self.until, Type::TEXT),
            (&self.changed_in, Type::TEXT),
            (&self.key, Type::BYTEA),
            (&PAGE, Type::INT8),
        ]
    }
}

/// Maximum number of rows that a follower reads at once.
pub(super) const PAGE: i64 = 10_000;
