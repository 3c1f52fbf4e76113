use super::here::Here;

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

    /// How it is known that the log no longer reaches back to here.
    pub(super) fn is_lost(&self, here: &Here) -> Option<&'static str> {
        self.log.differs(&here.identity).or(here.lost.then_some("rows were deleted that are not due"))
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
    /// Which tables, and which file has the entries.
    pub(super) tables: String,
}

impl Identity {
    /// Whether it is the same tables, on whatever server: what was in them is in them.
    pub(super) fn has_the_tables_of(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.tables == other.tables
    }

    /// How it is known that this is another log.
    pub(super) fn differs(&self, other: &Self) -> Option<&'static str> {
        if self.epoch != other.epoch {
            Some("the tables were created anew, or given another epoch")
        } else if self.started != other.started {
            Some("the server was restarted, has crashed, or is another one")
        } else if self.tables != other.tables {
            Some("the table was truncated or rewritten")
        } else {
            None
        }
    }
}
