//! An API with the endpoint, and a provider that signs logout tokens with its secret.
#![expect(clippy::needless_pass_by_value, reason = "claims are written in the call")]

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, SECRET, bearer, clock, hand::HandStore, hs256, sign};
use tower::{Service, ServiceExt};
use tower_logout::{
    Logout, RevocationStore,
    clock::ManualClock,
    endpoint::{BackchannelLogout, BackchannelLogoutBuilder},
    respond::Rejection,
    revocation::{Revocation, RevocationKey},
};

/// The client whose logout tokens are accepted.
pub(super) const CLIENT: &str = "shop";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a logout token of a session and its user, issued [`NOW`] and valid for two minutes,
/// with some replaced, or removed where they are `null`.
pub(super) fn claims_with(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": CLIENT, "iat": NOW, "exp": NOW + 120, "jti": "logout-1", "sub": "usr_123", "sid": "ses_1",
        "events": { EVENT: {} },
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub(super) fn logout_token(changes: Value) -> String {
    signed(&json!({ "alg": "HS256", "typ": "logout+jwt" }), &claims_with(changes))
}

/// A logout token with any header and claims, signed by the provider.
pub(super) fn signed(header: &Value, claims: &Value) -> String {
    sign(header, claims, Algorithm::HS256, &EncodingKey::from_secret(SECRET).unwrap())
}

/// An access token of a session, with some claims replaced or removed.
pub(super) fn access_token(jti: &str, changes: Value) -> String {
    hs256(&test_support::claims_with(jti, changes))
}

/// An API whose verifier accepts the tokens of [`ISSUER`].
pub(super) struct Api {
    pub(super) logout: Logout,
    pub(super) clock: ManualClock,
    pub(super) store: HandStore,
}

impl Api {
    pub(super) fn new() -> Self {
        let (clock, store) = (clock(), HandStore::new());
        let logout = Logout::new(test_support::verifier(&clock), store.clone());
        Self { logout, clock, store }
    }

    /// The endpoint, with these settings.
    pub(super) fn endpoint(
        &self,
        settings: impl FnOnce(BackchannelLogoutBuilder) -> BackchannelLogoutBuilder,
    ) -> BackchannelLogout {
        settings(self.logout.backchannel(CLIENT)).build().unwrap()
    }

    pub(super) fn service(&self) -> BackchannelLogout {
        self.endpoint(|builder| builder)
    }

    pub(super) async fn check(&self, token: &str) -> Result<(), Rejection> {
        check(&self.logout, token).await
    }

    /// What the store was told to revoke or to remember.
    pub(super) fn stored(&self) -> Vec<Revocation> {
        self.store.revocations()
    }

    pub(super) fn stored_keys(&self) -> Vec<RevocationKey> {
        self.stored().iter().map(Revocation::key).collect()
    }
}

pub(super) async fn check<C: Send + Sync + 'static>(logout: &Logout<C>, token: &str) -> Result<(), Rejection> {
    let request = Request::get("/").header("authorization", bearer(token)).body(()).unwrap();
    logout.check((&request).into()).await.map(drop)
}

/// A response of the endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(super) async fn send<S, B, R>(service: &S, request: Request<B>) -> Answer
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone,
    R: Body,
    R::Error: std::fmt::Debug,
{
    let (parts, body) = service.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// A request with this form as its body.
pub(super) fn form(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(Method::POST).uri("/backchannel-logout").header(CONTENT_TYPE, FORM);
    request.body(Full::new(body.into())).unwrap()
}

/// Delivers a logout token as a provider does.
pub(super) async fn deliver(service: &BackchannelLogout, token: &str) -> Answer {
    send(service, form(format!("logout_token={token}"))).await
}

/// Delivers a logout token and returns the status.
pub(super) async fn status(service: &BackchannelLogout, token: &str) -> u16 {
    deliver(service, token).await.status
}

/// A node over this store, which others may share.
pub(super) fn node(store: impl RevocationStore, clock: &ManualClock) -> Logout {
    Logout::new(test_support::verifier(clock), store)
}
