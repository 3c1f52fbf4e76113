//! An algorithm, its keys in the format of each library, and the tokens that it signs.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{self, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};

use crate::sample::{Claims, ISSUER, KEY_ID, Sample};

pub(crate) struct Scheme {
    pub(crate) name: &'static str,
    pub(crate) algorithm: Algorithm,
    pub(crate) public: Public,
    signing: EncodingKey,
}

/// The public key or the secret.
pub(crate) enum Public {
    Secret(&'static str),
    Key {
        pem: String,
        /// In the format of the algorithm's standard: a PKCS #1 document, a point, 32 bytes.
        raw: Vec<u8>,
    },
}

impl Scheme {
    pub(crate) fn hs256() -> Self {
        Self {
            name: "HS256",
            algorithm: Algorithm::HS256,
            public: Public::Secret(SECRET),
            signing: EncodingKey::from_secret(SECRET.as_bytes()),
        }
    }

    pub(crate) fn rs256() -> Self {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key of 2048 bits");
        let private: Pkcs8V1Der<'_> = pair.as_der().expect("a key in PKCS #8");
        let signing = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes());
        Self {
            name: "RS256",
            algorithm: Algorithm::RS256,
            public: Public::of(pair.public_key()),
            signing: signing.expect("an RSA key"),
        }
    }

    pub(crate) fn es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key on P-256");
        let private = pair.to_pkcs8v1().expect("a key in PKCS #8");
        let signing = EncodingKey::from_ec_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes());
        Self {
            name: "ES256",
            algorithm: Algorithm::ES256,
            public: Public::of(pair.public_key()),
            signing: signing.expect("an EC key"),
        }
    }

    pub(crate) fn eddsa() -> Self {
        let pair = Ed25519KeyPair::generate().expect("an Ed25519 key");
        let private = pair.to_pkcs8v1().expect("a key in PKCS #8");
        let signing = EncodingKey::from_ed_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes());
        Self {
            name: "EdDSA",
            algorithm: Algorithm::EdDSA,
            public: Public::of(pair.public_key()),
            signing: signing.expect("an Ed25519 key"),
        }
    }

    /// Tokens of this many users, with a lifetime of this many seconds from now.
    pub(crate) fn tokens(&self, count: usize, expires_in: i64) -> Vec<Sample> {
        (0..count).map(|user| self.token(user, expires_in)).collect()
    }

    pub(crate) fn token(&self, user: usize, expires_in: i64) -> Sample {
        let now = jsonwebtoken::get_current_timestamp();
        let exp = now.saturating_add_signed(expires_in);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: format!("usr_{user:06}"),
            sid: format!("ses_{user:06}"),
            jti: token_id(user),
            iat: exp.min(now) - 60,
            exp,
        };
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(self.algorithm) };
        Sample::new(jsonwebtoken::encode(&header, &claims, &self.signing).expect("claims that can be signed"))
    }

    /// The public key as a JSON Web Key Set.
    pub(crate) fn jwks(&self) -> String {
        let mut key = Jwk::from_encoding_key(&self.signing, self.algorithm).expect("a key with a public part");
        key.common.key_id = Some(KEY_ID.to_owned());
        serde_json::json!({ "keys": [key] }).to_string()
    }
}

impl Public {
    fn of<K>(key: &K) -> Self
    where
        K: AsRef<[u8]> + AsDer<PublicKeyX509Der<'static>>,
    {
        let spki = key.as_der().expect("a public key can be written");
        Self::Key { pem: pem("PUBLIC KEY", spki.as_ref()), raw: key.as_ref().to_vec() }
    }
}

/// The `jti` of a user's token.
pub(crate) fn token_id(user: usize) -> String {
    format!("3f0c7a52-8d29-4b7e-9c1f-{user:012}")
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

const SECRET: &str = "a secret that everybody may know, of more than 32 bytes";
