//! Tokens that tests sign themselves, and clocks that tests move.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::aws_lc};
use serde_json::{Value, json};
use tower_logout::{
    Claims, JwtVerifier, MemoryStore,
    clock::{ManualClock, Timestamp},
    revocation::{Retention, RevocationKey, TokenIdentity},
};

pub const SECRET: &[u8] = b"a secret of the tests, 32 bytes.";
pub const ISSUER: &str = "https://issuer.example";

/// The start of the tests' clocks: shortly after Matar's sample token was issued.
pub const NOW: u64 = 1_458_786_000;

pub fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

pub fn clock() -> ManualClock {
    ManualClock::at(at(NOW))
}

/// A store for such tokens. With the system's clock, by which all of them have expired, it could
/// purge the revocation of one and then report every other as revoked.
pub fn memory() -> MemoryStore {
    MemoryStore::new().clock(clock())
}

/// A verifier of `HS256` tokens of [`ISSUER`], with this clock.
pub fn verifier(clock: &ManualClock) -> JwtVerifier<Claims> {
    JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock.clone()).build().unwrap()
}

/// The claims of a valid token of a subject and a session, with a lifetime of 15 minutes from
/// [`NOW`].
pub fn claims(jti: &str) -> Value {
    json!({ "iss": ISSUER, "sub": "usr_123", "sid": "ses_1", "jti": jti, "iat": NOW, "exp": NOW + 900 })
}

/// [`claims`] with some replaced, or removed where they are `null`.
pub fn claims_with(jti: &str, changes: Value) -> Value {
    let mut claims = claims(jti);
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub fn token(jti: &str) -> String {
    hs256(&claims(jti))
}

pub fn hs256(claims: &Value) -> String {
    sign(&json!({ "alg": "HS256", "typ": "JWT" }), claims, Algorithm::HS256, &EncodingKey::from_secret(SECRET).unwrap())
}

/// A token with any header and claims, with a valid signature.
pub fn sign(header: &Value, claims: &Value, algorithm: Algorithm, key: &EncodingKey) -> String {
    sign_text(&header.to_string(), &claims.to_string(), algorithm, key)
}

/// A token of any two texts, with a valid signature.
pub fn sign_text(header: &str, claims: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signer = (aws_lc::DEFAULT_PROVIDER.signer_factory)(&algorithm, key).unwrap();
    let signature = signer.try_sign(input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A token's identity without a token: for tests of stores.
pub fn identity(jti: &str, expires_at: Timestamp) -> TokenIdentity {
    TokenIdentity::new(RevocationKey::token_id(ISSUER, jti), at(NOW), expires_at, &Retention::default())
}

/// Waits until `condition` holds; fails after a minute.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    // In real time: a paused clock does not advance while a task is ready to run.
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "never came: {what}");
        tokio::task::yield_now().await;
    }
}
