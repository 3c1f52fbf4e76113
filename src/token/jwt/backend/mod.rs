//! Signature checks with the crypto library that the features of this crate select.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod none;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
mod rust_crypto;

#[cfg(feature = "aws-lc-rs")]
pub(super) use aws_lc::PreparedKey;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub(super) use none::PreparedKey;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
pub(super) use rust_crypto::PreparedKey;
