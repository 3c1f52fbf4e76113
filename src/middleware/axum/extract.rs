//! [`VerifiedToken`] and [`RevocationWatch`] as axum extractors (feature `axum`).

use std::{any, error::Error};

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::IntoResponse,
};
use http::{Extensions, Response, request::Parts};

use crate::{
    chain::debug_as_chain,
    guard::RevocationWatch,
    middleware::axum::Anonymous,
    respond::{self, AnswerBody, Protocol},
    telemetry,
    token::VerifiedToken,
};

/// Rejection of a [`VerifiedToken`] as an extractor: the request has none.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum MissingToken {
    /// The request carries no token, and the layer allows that. The answer is that of the layer's
    /// responder to such a request.
    #[error("the request has no bearer token")]
    Anonymous(Box<Response<AnswerBody>>),
    /// No layer has checked the request. Answered with 500 in any protocol: the response says that
    /// the server is misconfigured, and the event `handler misconfigured` says how.
    #[error(
        "no RevocationLayer with these claims has seen the request: is the route inside the layer, and is the claims \
         type the verifier's?"
    )]
    NotGuarded,
}

/// Rejection of a [`RevocationWatch`] as an extractor: the request has none.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum MissingWatch {
    /// The request carries no token, and the layer allows that. The answer is that of the layer's
    /// responder to such a request.
    #[error("the request has no bearer token")]
    Anonymous(Box<Response<AnswerBody>>),
    /// No layer has checked the request. Answered with 500 in any protocol: the response says that
    /// the server is misconfigured, and the event `handler misconfigured` says how.
    #[error("no RevocationLayer has seen the request: is the route inside the layer?")]
    NotGuarded,
}

debug_as_chain!(MissingToken, MissingWatch);

impl IntoResponse for MissingToken {
    fn into_response(self) -> axum_core::response::Response {
        match self {
            Self::Anonymous(rejection) => rejection.map(Body::new),
            Self::NotGuarded => respond::misconfigured().map(Body::new),
        }
    }
}

impl IntoResponse for MissingWatch {
    fn into_response(self) -> axum_core::response::Response {
        match self {
            Self::Anonymous(rejection) => rejection.map(Body::new),
            Self::NotGuarded => respond::misconfigured().map(Body::new),
        }
    }
}

/// Extracts the token that the layer has verified. A request without a token is rejected, also
/// where the layer allows it.
impl<S: Sync, C: Send + Sync + 'static> FromRequestParts<S> for VerifiedToken<C> {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingToken> {
        token(parts)?.map_err(|anonymous| MissingToken::Anonymous(Box::new(anonymous.rejection(protocol(parts)))))
    }
}

/// Extracts the token that the layer has verified; `None` for a request without a token that the
/// layer has let pass.
impl<S: Sync, C: Send + Sync + 'static> OptionalFromRequestParts<S> for VerifiedToken<C> {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, MissingToken> {
        token(parts).map(Result::ok)
    }
}

/// Extracts the watch of the request's token. A request without a token is rejected, also where the
/// layer allows it.
impl<S: Sync> FromRequestParts<S> for RevocationWatch {
    type Rejection = MissingWatch;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingWatch> {
        watch(parts)?.map_err(|anonymous| MissingWatch::Anonymous(Box::new(anonymous.rejection(protocol(parts)))))
    }
}

/// Extracts the watch of the request's token; `None` for a request without a token that the layer
/// has let pass.
impl<S: Sync> OptionalFromRequestParts<S> for RevocationWatch {
    type Rejection = MissingWatch;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, MissingWatch> {
        watch(parts).map(Result::ok)
    }
}

/// The watch of the tokens that layers have verified, or the mark of the layer that has let the
/// request pass without one.
fn watch(parts: &Parts) -> Result<Result<RevocationWatch, &Anonymous>, MissingWatch> {
    let extensions = &parts.extensions;
    match (extensions.get(), Anonymous::innermost(extensions)) {
        (Some(watch), _) => Ok(Ok(RevocationWatch::clone(watch))),
        (None, Some(anonymous)) => Ok(Err(anonymous)),
        (None, None) => {
            report::<RevocationWatch>(extensions, &MissingWatch::NotGuarded);
            Err(MissingWatch::NotGuarded)
        }
    }
}

fn protocol(parts: &Parts) -> Protocol {
    Protocol::of(&parts.method, parts.version, &parts.headers)
}

/// The token that a layer has verified, or the mark of the layer that has let the request pass
/// without one.
fn token<C: Send + Sync + 'static>(parts: &Parts) -> Result<Result<VerifiedToken<C>, &Anonymous>, MissingToken> {
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

/// Reports to operators what a handler has asked for, and what the request has instead.
fn report<T>(extensions: &Extensions, error: &(dyn Error + 'static)) {
    let found: Vec<_> = extensions.get::<RevocationWatch>().into_iter().flat_map(RevocationWatch::types).collect();
    let anonymous: Vec<_> = Anonymous::types(extensions).collect();
    telemetry::misconfigured(any::type_name::<T>(), &found, &anonymous, error);
}
