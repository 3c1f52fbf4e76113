use std::fmt;

use crate::{
    revocation::{Outcome, Revocation},
    revoker::{Source, source::Attribution},
};

/// A revocation that a store has accepted, with its source, and who has revoked and why: what the
/// hook of [`Logout::on_revoked`](crate::Logout::on_revoked) gets.
///
/// It has no claim of a token. The [key](Revocation::key) identifies the session, subject or token:
/// to recognize one, compare it with a [`RevocationKey`](crate::revocation::RevocationKey) that you
/// make from a name.
#[derive(Clone)]
pub struct Revoked {
    revocation: Revocation,
    outcome: Outcome,
    attribution: Attribution,
}

impl Revoked {
    pub(super) const fn new(revocation: Revocation, outcome: Outcome, attribution: Attribution) -> Self {
        Self { revocation, outcome, attribution }
    }

    /// Returns the revocation.
    #[must_use]
    pub const fn revocation(&self) -> &Revocation {
        &self.revocation
    }

    /// Returns whether it covers tokens that were not revoked by this key before.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns where it comes from.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.attribution.source
    }

    /// Returns who has revoked, as [`Revoker::by`](crate::Revoker::by) was told. Of a security
    /// event, it is the initiating entity: `admin`, `user`, `policy` or `system`.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.attribution.actor.as_deref()
    }

    /// Returns why, as [`Revoker::because`](crate::Revoker::because) was told. Of a security event,
    /// it is the name of the event's type.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.attribution.reason.as_deref()
    }
}

impl fmt::Debug for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revocation, outcome, attribution } = self;
        f.debug_struct("Revoked")
            .field("revocation", revocation)
            .field("outcome", outcome)
            .field("source", &attribution.source)
            .field("actor", &attribution.actor)
            .field("reason", &attribution.reason)
            .finish()
    }
}
