//! Revocations and the keys they apply to.
//!
//! > A **revocation** says: tokens that carry this **key** and were issued **through** this instant
//! > are revoked, and that must be remembered **until** this time.
//!
//! Logging out, logging out everywhere, ending a session, blocking a client and revoking all tokens
//! after a key has leaked are the same mechanism with different [keys](RevocationKey).

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
