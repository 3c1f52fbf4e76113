//! A verifier for HS256, and why it rejects a token.

use jsonwebtoken::EncodingKey;
use test_support::SECRET;
use tower_logout::{
    JwtVerifier,
    clock::ManualClock,
    token::{
        TokenVerifier, VerifyError,
        jwt::{InvalidToken, JwtVerifierBuilder},
    },
};

pub(super) fn secret() -> EncodingKey {
    EncodingKey::from_secret(SECRET).unwrap()
}

pub(super) fn builder(clock: &ManualClock) -> JwtVerifierBuilder {
    JwtVerifier::hs256(SECRET).clock(clock.clone())
}

/// Why the token is rejected, or `None`.
pub(super) fn rejection(verifier: &impl TokenVerifier, token: &str) -> Option<InvalidToken> {
    match verifier.verify_now(token).unwrap() {
        Ok(_) => None,
        Err(VerifyError::Invalid(reason)) => Some(*reason.downcast_ref().unwrap()),
        Err(error) => panic!("{error}"),
    }
}
