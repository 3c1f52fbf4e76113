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

/// Rejection of a [`VerifiedToken`] or a [`RevocationWatch`] as an extractor: the request has none.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum MissingToken {
    /// The request carries no token, which the layer allows but the handler does not. The response
    /// is that of the layer's responder to a request without a token.
    #[error("the request has no bearer token")]
    Anonymous(Box<Response<AnswerBody>>),
    /// No layer has checked the request. The response is 500 in any protocol: it reports that the
    /// server is misconfigured, and the event `handler misconfigured` has the details.
    #[error(
        "no RevocationLayer has put the extracted type into the request: is the route inside the layer, and is the \
         claims type of a VerifiedToken that of the verifier?"
    )]
    NotGuarded,
}

debug_as_chain!(MissingToken);

impl IntoResponse for MissingToken {
    fn into_response(self) -> axum_core::response::Response {
        match self {
            Self::Anonymous(rejection) => rejection.map(Body::new),
            Self::NotGuarded => respond::misconfigured().map(Body::new),
        }
    }
}

/// Extracts the token that the layer has verified. A request without a token is rejected, even if
/// the layer allows it.
impl<S: Sync, C: Send + Sync + 'static> FromRequestParts<S> for VerifiedToken<C> {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingToken> {
        required(parts, Anonymous::of::<C>(&parts.extensions))
    }
}

/// Extracts the token that the layer has verified, or `None` if the layer has allowed a request
/// without a token.
impl<S: Sync, C: Send + Sync + 'static> OptionalFromRequestParts<S> for VerifiedToken<C> {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, MissingToken> {
        find(parts, Anonymous::of::<C>(&parts.extensions)).map(Result::ok)
    }
}

/// Extracts the watch of the request's token. A request without a token is rejected, even if the
/// layer allows it.
impl<S: Sync> FromRequestParts<S> for RevocationWatch {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingToken> {
        required(parts, Anonymous::innermost(&parts.extensions))
    }
}

/// Extracts the watch of the request's token, or `None` if the layer has allowed a request without
/// a token.
impl<S: Sync> OptionalFromRequestParts<S> for RevocationWatch {
    type Rejection = MissingToken;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, MissingToken> {
        find(parts, Anonymous::innermost(&parts.extensions)).map(Result::ok)
    }
}

/// Returns what a layer has put into the request, or a rejection if a layer has allowed the request
/// without a token.
fn required<T: Clone + Send + Sync + 'static>(parts: &Parts, anonymous: Option<&Anonymous>) -> Result<T, MissingToken> {
    find(parts, anonymous)?.map_err(|anonymous| {
        let protocol = Protocol::of(&parts.method, parts.version, &parts.headers);
        MissingToken::Anonymous(Box::new(anonymous.rejection(protocol)))
    })
}

/// Returns what a layer has put into the request, or the mark of the layer that has allowed the
/// request without a token.
fn find<'a, T: Clone + Send + Sync + 'static>(
    parts: &Parts,
    anonymous: Option<&'a Anonymous>,
) -> Result<Result<T, &'a Anonymous>, MissingToken> {
    match (parts.extensions.get::<T>(), anonymous) {
        (Some(found), _) => Ok(Ok(found.clone())),
        (None, Some(anonymous)) => Ok(Err(anonymous)),
        (None, None) => {
            report::<T>(&parts.extensions, &MissingToken::NotGuarded);
            Err(MissingToken::NotGuarded)
        }
    }
}

/// Reports to operators what a handler extracts, and what the request has instead.
fn report<T>(extensions: &Extensions, error: &(dyn Error + 'static)) {
    let found: Vec<_> = extensions.get::<RevocationWatch>().into_iter().flat_map(RevocationWatch::types).collect();
    let anonymous: Vec<_> = Anonymous::types(extensions).collect();
    telemetry::misconfigured(any::type_name::<T>(), &found, &anonymous, error);
}
