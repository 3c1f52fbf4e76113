//! A provider in memory, which publishes what a test says, and counts who asks. Tests run in
//! virtual time: nothing waits but the tests' own timers.

use std::{
    collections::HashMap,
    future,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use serde_json::{Value, json};
use test_support::{bearer, claims_with, clock, memory};
use tower_logout::{
    JwtVerifier, Logout,
    fetch::Fetch,
    respond::Rejection,
    token::jwt::{Issuer, JwtVerifierBuilder},
};

pub(super) const IDP: &str = "https://idp.example";
pub(super) const JWKS: &str = "https://idp.example/jwks";
pub(super) const METADATA: &str = "https://idp.example/.well-known/openid-configuration";

/// A signing key with a `kid`.
pub(super) struct SigningKey {
    kid: Option<String>,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    pub(super) fn new(kid: &str) -> Self {
        Self { kid: Some(kid.to_owned()), ..Self::without_kid() }
    }

    pub(super) fn without_kid() -> Self {
        Self { kid: None, pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    pub(super) fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let mut jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        if let Some(kid) = &self.kid {
            jwk["kid"] = kid.as_str().into();
        }
        jwk
    }

    /// A token of this issuer.
    pub(super) fn token(&self, issuer: &str, jti: &str) -> String {
        self.token_with(issuer, jti, &json!({}))
    }

    /// A token of this issuer with these members in its header.
    pub(super) fn token_with(&self, issuer: &str, jti: &str, header: &Value) -> String {
        let mut all = json!({ "alg": "ES256" });
        if let Some(kid) = &self.kid {
            all["kid"] = kid.as_str().into();
        }
        all.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        let claims = claims_with(jti, json!({ "iss": issuer }));
        let input =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(all.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(super) fn key_set<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> String {
    json!({ "keys": keys.into_iter().map(SigningKey::jwk).collect::<Vec<_>>() }).to_string()
}

pub(super) fn metadata(issuer: &str, jwks_uri: &str) -> String {
    json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string()
}

/// What is answered at an address.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    /// `None` never answers.
    pub(super) after: Option<Duration>,
}

impl Answer {
    pub(super) fn ok(body: impl Into<String>) -> Self {
        Self::status(200, body)
    }

    pub(super) fn status(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), after: Some(Duration::ZERO) }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn after(self, delay: Duration) -> Self {
        Self { after: Some(delay), ..self }
    }

    pub(super) fn never() -> Self {
        Self { after: None, ..Self::ok("") }
    }
}

/// A provider, or several: what is published at each address. An address at which nothing is
/// published refuses connections.
#[derive(Clone, Default)]
pub(super) struct Provider(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    requests: Vec<String>,
}

impl Provider {
    /// A provider with these keys, at `JWKS`.
    pub(super) fn with_keys<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Self {
        let provider = Self::default();
        provider.publish(JWKS, Answer::ok(key_set(keys)));
        provider
    }

    pub(super) fn publish(&self, address: &str, answer: Answer) {
        self.0.lock().unwrap().answers.insert(address.to_owned(), answer);
    }

    pub(super) fn publish_keys<'a>(&self, keys: impl IntoIterator<Item = &'a SigningKey>) {
        self.publish(JWKS, Answer::ok(key_set(keys)));
    }

    /// Refuses all connections from now on.
    pub(super) fn shut_down(&self) {
        self.0.lock().unwrap().answers.clear();
    }

    /// The addresses that were asked for, in their order, since the last call.
    pub(super) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }

    pub(super) fn client(&self) -> impl Fetch + use<> {
        let state = Arc::clone(&self.0);
        move |request: Request<Bytes>| {
            let address = request.uri().to_string();
            let answer = {
                let mut state = state.lock().unwrap();
                state.requests.push(address.clone());
                state.answers.get(&address).cloned()
            };
            async move {
                let Some(answer) = answer else { return Err(std::io::Error::other("connection refused")) };
                match answer.after {
                    Some(delay) => tokio::time::sleep(delay).await,
                    None => future::pending().await,
                }
                let mut response = Response::new(Full::<Bytes>::from(answer.body));
                *response.status_mut() = answer.status.try_into().unwrap();
                for (name, value) in answer.headers {
                    response
                        .headers_mut()
                        .insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
                }
                Ok(response)
            }
        }
    }

    /// A verifier of the tokens of `IDP`, whose keys are at `JWKS`.
    pub(super) fn builder(&self) -> JwtVerifierBuilder {
        JwtVerifier::issuers([Issuer::jwks(IDP, JWKS)]).fetch_with(self.client()).clock(clock())
    }
}

/// A guard with this verifier and the default settings.
pub(super) fn guard(verifier: &JwtVerifier) -> Logout {
    Logout::new(verifier.clone(), memory())
}

/// The result of a request with this token.
pub(super) async fn check(logout: &Logout, token: &str) -> Result<(), Rejection> {
    let request = Request::get("/").header(AUTHORIZATION, bearer(token)).body(()).unwrap();
    logout.check((&request).into()).await.map(drop)
}

/// The result of a request with this token, which must not wait.
pub(super) fn check_now(logout: &Logout, token: &str) -> Result<(), Rejection> {
    check(logout, token).now_or_never().expect("the check does not wait")
}

/// Lets the tasks of this runtime run until all of them wait for time to pass.
pub(super) async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// Advances virtual time in steps of a second or less, so that timers fire in their order.
pub(super) async fn pass(duration: Duration) {
    let steps = u32::try_from(duration.as_secs()).unwrap().max(64);
    for _ in 0..steps {
        tokio::time::advance(duration / steps).await;
        settle().await;
    }
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
