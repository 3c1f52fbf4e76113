//! [`SecurityEventsError`] and [`TransmitterError`]: why a receiver cannot be built, and why a
//! transmitter cannot be used.

use std::time::Duration;

use http::StatusCode;
use tower::BoxError;

use crate::{chain::debug_as_chain, fetch::FetchError, store::StoreError, token::jwt};

/// Error of a [`SecurityEventsBuilder`](super::SecurityEventsBuilder) or of a
/// [`SecurityEventPollerBuilder`](super::SecurityEventPollerBuilder): the configuration cannot be
/// used.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SecurityEventsError {
    /// The transmitter or its keys cannot be used.
    #[error(transparent)]
    Transmitter(#[from] jwt::ConfigError),
    /// The transmitter was configured without an audience.
    #[error(
        "it is not configured whom security event tokens are meant for: set the `aud` of the stream with Issuer::audience; \
         without it, events of other receivers would be accepted"
    )]
    NoAudience,
    /// A setting is the empty string, or has characters that a header cannot have.
    #[error("{0} is empty, or has characters that a header cannot have: is an environment variable unset?")]
    Unusable(&'static str),
    /// A duration or a number is zero.
    #[error("{0} is zero: set a larger value, or leave the default")]
    Zero(&'static str),
    /// The bounds of the interval are in the wrong order.
    #[error("interval({min:?}, {max:?}): the first duration must not be longer than the second")]
    Interval {
        /// The shortest interval.
        min: Duration,
        /// The longest interval.
        max: Duration,
    },
    /// The address to poll is not an `https` URL.
    #[error("the address that events are polled from cannot be used")]
    Address(#[source] FetchError),
    /// There is no HTTP client.
    #[error(
        "there is no HTTP client: enable the feature `oidc` of tower-logout, or set Issuer::fetch_with on the transmitter"
    )]
    NoClient,
    /// The caller is outside a Tokio runtime.
    #[error("keys and events are fetched on a Tokio runtime: call this from inside one")]
    NoRuntime,
}

/// Error of a request to a transmitter, for a [poller](super::SecurityEventPoller) or a
/// [stream](super::SsfStream).
///
/// It contains nothing of an event, of a body, or of this service's credentials.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TransmitterError {
    /// There is no usable response.
    #[error("the transmitter did not answer the request to {operation}")]
    Fetch {
        /// What was asked for.
        operation: &'static str,
        /// Why there is no response.
        source: FetchError,
    },
    /// The transmitter rejects this service: the response has status 401 or 403.
    #[error(
        "the transmitter does not allow this service to {operation} (status {status}): check the value of authorization(), \
         whether it has expired, and what this client may do at the transmitter"
    )]
    Credentials {
        /// What was asked for.
        operation: &'static str,
        /// The status.
        status: StatusCode,
    },
    /// The transmitter limits such requests: the response has status 429.
    #[error("the transmitter was asked to {operation} too often (status 429): try again later")]
    TooOften {
        /// What was asked for.
        operation: &'static str,
    },
    /// The response is not what the specification defines.
    #[error("the transmitter's answer to the request to {operation} cannot be used: {reason}")]
    Answer {
        /// What was asked for.
        operation: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The closure of `authorization_by` has no usable value.
    #[error("there is no authorization for the transmitter")]
    Authorization(#[source] BoxError),
    /// None of the places where the metadata of the transmitter can be has it.
    #[error(
        "there is no metadata of a transmitter at any of {addresses:?}: is the issuer spelled as its documentation says?"
    )]
    NoMetadata {
        /// The addresses that were tried.
        addresses: Vec<String>,
    },
    /// The metadata is that of another transmitter.
    #[error(
        "the metadata of the transmitter names another issuer than the configured one: they must be equal, including a \
         trailing slash"
    )]
    OtherIssuer,
    /// The metadata lacks an endpoint, or names an address that cannot be used.
    #[error(
        "the transmitter has no usable `{0}` in its metadata: do this at the transmitter itself, in the application that \
         manages it"
    )]
    NoEndpoint(&'static str),
    /// The transmitter does not deliver in this way.
    #[error("the transmitter does not offer delivery by {0}: choose the other one of push_to() and by_polling()")]
    Delivery(&'static str),
    /// It was not configured how events are delivered.
    #[error("it is not configured how events are delivered: call push_to() or by_polling()")]
    NoDelivery,
    /// The transmitter has another stream for this service, and allows no second one.
    #[error(
        "the transmitter has a stream for this client that delivers otherwise, and allows no second one (status 409): \
         delete it at the transmitter, or use another client"
    )]
    OtherStream,
    /// The audience of the stream is not the configured one, so that its events would be refused.
    #[error("the stream is for the audience {found:?}, and {expected:?} is configured: set Issuer::audience")]
    Audience {
        /// The audience of the stream.
        found: Vec<String>,
        /// The configured audiences.
        expected: Vec<String>,
    },
    /// The store did not take or find the state of a verification.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The verification event has not arrived in time.
    #[error(
        "the verification event has not arrived within {0:?}: is the service reachable for the transmitter at the address of \
         push_to(), or is the poller running? The log says whether an event was refused"
    )]
    NotVerified(Duration),
}

debug_as_chain!(SecurityEventsError, TransmitterError);

impl SecurityEventsError {
    /// The error of keys that are fetched by the receiver itself.
    pub(super) fn of_transmitter(error: jwt::ConfigError) -> Self {
        match error {
            jwt::ConfigError::NotStarted => Self::NoRuntime,
            jwt::ConfigError::NoClient => Self::NoClient,
            jwt::ConfigError::OfIssuer { reason, .. }
                if matches!(*reason, jwt::ConfigError::NotStarted | jwt::ConfigError::NoClient) =>
            {
                Self::of_transmitter(*reason)
            }
            error => Self::Transmitter(error),
        }
    }
}

impl TransmitterError {
    /// The error of a response with a status that is not the expected one.
    pub(super) fn status(operation: &'static str, status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Credentials { operation, status },
            StatusCode::TOO_MANY_REQUESTS => Self::TooOften { operation },
            status => Self::Fetch { operation, source: FetchError::status(status) },
        }
    }
}
