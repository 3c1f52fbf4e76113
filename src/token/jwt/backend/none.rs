//! No signature checks: neither `aws-lc-rs` nor `rust-crypto` is enabled.

use std::convert::Infallible;

use crate::token::jwt::{Algorithm, KeyError, public_key::PublicKey};

/// A key that cannot exist.
#[derive(Clone)]
pub(in crate::token::jwt) struct PreparedKey(Infallible);

impl PreparedKey {
    pub(in crate::token::jwt) fn secret(_: &[Algorithm], _: &[u8]) -> Result<Self, KeyError> {
        Err(KeyError::NoBackend)
    }

    pub(in crate::token::jwt) fn public(_: &[Algorithm], _: &PublicKey) -> Result<Self, KeyError> {
        Err(KeyError::NoBackend)
    }

    pub(in crate::token::jwt) fn verify(&self, _: Algorithm, _: &[u8], _: &[u8]) -> bool {
        match self.0 {}
    }
}
