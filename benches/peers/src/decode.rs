//! The arguments of `jsonwebtoken::decode`.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use crate::{
    sample::ISSUER,
    scheme::{Public, Scheme},
};

pub(crate) fn decoding_key(scheme: &Scheme) -> DecodingKey {
    let key = match (&scheme.public, scheme.algorithm) {
        (Public::Secret(secret), _) => Ok(DecodingKey::from_secret(secret.as_bytes())),
        (Public::Key { pem, .. }, Algorithm::RS256) => DecodingKey::from_rsa_pem(pem.as_bytes()),
        (Public::Key { pem, .. }, Algorithm::ES256) => DecodingKey::from_ec_pem(pem.as_bytes()),
        (Public::Key { pem, .. }, _) => DecodingKey::from_ed_pem(pem.as_bytes()),
    };
    key.expect("a key of the scheme's own algorithm")
}

pub(crate) fn validation(scheme: &Scheme) -> Validation {
    let mut validation = Validation::new(scheme.algorithm);
    validation.set_issuer(&[ISSUER]);
    validation
}
