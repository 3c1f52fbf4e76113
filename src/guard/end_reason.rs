use crate::{chain::debug_as_chain, respond::Rejection};

/// Reason why a live stream was ended: a body, a WebSocket or anything else that was opened with a
/// token. It is the error of such a body.
#[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// The token was revoked.
    #[error("ended: the bearer token was revoked")]
    Revoked,
    /// The token has expired.
    #[error("ended: the bearer token has expired")]
    Expired,
    /// The store could not answer whether the token was revoked.
    #[error("ended: the revocation store could not answer")]
    Unavailable,
    /// The service is shutting down: see [`Logout::drain`](crate::Logout::drain).
    #[error("ended: the service is shutting down")]
    ShuttingDown,
}

debug_as_chain!(EndReason);

impl EndReason {
    /// Returns the code for clients: `shutting_down`, or the code with which a request with the
    /// token is rejected, such as `token_revoked`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            reason => reason.rejection().code(),
        }
    }

    /// Returns the description for clients, such as `The token has been revoked.` It is short
    /// enough for the close frame of a WebSocket.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::ShuttingDown => "The service is shutting down.",
            reason => reason.rejection().description(),
        }
    }

    /// Returns the status code for a WebSocket's close frame (RFC 6455, section 7.4): 1008, policy
    /// violation, for a revoked or expired token; 1013, try again later, if the store could not
    /// answer; 1001, going away, at shutdown.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Revoked | Self::Expired => 1008,
            Self::Unavailable => 1013,
            Self::ShuttingDown => 1001,
        }
    }

    const fn rejection(self) -> Rejection {
        match self {
            Self::Revoked => Rejection::Revoked,
            Self::Expired => Rejection::Expired,
            Self::Unavailable | Self::ShuttingDown => Rejection::Unavailable,
        }
    }
}

impl From<EndReason> for Rejection {
    fn from(reason: EndReason) -> Self {
        reason.rejection()
    }
}
