//! [`NotReady`]: errors of checks and look-ups that a replica cannot answer.

use std::time::Duration;

use crate::store::{StoreError, StoreErrorKind};

#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    #[error(
        "the replica has not loaded its first snapshot yet; wait for `ReplicaMonitor::ready`, which returns an error \
         if the log cannot be read without intervention"
    )]
    Loading {
        #[source]
        because: Option<StoreError>,
    },
    #[error(
        "the view of the replica is {staleness:?} old, and at most {max_staleness:?} is allowed: the log's server is \
         down, unreachable or too slow; checks are answered again once it responds"
    )]
    Stale {
        staleness: Duration,
        max_staleness: Duration,
        #[source]
        because: Option<StoreError>,
    },
    #[error(
        "the log may have lost revocations: {reason}; checks are answered again a few seconds after all nodes have \
         reconnected to it"
    )]
    LogReplaced { reason: &'static str },
}

impl NotReady {
    pub(super) fn in_operation(self, operation: &'static str) -> StoreError {
        StoreError::new(operation, self).with_kind(StoreErrorKind::Unavailable)
    }
}
