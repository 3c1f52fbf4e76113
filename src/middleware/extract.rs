//! [`VerifiedToken`] and [`RevocationWatch`] as axum extractors (feature `axum`).

use std::{any, error::Error};

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Extensions, request::Parts};

use crate::{
    chain::debug_as_chain,
    guard::RevocationWatch,
    middleware::anonymous::Anonymous,
    respond::{self, Protocol},
    telemetry,
    token::VerifiedToken,
};

/// A handler asked for a [`VerifiedToken`] that the request does not have.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MissingToken {
    /// The request carries no token, and the layer allows that. Answered as that layer refuses such a
    /// request where it does not: this is its responder's response.
    #[error("the request has no bearer token")]
    Anonymous(Box<http::Response<Bytes>>),
    /// No layer has checked the request. Answered with 500, whatever the request speaks: a client is
    /// told that the server is misconfigured, and the event `handler misconfigured` says how.
    #[error(
        "no RevocationLayer with these claims has seen the request: is the route inside the layer, and is the claims type the verifier's?"
    )]
    NotGuarded,
}

impl IntoResponse for MissingToken {
    fn into_response(self) -> Response {
        match self {
            Self::Anonymous(refusal) => refusal.map(Body::from),
            Self::NotGuarded => respond::misconfigured().map(Body::from),
        }
    }
}

/// Extracts what the layer has verified. A request without a token is refused, also where the layer allows it.
impl<S: Sync, C: Send + Sync + 'static> FromRequestParts<S> for VerifiedToken<C> {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingToken> {
        find(parts)?.map_err(|anonymous| {
            let protocol = Protocol::of(&parts.method, parts.version, &parts.headers);
            MissingToken::Anonymous(Box::new(anonymous.refusal(protocol)))
        })
    }
}

/// Extracts what the layer has verified, `None` for a request without a token that the layer has let pass.
impl<S: Sync, C: Send + Sync + 'static> OptionalFromRequestParts<S> for VerifiedToken<C> {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, MissingToken> {
        find(parts).map(Result::ok)
    }
}

/// Extracts the watch of the request's token. A request without a token has none.
impl<S: Sync> FromRequestParts<S> for RevocationWatch {
    type Rejection = MissingWatch;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingWatch> {
        parts.extensions.get().cloned().ok_or_else(|| {
            report::<Self>(&parts.extensions, &MissingWatch);
            MissingWatch
        })
    }
}

/// A handler asked for a [`RevocationWatch`], and no layer has let the request pass with a token.
///
/// Answered with 500, whatever the request speaks: a client is told that the server is misconfigured,
/// and the event `handler misconfigured` says how.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[error(
    "no RevocationLayer has let this request pass with a token: is the route inside the layer? Where the layer allows requests without one, \
     take an `Option<Extension<RevocationWatch>>`"
)]
pub struct MissingWatch;

debug_as_chain!(MissingToken, MissingWatch);

impl IntoResponse for MissingWatch {
    fn into_response(self) -> Response {
        respond::misconfigured().map(Body::from)
    }
}

/// The token that a layer has verified, or the mark of the layer that has let the request pass without one.
fn find<C: Send + Sync + 'static>(parts: &Parts) -> Result<Result<VerifiedToken<C>, &Anonymous>, MissingToken> {
    let extensions = &parts.extensions;
    match (extensions.get(), Anonymous::of::<C>(extensions)) {
        (Some(token), _) => Ok(Ok(VerifiedToken::clone(token))),
        (None, Some(anonymous)) => Ok(Err(anonymous)),
        (None, None) => {
            report::<VerifiedToken<C>>(extensions, &MissingToken::NotGuarded);
            Err(MissingToken::NotGuarded)
        }
    }
}

/// Tells the operator what a handler has asked for, and what there is instead.
fn report<T>(extensions: &Extensions, error: &(dyn Error + 'static)) {
    let found: Vec<_> = extensions.get::<RevocationWatch>().into_iter().flat_map(RevocationWatch::types).collect();
    let anonymous: Vec<_> = Anonymous::types(extensions).collect();
    telemetry::misconfigured(any::type_name::<T>(), &found, &anonymous, error);
}
