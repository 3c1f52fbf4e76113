//! [`Revocation`]: the tokens that are revoked, and how long that is retained.

use crate::{
    clock::Timestamp,
    revocation::{RevocationKey, TokenIdentity},
};

/// A revocation of all tokens that carry a key and were issued at or before an instant.
///
/// Revocations of the same key are combined by [`join`](Self::join), which takes the later value of
/// each instant. Joining is commutative, associative and idempotent: revocations may arrive
/// repeatedly and in any order, and a revoked token never becomes valid again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Revocation {
    key: RevocationKey,
    issued_through: Timestamp,
    retain_until: Timestamp,
}

impl Revocation {
    /// Creates the revocation of all tokens that carry `key` and have `issued_at <=
    /// issued_through`. It must be retained until `retain_until`.
    ///
    /// [`Retention`](crate::revocation::Retention) computes `retain_until`;
    /// [`Revoker`](crate::Revoker) creates complete revocations.
    #[must_use]
    pub const fn new(key: RevocationKey, issued_through: Timestamp, retain_until: Timestamp) -> Self {
        Self { key, issued_through, retain_until }
    }

    /// Creates the revocation of a single token.
    #[must_use]
    pub fn of_token(token: &TokenIdentity) -> Self {
        Self::new(token.own_key(), Timestamp::MAX, token.retain_until())
    }

    /// Returns the key whose tokens are revoked.
    #[must_use]
    pub const fn key(&self) -> RevocationKey {
        self.key
    }

    /// Returns the latest issue time that is covered: tokens issued then or earlier are revoked.
    #[must_use]
    pub const fn issued_through(&self) -> Timestamp {
        self.issued_through
    }

    /// Returns the instant from which the revocation may be removed, because no verifier accepts
    /// any of its tokens any more.
    #[must_use]
    pub const fn retain_until(&self) -> Timestamp {
        self.retain_until
    }

    /// Returns the smallest revocation that covers all tokens of both, or `None` if the keys
    /// differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::{clock::Timestamp, revocation::{Revocation, RevocationKey}};
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
