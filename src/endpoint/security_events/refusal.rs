//! [`Refusal`]: why a security event token was not taken.

use crate::{chain::debug_as_chain, token::jwt::InvalidToken};

/// The reason why a security event token is refused.
#[derive(thiserror::Error)]
pub(super) enum Refusal {
    #[error("it is no security event token that one of the transmitter's keys has signed")]
    Unsigned(#[source] InvalidToken),
    #[error("it is not a security event token: {0}")]
    Malformed(&'static str),
    #[error("it is of another issuer (`iss`) than the transmitter")]
    Issuer,
    #[error("it is meant for another audience (`aud`)")]
    Audience,
    #[error("it was issued in the future (`iat`)")]
    IssuedInFuture,
    #[error("it is too old (`iat`)")]
    TooOld,
    #[error("the transmitter is not authenticated (`Authorization`)")]
    NotAuthenticated,
    #[error("the application does not allow the transmitter to report this")]
    Denied,
    #[error("nobody has asked for a verification with this `state`")]
    State,
}

debug_as_chain!(Refusal);

/// The reason why a security event token was not taken.
#[derive(Debug)]
pub(super) enum NotReceived {
    Refused(Refusal),
    /// It could not be judged, or the store has not taken what it reports. It can come again.
    Unavailable,
}

impl From<Refusal> for NotReceived {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Refusal {
    /// The code for the transmitter (RFC 8935, section 2.4).
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Unsigned(
                InvalidToken::Signature
                | InvalidToken::UnknownKey
                | InvalidToken::Algorithm
                | InvalidToken::AlgorithmNotAllowed,
            ) => "invalid_key",
            Self::Unsigned(_) | Self::Malformed(_) | Self::IssuedInFuture | Self::TooOld => "invalid_request",
            Self::Issuer => "invalid_issuer",
            Self::Audience => "invalid_audience",
            Self::NotAuthenticated => "authentication_failed",
            Self::Denied => "access_denied",
            Self::State => "invalid_state",
        }
    }

    /// The description for the transmitter. It depends on the code alone, so that it tells no more
    /// than that.
    pub(super) fn description(&self) -> &'static str {
        match self.code() {
            "invalid_key" => "The key that signs the security event token is not accepted.",
            "invalid_issuer" => "The issuer of the security event token is not accepted.",
            "invalid_audience" => "The audience of the security event token is not this receiver.",
            "authentication_failed" => "The transmitter could not be authenticated.",
            "access_denied" => "The transmitter may not send this event.",
            "invalid_state" => "The state of the verification event is not known.",
            _ => "The request is not a valid security event token.",
        }
    }

    /// The reason in events.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Unsigned(reason) => reason.code(),
            Self::Malformed(_) => "malformed",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::IssuedInFuture => "issued_in_future",
            Self::TooOld => "too_old",
            Self::NotAuthenticated => "authorization",
            Self::Denied => "denied",
            Self::State => "state",
        }
    }

    /// What to do about it, if the transmitter has signed the token and only the configuration
    /// refuses it.
    pub(super) const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Issuer => Some(
                "pass the `iss` of the stream to Issuer::transmitter, exactly, including a trailing slash; or another \
                 stream delivers here",
            ),
            Self::Audience => Some("set the `aud` of the stream with Issuer::audience"),
            Self::IssuedInFuture => Some("synchronize the clocks of this machine and of the transmitter"),
            Self::TooOld => Some("raise max_age(), if such late events are to end tokens"),
            Self::State => Some(
                "the verification was requested elsewhere, or too long ago: request it with SsfStream::verify, of nodes \
                 that share the store",
            ),
            Self::Unsigned(_) | Self::Malformed(_) | Self::NotAuthenticated | Self::Denied => None,
        }
    }
}
