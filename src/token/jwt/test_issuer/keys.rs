//! [`Keys`]: the signing keys of a test issuer, published or not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::pair::Pair;
use crate::token::jwt::{Algorithm, public_key::PublicKey};

/// All keys that an issuer has had. The last one signs.
pub(super) struct Keys(Vec<SigningKey>);

pub(super) struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    pair: Pair,
    is_published: bool,
}

impl Keys {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let mut keys = Self(Vec::new());
        keys.add(algorithm);
        keys
    }

    /// Adds a key, which then signs.
    pub(super) fn add(&mut self, algorithm: Algorithm) {
        let kid = format!("key-{}", self.0.len() + 1);
        self.0.push(SigningKey { kid, algorithm, pair: Pair::generate(algorithm), is_published: true });
    }

    /// Whether there was a published key with this `kid`, which is no longer published.
    pub(super) fn withdraw(&mut self, kid: &str) -> bool {
        let key = self.0.iter_mut().find(|key| key.kid == kid && key.is_published);
        key.is_some_and(|key| std::mem::replace(&mut key.is_published, false))
    }

    pub(super) fn withdraw_all(&mut self) {
        self.0.iter_mut().for_each(|key| key.is_published = false);
    }

    pub(super) fn current(&self) -> &SigningKey {
        self.0.last().expect("keys are added, and none is removed")
    }

    pub(super) fn by_kid(&self, kid: &str) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.kid == kid)
    }

    /// The published keys as a JSON Web Key Set.
    pub(super) fn document(&self) -> String {
        let published = self.0.iter().filter(|key| key.is_published);
        json!({ "keys": published.map(SigningKey::jwk).collect::<Vec<_>>() }).to_string()
    }
}

impl SigningKey {
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(self.algorithm, message)
    }

    /// The public key (RFC 7517, and RFC 7518, section 6).
    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode(bytes));
        let on_curve = |crv: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2); // after the byte that says "uncompressed"
            json!({ "kty": "EC", "crv": crv, "x": text(x), "y": text(y) })
        };
        let mut jwk = match self.pair.public() {
            PublicKey::Rsa { n, e } => json!({ "kty": "RSA", "n": text(&n), "e": text(&e) }),
            PublicKey::P256(point) => on_curve("P-256", &point),
            PublicKey::P384(point) => on_curve("P-384", &point),
            PublicKey::P521(point) => on_curve("P-521", &point),
            PublicKey::Ed25519(key) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(&key) }),
        };
        jwk["kid"] = self.kid.as_str().into();
        jwk["alg"] = self.algorithm.to_string().into();
        jwk["use"] = "sig".into();
        jwk
    }
}
