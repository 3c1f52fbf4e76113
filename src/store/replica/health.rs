//! [`Health`]: the state of a replica.

use std::time::Duration;

use crate::store::{StoreError, StoreErrorKind};

/// The state of a [`Replica`](crate::Replica): loading progress, age of the view, and last error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Health {
    /// The first snapshot is being loaded. Every check is an error.
    #[non_exhaustive]
    Loading {
        /// Number of entries that have been read.
        loaded: u64,
        /// Approximate number of entries in the log, if it has announced one.
        expected: Option<u64>,
        /// Error of the last attempt to load the snapshot, if it has failed.
        last_error: Option<StoreError>,
    },
    /// Checks are answered from memory.
    #[non_exhaustive]
    Fresh {
        /// Age of the view: all revocations older than this are known.
        staleness: Duration,
    },
    /// The view is older than `max_staleness`. Checks ask the log or are errors, as
    /// [configured](crate::store::ReplicaOptions::reject_when_stale).
    #[non_exhaustive]
    Stale {
        /// Age of the view: all revocations older than this are known.
        staleness: Duration,
        /// Error of the last attempt to follow the log, if it has failed.
        last_error: Option<StoreError>,
    },
    /// The replica was dropped and no longer follows its log.
    Stopped,
}

impl Health {
    /// Returns whether checks are answered from memory. Suitable as the result of a readiness
    /// probe.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        matches!(self, Self::Fresh { .. })
    }

    /// Returns the age of the view: all revocations older than this are known. `None` before the
    /// first snapshot is loaded and after the replica was dropped.
    #[must_use]
    pub const fn staleness(&self) -> Option<Duration> {
        match *self {
            Self::Loading { .. } | Self::Stopped => None,
            Self::Fresh { staleness } | Self::Stale { staleness, .. } => Some(staleness),
        }
    }

    /// Returns the error of the last attempt to read or follow the log, with the remedy. `None` if
    /// the attempt has succeeded.
    #[must_use]
    pub const fn last_error(&self) -> Option<&StoreError> {
        match self {
            Self::Loading { last_error, .. } | Self::Stale { last_error, .. } => last_error.as_ref(),
            Self::Fresh { .. } | Self::Stopped => None,
        }
    }

    /// Returns the error that prevents the first snapshot until somebody intervenes.
    pub(super) fn obstacle(&self) -> Option<&StoreError> {
        match self {
            Self::Loading { last_error: Some(error), .. } if needs_intervention(error.kind()) => Some(error),
            _ => None,
        }
    }
}

fn needs_intervention(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Misconfigured | StoreErrorKind::Damaged)
}
