//! What the client is told: a [`Rejection`], and who writes it down.

mod auto;
mod grpc;
mod json;
mod protocol;

use bytes::Bytes;
use http::{HeaderValue, Response, header::CACHE_CONTROL};

use crate::chain::debug_as_chain;

pub use auto::AutoResponder;
pub use grpc::GrpcResponder;
pub(crate) use grpc::trailers as grpc_trailers;
pub use json::JsonResponder;
pub(crate) use json::logged_out;
#[cfg(feature = "axum")]
pub(crate) use json::misconfigured;
pub use protocol::Protocol;
pub(crate) use protocol::{is_grpc, media_type};

/// Why a request was refused. It is in the extensions of every response that refuses one.
#[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There was no token.
    #[error("the request has no bearer token")]
    Missing,
    /// There was more than one token, or something else in its place.
    #[error("the request does not have exactly one bearer token")]
    InvalidRequest,
    /// The logout endpoint is to log out [everywhere](crate::LogoutService::everywhere), and the token has no subject.
    #[error("the bearer token has no subject (`sub`) to log out everywhere")]
    NoSubject,
    /// The refresh token that came along to the logout endpoint is not genuine, or belongs to another subject.
    #[error("the refresh token in the request's body is invalid")]
    InvalidRefreshToken,
    /// The token is malformed, forged, not yet valid, or not meant for this service.
    #[error("the bearer token is invalid")]
    Invalid,
    /// The token was genuine and is over.
    #[error("the bearer token has expired")]
    Expired,
    /// The token is genuine and was revoked.
    #[error("the bearer token was revoked")]
    Revoked,
    /// Whether the token is good, or a logout, could not be settled in time. Nothing was allowed.
    #[error("the revocation store or the verifier could not answer")]
    Unavailable,
    /// The logout endpoint was asked with another method than `POST`.
    #[error("logging out takes the method POST")]
    MethodNotAllowed,
}

debug_as_chain!(Rejection);

impl Rejection {
    /// The error code that clients see, such as `token_revoked`. It is also the `outcome` in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "authorization_required",
            Self::InvalidRequest | Self::NoSubject | Self::InvalidRefreshToken => "invalid_request",
            Self::Invalid => "invalid_token",
            Self::Expired => "token_expired",
            Self::Revoked => "token_revoked",
            Self::Unavailable => "temporarily_unavailable",
            Self::MethodNotAllowed => "method_not_allowed",
        }
    }

    /// The sentence that clients see, such as `The token has been revoked.`
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Missing => "Request does not contain an access token.",
            Self::InvalidRequest => "The request is malformed, or does not carry exactly one access token.",
            Self::NoSubject => "The access token has no subject (sub), so it cannot log out everywhere.",
            Self::InvalidRefreshToken => "The refresh token is invalid, or belongs to another subject.",
            Self::Invalid => "The token is invalid.",
            Self::Expired => "The token has expired.",
            Self::Revoked => "The token has been revoked.",
            Self::Unavailable => "The token cannot be checked at the moment. Try again.",
            Self::MethodNotAllowed => "Logging out takes the method POST.",
        }
    }
}

/// Writes the response for a request that was refused.
///
/// Closures are responders. Whatever a responder returns gets the [`Rejection`] into its extensions and, if it has none,
/// `Cache-Control: no-store`.
///
/// # Examples
///
/// Problem details (RFC 9457) instead of Matar's bodies, and gRPC left as it is:
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_logout::{AutoResponder, Protocol, Rejection};
///
/// let problem = |rejection: Rejection, _: Protocol| {
///     let status = match rejection {
///         Rejection::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
///         _ => StatusCode::UNAUTHORIZED,
///     };
///     let body = format!(r#"{{"type":"about:blank","title":"{}"}}"#, rejection.code());
///     let mut response = Response::new(body.into());
///     *response.status_mut() = status;
///     response
/// };
/// let responder = AutoResponder::new(problem);
/// ```
pub trait Respond: Send + Sync + 'static {
    /// The response for a request that spoke `protocol` and was refused for this reason.
    fn refuse(&self, rejection: Rejection, protocol: Protocol) -> Response<Bytes>;
}

impl<F> Respond for F
where
    F: Fn(Rejection, Protocol) -> Response<Bytes> + Send + Sync + 'static,
{
    fn refuse(&self, rejection: Rejection, protocol: Protocol) -> Response<Bytes> {
        self(rejection, protocol)
    }
}

/// The responder's response, with what every refusal has.
pub(crate) fn refuse(responder: &(impl Respond + ?Sized), rejection: Rejection, protocol: Protocol) -> Response<Bytes> {
    let mut response = responder.refuse(rejection, protocol);
    response.headers_mut().entry(CACHE_CONTROL).or_insert(NO_STORE);
    response.extensions_mut().insert(rejection);
    response
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
