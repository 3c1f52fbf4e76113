use std::time::Duration;

use crate::store::{StoreError, StoreErrorKind};

/// The state of a [`Replica`](crate::Replica): how much it knows, how old that is, and what keeps
/// it from knowing more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Health {
    /// The first snapshot is being loaded. Every check is an error.
    #[non_exhaustive]
    Loading {
        /// How many entries have been read.
        loaded: u64,
        /// About how many entries there are, if the log has announced it.
        expected: Option<u64>,
        /// Why the last attempt has failed.
        last_error: Option<StoreError>,
    },
    /// Checks are answered from memory.
    #[non_exhaustive]
    Fresh {
        /// Age of the view: all revocations older than this are known.
        staleness: Duration,
    },
    /// The view is older than `max_staleness`. Checks ask the log or are errors, as configured.
    #[non_exhaustive]
    Stale {
        /// Age of the view: all revocations older than this are known.
        staleness: Duration,
        /// Why the last attempt to follow the log has failed, if the log has reported it.
        last_error: Option<StoreError>,
    },
    /// The replica was dropped, and no longer follows its log.
    Stopped,
}

impl Health {
    /// Whether checks are answered from memory: the answer to a readiness probe.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        matches!(self, Self::Fresh { .. })
    }

    /// Age of the view: all revocations older than this are known. `None` before the first snapshot
    /// is loaded and after the replica was dropped.
    #[must_use]
    pub const fn staleness(&self) -> Option<Duration> {
        match *self {
            Self::Loading { .. } | Self::Stopped => None,
            Self::Fresh { staleness } | Self::Stale { staleness, .. } => Some(staleness),
        }
    }

    /// Why the last attempt to read or follow the log has failed, with the remedy. `None` if it has
    /// succeeded.
    #[must_use]
    pub const fn last_error(&self) -> Option<&StoreError> {
        match self {
            Self::Loading { last_error, .. } | Self::Stale { last_error, .. } => last_error.as_ref(),
            Self::Fresh { .. } | Self::Stopped => None,
        }
    }

    /// The error that prevents the first snapshot until somebody changes something.
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
