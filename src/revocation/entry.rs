//! [`Revocation`]: which tokens are revoked, and for how long to remember that.

use crate::{
    clock::Timestamp,
    revocation::{RevocationKey, TokenIdentity},
};

/// Revokes the tokens that carry a key and were issued through an instant.
///
/// Revocations of one key [join](Self::join) by maximum, member by member. Joining is commutative,
/// associative and idempotent, so that messages may be reordered and repeated, and nothing is
/// un-revoked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Revocation {
    key: RevocationKey,
    issued_through: Timestamp,
    retain_until: Timestamp,
}

impl Revocation {
    /// Revokes the tokens that carry `key` and have `issued_at <= issued_through`. It must be
    /// remembered until `retain_until`.
    ///
    /// [`Retention`](crate::revocation::Retention) computes `retain_until`;
    /// [`Revoker`](crate::Revoker) makes whole revocations.
    #[must_use]
    pub const fn new(key: RevocationKey, issued_through: Timestamp, retain_until: Timestamp) -> Self {
        Self { key, issued_through, retain_until }
    }

    /// Revokes one token, whenever it was issued.
    #[must_use]
    pub fn of_token(token: &TokenIdentity) -> Self {
        Self::new(token.own_key(), Timestamp::MAX, token.retain_until())
    }

    /// The key whose tokens are revoked.
    #[must_use]
    pub const fn key(&self) -> RevocationKey {
        self.key
    }

    /// The last instant of issue that is covered: tokens issued then or earlier are revoked.
    #[must_use]
    pub const fn issued_through(&self) -> Timestamp {
        self.issued_through
    }

    /// When no token that this revocation covers can be accepted any more, and it may be forgotten.
    #[must_use]
    pub const fn retain_until(&self) -> Timestamp {
        self.retain_until
    }

    /// The least revocation that covers what either covers, or `None` if the keys differ.
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
