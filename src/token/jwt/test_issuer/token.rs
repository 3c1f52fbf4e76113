//! Tokens of a test issuer.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value};

use super::keys::SigningKey;
use crate::clock::Timestamp;

pub(super) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("it can be serialized as JSON")
}

/// The claims with those that every access token has.
pub(super) fn complete(claims: &impl Serialize, issuer: &str, now: Timestamp) -> Value {
    let Value::Object(mut claims) = json(claims) else { panic!("the claims of a token are a JSON object") };
    let now = now.as_unix_millis() / 1000;
    add(&mut claims, "iss", issuer);
    add(&mut claims, "iat", now);
    add(&mut claims, "exp", now + LIFETIME.as_secs());
    // Of two tokens with the same claims in the same second, a logout must not end both.
    add(&mut claims, "jti", NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    Value::Object(claims)
}

fn add(claims: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    claims.entry(name).or_insert_with(|| value.into());
}

/// A JWS in its compact form (RFC 7515, section 7.1).
pub(super) fn signed(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let input = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// The number that is the next `jti`.
static NEXT: AtomicU64 = AtomicU64::new(1);

const LIFETIME: Duration = Duration::from_secs(600);
