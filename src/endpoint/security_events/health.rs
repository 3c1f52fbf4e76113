//! [`StreamHealth`]: what the transmitter has said about the stream.

use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;

/// The status of a stream (Shared Signals Framework 1.0, section 8.1.2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum StreamStatus {
    /// Events are sent.
    Enabled,
    /// Events are kept, and sent when the stream is enabled again.
    Paused,
    /// Events are neither sent nor kept.
    Disabled,
}

impl StreamStatus {
    /// Returns the name: `enabled`, `paused` or `disabled`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        [Self::Enabled, Self::Paused, Self::Disabled].into_iter().find(|status| status.name() == name)
    }
}

/// What this process has heard of the transmitter, for a health endpoint.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct StreamHealth {
    /// The status of the stream as the transmitter has announced it last. `None` if it has not.
    pub status: Option<StreamStatus>,
    /// When an authentic security event token was received last.
    pub last_event: Option<Timestamp>,
}

impl StreamHealth {
    /// Returns whether the transmitter sends events, as far as it has said.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        matches!(self.status, None | Some(StreamStatus::Enabled))
    }
}

/// The health, as it is observed.
#[derive(Debug, Default)]
pub(super) struct Observed(Mutex<(StreamHealth, Timestamp)>);

impl Observed {
    pub(super) fn health(&self) -> StreamHealth {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn event(&self, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.last_event = Some(now);
    }

    /// Records a status that the transmitter has announced at this time. Returns whether it was not
    /// announced before: an older announcement may come again.
    pub(super) fn status(&self, status: StreamStatus, at: Timestamp) -> bool {
        let mut observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (health, last) = &mut *observed;
        if at < *last {
            return false;
        }
        *last = at;
        health.status.replace(status) != Some(status)
    }
}
