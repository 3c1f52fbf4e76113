//! [`NotReady`]: why a replica cannot answer a check.

use std::time::Duration;

use crate::store::{StoreError, StoreErrorKind};

#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    #[error(
        "the replica has not loaded its first snapshot yet; wait for `ready`, which reports what prevents it if \
         somebody must intervene"
    )]
    Loading {
        #[source]
        because: Option<StoreError>,
    },
    #[error(
        "the replica has not heard from its log for {staleness:?}, and at most {max_staleness:?} is allowed: \
         the log's server is down, unreachable or too slow"
    )]
    Stale {
        staleness: Duration,
        max_staleness: Duration,
        #[source]
        because: Option<StoreError>,
    },
    #[error(
        "the log may have lost revocations: {reason}; checks are answered again a few seconds after all nodes have \
         reached it"
    )]
    LogReplaced { reason: &'static str },
}

impl From<NotReady> for StoreError {
    fn from(reason: NotReady) -> Self {
        Self::new("check", reason).with_kind(StoreErrorKind::Unavailable)
    }
}
