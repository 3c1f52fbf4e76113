//! [`ConfigError`] and [`IntrospectionError`]: why an [`Introspection`](super::Introspection)
//! cannot be built, and why a token was not judged.

use http::StatusCode;

use crate::{
    chain::debug_as_chain,
    fetch::FetchError,
    token::{
        VerifyError,
        jwt::{self, InvalidToken, UnacceptableAnswer},
    },
};

/// Error of an [`IntrospectionBuilder`](super::IntrospectionBuilder): its configuration cannot be
/// used.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The endpoint is not an `https` URL.
    #[error("the introspection endpoint cannot be used")]
    Endpoint(#[source] FetchError),
    /// A requirement for tokens, or for the keys of signed answers, cannot be used.
    #[error(transparent)]
    Requirement(#[from] jwt::ConfigError),
    /// It was not configured how this service authenticates to the endpoint.
    #[error(
        "it is not configured how this service authenticates to the introspection endpoint, which RFC 7662 requires: call \
         client_secret_basic(), client_secret_post() or bearer_token()"
    )]
    NoAuthentication,
    /// A client identifier, secret or token is the empty string.
    #[error("{0} is empty: is an environment variable unset?")]
    Empty(&'static str),
    /// A bearer token contains characters that a header cannot have.
    #[error("the bearer token contains characters that a header cannot have, such as a line break at its end")]
    BearerToken,
    /// The keys for signed answers are those of another issuer.
    #[error(
        "the keys for signed answers are those of `{signer}`, and the tokens are of `{issuer}`: the authorization server \
         signs its answers itself, so pass an Issuer of the same name to signed_answers()"
    )]
    OtherSigner {
        /// The issuer of the tokens.
        issuer: String,
        /// The issuer that was passed to `signed_answers`.
        signer: String,
    },
    /// Signed answers were configured without an audience.
    #[error(
        "signed answers name the client that they are meant for (`aud`), and with bearer_token() it is not known who that is: \
         add the client identifier with Issuer::audience to the issuer that is passed to signed_answers()"
    )]
    NoAnswerAudience,
    /// The keys for signed answers must be fetched, and the caller is outside a Tokio runtime.
    #[error("the keys for signed answers are fetched on a Tokio runtime: call build() from inside one")]
    NoRuntime,
    /// A limit is zero.
    #[error("{0} is zero, so no token could be accepted")]
    Zero(&'static str),
}

/// The reason why a token could not be judged, which is answered with 503.
///
/// An `Arc` of it is the source of
/// [`VerifyError::Unavailable`](crate::token::VerifyError::Unavailable). It contains nothing of the
/// token, of the answer, or of this service's credentials.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionError {
    /// There is no usable response.
    #[error("the introspection endpoint did not answer the question")]
    Fetch(#[from] FetchError),
    /// This service may not ask: the response has status 401 or 403.
    #[error(
        "the introspection endpoint rejects this service (status {0}): check the client identifier and the secret, whether \
         the server expects them by client_secret_basic() or client_secret_post(), and whether this client may introspect"
    )]
    Credentials(StatusCode),
    /// The server does not introspect such tokens, or understands the request differently: the
    /// response has status 400.
    #[error(
        "the introspection endpoint rejects the request (status 400): some servers do not introspect JWTs, which \
         JwtVerifier::or_opaque verifies here; others answer so if the client does not authenticate as they expect"
    )]
    Request,
    /// The response has another content type.
    #[error(
        "the response of the introspection endpoint is not `{expected}`: is the address right? Signed answers must be enabled \
         at the server for this client, and here with signed_answers()"
    )]
    ContentType {
        /// The expected type.
        expected: &'static str,
    },
    /// The response is not as RFC 7662 defines it.
    #[error("the answer is not an introspection response (RFC 7662, section 2.2): {0}; is the address right?")]
    Answer(String),
    /// A signed answer is not a JWT of its type that one of the keys has signed.
    #[error(
        "the signed answer cannot be verified (RFC 9701): are the keys those of the authorization server, and does it sign its \
         answers with one of them?"
    )]
    Signature(#[source] InvalidToken),
    /// The keys that sign answers are not known.
    #[error("the signed answer cannot be verified, because the keys of the authorization server could not be fetched")]
    NoKeys(#[source] VerifyError),
    /// A signed answer is meant for another purpose, or too old.
    #[error("the signed answer cannot be used (RFC 9701): {0}")]
    SignedAnswer(&'static str),
    /// Too many requests to the server are running.
    #[error(
        "the request waited too long for its turn: raise max_concurrent(), or find out why the authorization server takes so \
         long"
    )]
    Busy,
    /// The closure of `bearer_token_by` returned no usable token.
    #[error(
        "the bearer token for the introspection endpoint is empty, or contains characters that a header cannot have"
    )]
    BearerToken,
}

debug_as_chain!(ConfigError, IntrospectionError);

impl ConfigError {
    /// The error of the keys for signed answers, which are fetched by this verifier itself.
    pub(super) fn of_signer(error: jwt::ConfigError) -> Self {
        match error {
            jwt::ConfigError::OfIssuer { reason, .. } if matches!(*reason, jwt::ConfigError::NotStarted) => {
                Self::NoRuntime
            }
            error => Self::Requirement(error),
        }
    }
}

impl IntrospectionError {
    /// The name of the kind of error in metrics and events.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Fetch(_) | Self::NoKeys(_) | Self::Busy => "unavailable",
            Self::Credentials(_) | Self::Request | Self::BearerToken => "refused",
            Self::ContentType { .. } | Self::Answer(_) | Self::Signature(_) | Self::SignedAnswer(_) => "unusable",
        }
    }

    /// The error of a response whose status is not 200.
    pub(super) fn status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Credentials(status),
            StatusCode::BAD_REQUEST => Self::Request,
            status => Self::Fetch(FetchError::status(status)),
        }
    }
}

impl From<UnacceptableAnswer> for IntrospectionError {
    fn from(reason: UnacceptableAnswer) -> Self {
        Self::SignedAnswer(match reason {
            UnacceptableAnswer::Jwt(reason) => return Self::Signature(reason),
            UnacceptableAnswer::NoKeys(error) => return Self::NoKeys(error),
            UnacceptableAnswer::Claims => {
                "it lacks `iss`, `aud`, `iat` or `token_introspection`, or one of them has another form"
            }
            UnacceptableAnswer::Issuer => "another issuer has signed it (`iss`)",
            UnacceptableAnswer::Audience => {
                "it is meant for another client (`aud`); if the server names this service otherwise than by its client \
                 identifier, set Issuer::audience"
            }
            UnacceptableAnswer::IssuedAt => {
                "it was issued before it was asked for, or in the future (`iat`): synchronise the clocks of this machine and of \
                 the server, or raise clock_skew()"
            }
        })
    }
}
