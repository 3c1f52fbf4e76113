//! A provider that sends global revocations, and an endpoint for it.

use std::future::ready;

use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, bearer, claims_with, clock, hs256, sign, verifier};
use tower_logout::{
    Logout, RevocationStore,
    endpoint::{GlobalRevocation, GlobalRevocationAuth, GlobalRevocationBuilder},
    token::jwt::{self, Issuer, Key},
};

use crate::support::{Reply, send};

pub(super) use crate::support::changed;

pub(super) const OKTA: &str = "https://acme.okta.example";
pub(super) const APP: &str = "0oa1b2c3";
pub(super) const URL: &str = "https://api.example/global-token-revocation";
pub(super) const SECRET: &str = "a-secret-of-the-operators";
const OKTA_SECRET: &[u8] = b"another secret, of the provider.";

pub(super) fn okta() -> Issuer {
    Issuer::keys(OKTA, Key::secret(jwt::Algorithm::HS256, OKTA_SECRET).unwrap())
}

pub(super) fn logout(store: impl RevocationStore) -> Logout {
    Logout::new(verifier(&clock()), store)
}

pub(super) fn signed_jwt() -> GlobalRevocationAuth {
    GlobalRevocationAuth::signed_jwt(okta(), APP, URL)
}

/// By signed tokens and by a secret.
pub(super) fn builder(logout: &Logout) -> GlobalRevocationBuilder {
    logout.global_revocation(signed_jwt().or(GlobalRevocationAuth::bearer(SECRET)))
}

pub(super) fn endpoint(logout: &Logout) -> GlobalRevocation {
    builder(logout).build().unwrap()
}

/// The claims that Okta sends at [`NOW`].
pub(super) fn assertion_claims(jti: &str) -> Value {
    json!({
        "jti": jti, "iss": OKTA, "sub": APP, "aud": URL,
        "iat": NOW, "nbf": NOW - 300, "exp": NOW + 300,
    })
}

pub(super) fn header() -> Value {
    json!({ "alg": "HS256", "typ": "global-token-revocation+jwt" })
}

pub(super) fn signed(header: &Value, claims: &Value) -> String {
    sign(header, claims, Algorithm::HS256, &EncodingKey::from_secret(OKTA_SECRET).unwrap())
}

pub(super) fn assertion(jti: &str) -> String {
    signed(&header(), &assertion_claims(jti))
}

/// An assertion with some claims replaced, or removed where they are `null`.
pub(super) fn assertion_with(changes: &Value) -> String {
    signed(&header(), &changed(assertion_claims("changed"), changes))
}

pub(super) fn iss_sub(sub: &str) -> Value {
    json!({ "format": "iss_sub", "iss": ISSUER, "sub": sub })
}

pub(super) fn document(sub_id: &Value) -> String {
    json!({ "sub_id": sub_id }).to_string()
}

/// The request of a provider, with this bearer token.
pub(super) fn request(token: &str, body: impl Into<String>) -> Request<String> {
    Request::post("/global-token-revocation")
        .header("authorization", bearer(token))
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

/// Names a subject, with this bearer token.
pub(super) async fn revoke(service: &GlobalRevocation, token: &str, sub_id: &Value) -> Reply {
    send(service, request(token, document(sub_id))).await
}

/// An access token of a subject that was issued then.
pub(super) fn access_token(sub: &str, iat: u64) -> String {
    hs256(&claims_with(&format!("{sub}-{iat}"), json!({ "sub": sub, "sid": null, "iat": iat, "exp": iat + 900 })))
}

/// A closure that resolves every subject so.
pub(super) fn resolves_to<T: Clone + Send + Sync + 'static, E: Send + 'static>(
    answer: impl Fn() -> Result<T, E> + Send + Sync + 'static,
) -> impl Fn(tower_logout::endpoint::SubjectIdentifier) -> std::future::Ready<Result<T, E>> + Send + Sync + 'static {
    move |_| ready(answer())
}
