use std::{fmt, sync::Arc};

use crate::{
    clock::{Clock, Timestamp},
    revocation::{Outcome, Revocation},
};

/// Result of a revocation: what was revoked, whether that is new, and from when new logins are
/// unaffected.
#[derive(Clone)]
pub struct Receipt {
    revocation: Revocation,
    outcome: Outcome,
    clock: Arc<dyn Clock>,
}

impl Receipt {
    pub(super) fn new(revocation: Revocation, outcome: Outcome, clock: Arc<dyn Clock>) -> Self {
        Self { revocation, outcome, clock }
    }

    /// Returns whether the revocation covers tokens that were not revoked by this key before.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the revocation that the store has accepted.
    #[must_use]
    pub const fn revocation(&self) -> &Revocation {
        &self.revocation
    }

    /// Returns the first instant at which a newly issued token is unaffected by this revocation, or
    /// `None` for the revocation of a single token.
    #[must_use]
    pub fn settles_at(&self) -> Option<Timestamp> {
        let issued_through = self.revocation.issued_through();
        (issued_through < Timestamp::MAX).then(|| issued_through.next_second())
    }

    /// Waits until a newly issued token is unaffected by this revocation: less than a second,
    /// unless [`issuer_clock_ahead`](crate::Logout::issuer_clock_ahead) is set. Returns at once for
    /// the revocation of a single token.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a Tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect. The revocation is in force in any case.
    ///
    /// # Examples
    ///
    /// Log a user out on all other devices, and issue a new, unaffected token to the caller:
    ///
    /// ```
    /// use tower_logout::{Revoker, revoker::RevokeError};
    ///
    /// # fn issue_token(user: &str) -> String { String::new() }
    /// async fn log_out_elsewhere(revoker: &Revoker, user: &str) -> Result<String, RevokeError> {
    ///     revoker.user(user).await?.settled().await;
    ///     Ok(issue_token(user))
    /// }
    /// ```
    pub async fn settled(&self) {
        if let Some(settles_at) = self.settles_at() {
            self.clock.sleep_until(settles_at).await;
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("revocation", &self.revocation)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
