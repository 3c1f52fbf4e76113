use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bare::{Bare, Body, settle};
use http::{Request, Response};
use jsonwebtoken::Algorithm;
use jwt_authorizer::{AuthError, AuthorizerBuilder, IntoLayer, JwtAuthorizer, Validation};
use tower::{Layer, Service};

use crate::{
    check::{self, refused},
    peers::Peer,
    sample::{Claims, ISSUER},
    scheme::{Public, Scheme},
    versions::Lock,
};

pub(super) fn peer(scheme: &Scheme, lock: &Lock) -> Peer {
    let authorizer: AuthorizerBuilder<Claims> = match (&scheme.public, scheme.algorithm) {
        (Public::Secret(secret), _) => JwtAuthorizer::from_secret(secret),
        (Public::Key { pem, .. }, Algorithm::RS256) => JwtAuthorizer::from_rsa_pem_text(pem),
        (Public::Key { pem, .. }, Algorithm::ES256) => JwtAuthorizer::from_ec_pem_text(pem),
        (Public::Key { pem, .. }, _) => JwtAuthorizer::from_ed_pem_text(pem),
    };
    let authorizer = authorizer.validation(Validation::new().iss(&[ISSUER]));
    let layer = settle(authorizer.build()).expect("a key of the scheme's own algorithm").into_layer();
    Peer {
        name: format!("jwt-authorizer {}", lock.version("jwt-authorizer")),
        built_with: format!(
            "jsonwebtoken {}, ring {}",
            lock.used_by("jwt-authorizer", "jsonwebtoken"),
            lock.version("ring"),
        ),
        refuses_revoked: false,
        caches: false,
        note: "its future is boxed by its own design",
        check: Box::new(check::service(layer.layer(Convertible(Bare)), |Answered(response)| response.status())),
    }
}

/// [`Bare`], with responses that the peer's rejections convert to: its own conversion is to a body
/// of an older axum.
#[derive(Clone)]
struct Convertible(Bare);

struct Answered(Response<Body>);

impl Service<Request<Body>> for Convertible {
    type Response = Answered;
    type Error = Infallible;
    type Future = Ready<Result<Answered, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(self.0.call(request).into_inner().map(Answered))
    }
}

impl From<AuthError> for Answered {
    fn from(_: AuthError) -> Self {
        Self(refused())
    }
}
