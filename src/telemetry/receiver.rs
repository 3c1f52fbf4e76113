//! Messages that the receivers of logouts from elsewhere take or refuse.

use std::error::Error;

use super::Throttle;
#[cfg(feature = "tracing")]
use crate::chain::Chain;

/// What has become of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MessageOutcome {
    /// The store has what it reports.
    Taken,
    /// It was taken before.
    Repeated,
    /// It is authentic, and reports nothing that is to be revoked.
    Ignored,
    /// It is forged, malformed, or refused by the configuration.
    Refused,
    /// It could not be judged, or the store did not take what it reports.
    Unavailable,
}

impl MessageOutcome {
    #[cfg(feature = "metrics")]
    const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Repeated => "repeated",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Counts a message. `receiver` is the name of the [`Source`](crate::revoker::Source).
pub(crate) fn message(receiver: &'static str, outcome: MessageOutcome) {
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_messages_total", "receiver" => receiver, "outcome" => outcome.name()).increment(1);
}

/// Reports and counts a message that is refused. With a `remedy`, it is authentic, and only the
/// configuration refuses it.
pub(crate) fn message_refused(
    throttle: &Throttle,
    receiver: &'static str,
    reason: &'static str,
    remedy: Option<&'static str>,
    error: &(dyn Error + 'static),
) {
    message(receiver, MessageOutcome::Refused);
    #[cfg(feature = "tracing")]
    match remedy {
        None => tracing::debug!(receiver, reason, error = %Chain(error), "message refused"),
        Some(remedy) => {
            if let Some(suppressed) = throttle.admit(reason) {
                let error = Chain(error);
                tracing::warn!(receiver, reason, %error, remedy, suppressed, "message refused by the configuration");
            }
        }
    }
}

/// Reports and counts a message that could not be judged.
pub(crate) fn message_not_judged(throttle: &Throttle, receiver: &'static str, error: &(dyn Error + 'static)) {
    message(receiver, MessageOutcome::Unavailable);
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = throttle.admit("unavailable") {
        tracing::error!(receiver, error = %Chain(error), suppressed, "message not judged");
    }
}
