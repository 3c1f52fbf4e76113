//! Revocations and the keys they apply to.
//!
//! A [`Revocation`] consists of a [key](RevocationKey), an issue time and a retention limit. Every
//! > token that carries the key and was issued at or before that time is revoked, and the
//! > revocation is retained until the limit.
//!
//! Logging out, logging out everywhere, ending a session, blocking a client and revoking all tokens
//! after a key has leaked use this one mechanism with different keys.
//!
//! The issuer `https://matar.app` in the examples is explained in
//! [`endpoint`](crate::endpoint#matar).

mod entry;
mod hash;
mod identity;
mod invalid_key;
mod key;
mod kind;
mod outcome;
mod retention;
mod revocable;
#[cfg(feature = "serde")]
mod serial;

pub use entry::Revocation;
pub use identity::TokenIdentity;
pub use invalid_key::InvalidRevocationKey;
pub use key::RevocationKey;
pub use kind::KeyKind;
pub use outcome::Outcome;
pub use retention::Retention;
pub use revocable::Revocable;
