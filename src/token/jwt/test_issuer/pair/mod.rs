//! Key pairs of the crypto library that the features of this crate select.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(not(feature = "aws-lc-rs"))]
mod rust_crypto;

#[cfg(feature = "aws-lc-rs")]
pub(super) use aws_lc::Pair;
#[cfg(not(feature = "aws-lc-rs"))]
pub(super) use rust_crypto::Pair;
