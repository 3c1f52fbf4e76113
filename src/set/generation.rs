use std::num::NonZeroU64;

use crate::{clock::Timestamp, revocation::TokenIdentity};

/// Version of a store's revocations: a number that changes with each revocation, and the purge
/// watermark.
///
/// A token that was found not revoked after the number was read stays so while the number does not
/// change, unless the token is so old that its revocation may have been purged. The guard caches
/// the number with each token, and searches for the keys of the token again only when the number
/// has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Generation {
    number: NonZeroU64,
    purged_through: Timestamp,
}

impl Generation {
    /// Creates the version of a store.
    ///
    /// # Contract
    ///
    /// The number changes after a new revocation can be found, and before the call that added it
    /// returns. It never has an earlier value again in the same process. A revocation with a
    /// `retain_until` at or below `purged_through` may have been removed.
    #[must_use]
    pub const fn new(number: NonZeroU64, purged_through: Timestamp) -> Self {
        Self { number, purged_through }
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> NonZeroU64 {
        self.number
    }

    /// Returns the purge watermark.
    #[must_use]
    pub const fn purged_through(self) -> Timestamp {
        self.purged_through
    }

    /// Returns the version of two [sets](crate::set::RevocationSet) together.
    ///
    /// A number is taken, after its revocation can be found, from one counter for all sets of the
    /// process. Whoever sees a number therefore finds every revocation with a smaller one, in
    /// whichever set, and every later revocation has a greater one.
    pub(crate) fn with(self, other: Self) -> Self {
        Self { number: self.number.max(other.number), purged_through: self.purged_through.max(other.purged_through) }
    }

    /// Whether no revocation of the token can have been purged.
    pub(crate) fn retains(self, token: &TokenIdentity) -> bool {
        self.purged_through == Timestamp::MIN || token.retain_until() > self.purged_through
    }
}
