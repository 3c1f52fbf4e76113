use crate::chain::debug_as_chain;

/// Reason why a request was rejected. It is in the extensions of every response to a rejected
/// request.
///
/// With the feature `axum` it implements `IntoResponse`, with the response of
/// [`JsonResponder`](crate::respond::JsonResponder).
#[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The request has no bearer token.
    #[error("the request has no bearer token")]
    Missing,
    /// The request has more than one token, or a malformed one.
    #[error("the request does not have exactly one bearer token")]
    InvalidRequest,
    /// The token has no subject, but the logout endpoint revokes all tokens of the
    /// [subject](crate::endpoint::LogoutScope::Subject).
    #[error("the bearer token has no subject (`sub`) to log out everywhere")]
    NoSubject,
    /// The refresh token in the body of a logout is invalid, or belongs to another subject.
    #[error("the refresh token in the request's body is invalid")]
    InvalidRefreshToken,
    /// The token is malformed, forged, not valid yet, or meant for another service.
    #[error("the bearer token is invalid")]
    Invalid,
    /// The token is authentic but has expired.
    #[error("the bearer token has expired")]
    Expired,
    /// The token is authentic and was revoked.
    #[error("the bearer token was revoked")]
    Revoked,
    /// The token is valid, and does not meet a [requirement](crate::guard::Requirement) of the
    /// route, such as a scope.
    #[error("the bearer token does not meet a requirement of the route, such as a scope")]
    InsufficientScope,
    /// The store or the verifier could not answer in time.
    #[error("the revocation store or the verifier could not answer")]
    Unavailable,
    /// The logout endpoint was called with a method other than `POST`.
    #[error("the logout endpoint requires the method POST")]
    MethodNotAllowed,
}

debug_as_chain!(Rejection);

impl Rejection {
    /// Returns the error code for clients, such as `token_revoked`. It is also the `outcome` in
    /// metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "authorization_required",
            Self::InvalidRequest | Self::NoSubject | Self::InvalidRefreshToken => "invalid_request",
            Self::Invalid => "invalid_token",
            Self::Expired => "token_expired",
            Self::Revoked => "token_revoked",
            Self::InsufficientScope => "insufficient_scope",
            Self::Unavailable => "temporarily_unavailable",
            Self::MethodNotAllowed => "method_not_allowed",
        }
    }

    /// Returns the description for clients, such as `The token has been revoked.`
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
            Self::InsufficientScope => "The request requires higher privileges than the token has.",
            Self::Unavailable => "The service is temporarily unavailable. Try again.",
            Self::MethodNotAllowed => "The logout endpoint requires the method POST.",
        }
    }
}
