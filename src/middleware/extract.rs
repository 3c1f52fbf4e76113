//! [`VerifiedToken`] and [`RevocationWatch`] as axum extractors (feature `axum`).

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::{
    chain::debug_as_chain,
    guard::RevocationWatch,
    middleware::Anonymous,
    respond::{self, AutoResponder, JsonResponder, Protocol, Rejection},
    token::VerifiedToken,
};

/// A handler asked for a [`VerifiedToken`] that the request does not have.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MissingToken {
    /// The request carries no token, and the layer allows that. Answered as a layer without a responder of its own refuses it: 401.
    #[error("the request has no bearer token")]
    Anonymous(Protocol),
    /// No layer has checked the request. Answered with 500.
    #[error(
        "no RevocationLayer with these claims has seen the request: is the route inside the layer, and is the claims type the verifier's?"
    )]
    NotGuarded,
}

impl IntoResponse for MissingToken {
    fn into_response(self) -> Response {
        match self {
            Self::Anonymous(protocol) => {
                respond::refuse(&AutoResponder::<JsonResponder>::default(), Rejection::Missing, protocol)
                    .map(Body::from)
            }
            Self::NotGuarded => (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response(),
        }
    }
}

/// Extracts what the layer has verified. A request without a token is refused, also where the layer allows it.
impl<S: Sync, C: Send + Sync + 'static> FromRequestParts<S> for VerifiedToken<C> {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingToken> {
        find(parts)?.ok_or_else(|| MissingToken::Anonymous(Protocol::of(&parts.method, parts.version, &parts.headers)))
    }
}

/// Extracts what the layer has verified, `None` for a request without a token that the layer has let pass.
impl<S: Sync, C: Send + Sync + 'static> OptionalFromRequestParts<S> for VerifiedToken<C> {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, MissingToken> {
        find(parts)
    }
}

/// Extracts the watch of the request's token. A request without a token has none.
impl<S: Sync> FromRequestParts<S> for RevocationWatch {
    type Rejection = MissingWatch;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingWatch> {
        parts.extensions.get().cloned().ok_or(MissingWatch)
    }
}

/// A handler asked for a [`RevocationWatch`], and no layer has let the request pass with a token. Answered with 500.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[error(
    "no RevocationLayer has let this request pass with a token: is the route inside the layer? Where the layer allows requests without one, \
     take an `Option<Extension<RevocationWatch>>`"
)]
pub struct MissingWatch;

debug_as_chain!(MissingToken, MissingWatch);

impl IntoResponse for MissingWatch {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

fn find<C: Send + Sync + 'static>(parts: &Parts) -> Result<Option<VerifiedToken<C>>, MissingToken> {
    match (parts.extensions.get(), parts.extensions.get::<Anonymous<C>>()) {
        (Some(token), _) => Ok(Some(VerifiedToken::clone(token))),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(MissingToken::NotGuarded),
    }
}
