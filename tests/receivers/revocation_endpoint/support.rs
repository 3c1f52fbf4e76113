//! A service that issues access tokens and refresh tokens, and its clients.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Request};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, SECRET, claims_with, clock, hs256, sign, verifier};
use tower_logout::{
    JwtVerifier, Logout, RevocationStore,
    clock::ManualClock,
    endpoint::{ClientCredentials, ClientRequest, RevocationEndpoint},
};

use crate::support::{Reply, changed, send};

pub(super) const APP: &str = "app";
pub(super) const APP_SECRET: &str = "s&cret of the app";

/// Verifies access tokens (type `JWT`) and refresh tokens (type `rt+jwt`), both of this clock.
pub(super) fn logout_at(clock: &ManualClock, store: impl RevocationStore) -> Logout {
    let refresh = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock.clone()).typ("rt+jwt");
    Logout::new(verifier(clock), store).refresh_tokens(refresh.build().unwrap())
}

pub(super) fn logout(store: impl RevocationStore) -> Logout {
    logout_at(&clock(), store)
}

/// The clients are `app`, with a secret, and `spa`, which is public. Of `down`, nothing is known.
pub(super) fn endpoint(logout: &Logout) -> RevocationEndpoint {
    logout.revocation_endpoint(async |request: ClientRequest| {
        let credentials = &request.credentials;
        Ok(match (credentials, credentials.client_id()) {
            (_, Some("down")) => return Err("the directory of clients is down".into()),
            (ClientCredentials::Id { .. }, Some("spa" | "other")) => credentials.client_id().map(str::to_owned),
            (_, Some(APP)) if credentials.has_secret(APP_SECRET) => Some(APP.to_owned()),
            (ClientCredentials::None, None) if request.head.headers.contains_key("x-certificate") => {
                Some("by-certificate".to_owned())
            }
            _ => None,
        })
    })
}

/// An access token of a client, with some claims replaced.
pub(super) fn access_token(jti: &str, changes: &Value) -> String {
    hs256(&claims(jti, changes))
}

pub(super) fn refresh_token(jti: &str, changes: &Value) -> String {
    let header = json!({ "alg": "HS256", "typ": "rt+jwt" });
    let claims = claims(jti, &json!({ "exp": NOW + 100_000 }));
    let claims = changed(claims, changes);
    sign(&header, &claims, Algorithm::HS256, &EncodingKey::from_secret(SECRET).unwrap())
}

fn claims(jti: &str, changes: &Value) -> Value {
    changed(claims_with(jti, json!({ "client_id": APP })), changes)
}

pub(super) fn request(form: &str) -> Request<String> {
    Request::post("/oauth/revoke")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned())
        .unwrap()
}

/// The request of `app` about a token, with more parameters.
pub(super) fn request_of_app(token: &str, more: &str) -> Request<String> {
    let mut request = request(&format!("token={token}{more}"));
    request.headers_mut().insert("authorization", basic("app", "s%26cret+of+the+app"));
    request
}

/// `app` revokes a token.
pub(super) async fn revoke(service: &RevocationEndpoint, token: &str) -> Reply {
    send(service, request_of_app(token, "")).await
}

/// The value of the header `Authorization`. Both parts are encoded already.
pub(super) fn basic(id: &str, secret: &str) -> HeaderValue {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))).parse().unwrap()
}
