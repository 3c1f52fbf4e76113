//! [`LogIdentity`]: detects that a store is connected to a different log.

/// The identity of a log. In a different log, transactions have other numbers, and rows may be
/// missing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LogIdentity {
    /// `state.epoch`.
    pub(super) epoch: String,
    /// The start time of the server, and the marker of its last crash recovery.
    pub(super) started: String,
    /// The OIDs of the tables, and the file that stores `revocation`.
    pub(super) tables: String,
}

impl LogIdentity {
    /// Whether the tables are the same, regardless of restarts of the server.
    pub(super) fn has_same_tables(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.tables == other.tables
    }

    /// Returns the evidence that `other` is a different log, or `None` if it is the same.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.epoch != other.epoch {
            Some("the tables were created anew, or `state.epoch` was changed")
        } else if self.started != other.started {
            Some("the server was restarted, has recovered from a crash, or is a different server")
        } else if self.tables != other.tables {
            Some("the table was truncated or rewritten")
        } else {
            None
        }
    }
}
