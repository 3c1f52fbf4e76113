//! What can be said against a token, and how long it must be remembered.
//!
//! > A **revocation** says: tokens that carry this **key** and were issued **through** this instant are dead, and we
//! > must remember that **until** this time.
//!
//! "Log out", "log out everywhere", "end this session", "block this client" and "a key leaked, end everything" are one
//! mechanism with different [keys](RevocationKey).

mod identity;
mod key;
mod outcome;
mod retention;

pub use identity::TokenIdentity;
pub use key::{KeyKind, RevocationKey};
pub use outcome::Outcome;
pub use retention::Retention;

use crate::clock::Timestamp;

/// Says that tokens which carry a key and were issued through an instant are dead, and until when to remember it.
///
/// Revocations of one key [join](Self::join) by maximum, member by member. That is commutative, associative and idempotent, so
/// the order and the repetition of messages do not matter, and nothing un-revokes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Revocation {
    key: RevocationKey,
    issued_through: Timestamp,
    retain_until: Timestamp,
}

impl Revocation {
    /// Revokes the tokens that carry `key` and have `issued_at <= issued_through`, and is remembered until `retain_until`.
    ///
    /// [`Retention`] computes `retain_until`; [`Revoker`](crate::Revoker) makes whole revocations.
    #[must_use]
    pub const fn new(key: RevocationKey, issued_through: Timestamp, retain_until: Timestamp) -> Self {
        Self { key, issued_through, retain_until }
    }

    /// Revokes one token, whenever it was issued.
    #[must_use]
    pub fn of_token(token: &TokenIdentity) -> Self {
        Self::new(token.own_key(), Timestamp::MAX, token.retain_until())
    }

    /// The key whose tokens are dead.
    #[must_use]
    pub const fn key(&self) -> RevocationKey {
        self.key
    }

    /// Tokens issued at this instant or before are dead.
    #[must_use]
    pub const fn issued_through(&self) -> Timestamp {
        self.issued_through
    }

    /// When no token that this revocation concerns can be accepted any more, and it may be forgotten.
    #[must_use]
    pub const fn retain_until(&self) -> Timestamp {
        self.retain_until
    }

    /// The least revocation that says all that either says, or `None` if the keys differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::{Revocation, RevocationKey, Timestamp};
    ///
    /// let at = Timestamp::from_unix_seconds;
    /// let key = RevocationKey::subject("https://matar.app", "usr_123");
    /// let joined = Revocation::new(key, at(10), at(90)).join(&Revocation::new(key, at(20), at(80)));
    /// assert_eq!(joined, Some(Revocation::new(key, at(20), at(90))));
    /// ```
    #[must_use]
    pub fn join(&self, other: &Self) -> Option<Self> {
        (self.key == other.key).then(|| Self {
            key: self.key,
            issued_through: self.issued_through.max(other.issued_through),
            retain_until: self.retain_until.max(other.retain_until),
        })
    }
}
