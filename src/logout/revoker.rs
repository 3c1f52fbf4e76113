//! [`Revoker`]: revokes from application code.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, Timestamp},
    observe,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{RevocationStore, StoreError},
};

/// Revokes one token, or all tokens that share a session, a subject, a client, an issuer or a claim.
///
/// All but [`token`](Self::token) revoke what was issued up to now; what is issued later is good again. `iat` has whole seconds, so a token issued
/// later in the same second is refused too: a login that must not be caught waits for [`Receipt::settles_at`], as the ready-made logout service does.
///
/// A token whose issuer's clock runs ahead of ours can bear an `iat` later than now and be left out:
/// [`issuer_clock_ahead`](Self::issuer_clock_ahead) widens the margin.
///
/// # Errors
///
/// Every method is an error if the store could not take the revocation, or did not say so. It may then be tried again: revocations join.
///
/// # Cancel safety
///
/// A dropped future leaves the revocation either written or absent.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::{JwtVerifier, MemoryStore, RevocationLayer};
///
/// let layer = RevocationLayer::new(JwtVerifier::hs256([7; 32]).build()?, MemoryStore::new());
/// let revoker = layer.revoker();
/// revoker.subject("https://matar.app", "usr_123").await?; // log out everywhere
/// revoker.everything().await?; // a key has leaked
/// # Ok(())
/// # }
/// ```
pub struct Revoker<S> {
    store: Arc<S>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    issuer_clock_ahead: Duration,
}

/// What a revocation has done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Receipt {
    revocation: Revocation,
    outcome: Outcome,
}

impl Receipt {
    /// Whether tokens are dead that were not dead by this key before.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What the store was told.
    #[must_use]
    pub const fn revocation(&self) -> &Revocation {
        &self.revocation
    }

    /// When the second of `issued_through` is over: a token issued then or later is not caught. `None` if one token was revoked: no other is
    /// caught.
    #[must_use]
    pub fn settles_at(&self) -> Option<Timestamp> {
        let issued_through = self.revocation.issued_through();
        (issued_through < Timestamp::MAX).then(|| issued_through.next_second())
    }
}

impl<S: RevocationStore> Revoker<S> {
    /// Revokes in this store, with revocations dated by `clock` and remembered for as long as `retention` says.
    ///
    /// Both must be the verifier's; [`RevocationLayer::revoker`](crate::RevocationLayer::revoker) sees to that. Where verifiers share the store, the
    /// retention is that of [both](Self::retain_for).
    #[must_use]
    pub fn new(store: Arc<S>, clock: Arc<dyn Clock>, retention: Retention) -> Self {
        Self { store, clock, retention, issuer_clock_ahead: Duration::ZERO }
    }

    /// Also revokes what was issued up to this much in the future, because an issuer's clock runs ahead or rounds up. Default: zero.
    ///
    /// A login in that time after a revocation is caught too: see [`Receipt::settles_at`].
    #[must_use]
    pub fn issuer_clock_ahead(mut self, ahead: Duration) -> Self {
        self.issuer_clock_ahead = ahead;
        self
    }

    /// Also remembers revocations for as long as another verifier's tokens live that share the store, such as refresh tokens.
    ///
    /// A revocation of a subject or a session ends those too, and must not be forgotten before the longest-lived of them is over.
    #[must_use]
    pub fn retain_for(mut self, retention: &Retention) -> Self {
        self.retention = self.retention.join(retention);
        self
    }

    /// Revokes one token.
    pub async fn token(&self, token: &TokenIdentity) -> Result<Receipt, StoreError> {
        self.revoke(Revocation::of_token(token)).await
    }

    /// Revokes all tokens of a session (`sid`).
    pub async fn session<'a>(&self, issuer: impl Into<Option<&'a str>>, sid: &str) -> Result<Receipt, StoreError> {
        self.issued_until_now(RevocationKey::session(issuer, sid)).await
    }

    /// Revokes all tokens of a subject (`sub`): logs out everywhere.
    pub async fn subject<'a>(&self, issuer: impl Into<Option<&'a str>>, sub: &str) -> Result<Receipt, StoreError> {
        self.issued_until_now(RevocationKey::subject(issuer, sub)).await
    }

    /// Revokes all tokens of a client (`client_id` or `azp`).
    pub async fn client<'a>(&self, issuer: impl Into<Option<&'a str>>, client_id: &str) -> Result<Receipt, StoreError> {
        self.issued_until_now(RevocationKey::client(issuer, client_id)).await
    }

    /// Revokes all tokens of an issuer (`iss`).
    pub async fn issuer(&self, issuer: &str) -> Result<Receipt, StoreError> {
        self.issued_until_now(RevocationKey::issuer(issuer)).await
    }

    /// Revokes all tokens.
    pub async fn everything(&self) -> Result<Receipt, StoreError> {
        self.issued_until_now(RevocationKey::everything()).await
    }

    /// Revokes all tokens in which a claim of the application's own has this value.
    ///
    /// The verifier must know the claim: `JwtVerifierBuilder::revocable_claim`. Integers are given in decimal, booleans as `true` or `false`.
    pub async fn claim<'a>(
        &self,
        issuer: impl Into<Option<&'a str>>,
        name: &str,
        value: &str,
    ) -> Result<Receipt, StoreError> {
        self.issued_until_now(RevocationKey::claim(issuer, name, value)).await
    }

    /// Revokes all tokens that carry a key and were issued until now, or until the given one was.
    pub(crate) async fn issued_with(&self, key: RevocationKey, token: &TokenIdentity) -> Result<Receipt, StoreError> {
        self.issued_through(key, self.now().max(token.issued_at())).await
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Now, by the issuer's clock if that runs ahead.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().saturating_add(self.issuer_clock_ahead)
    }

    async fn issued_until_now(&self, key: RevocationKey) -> Result<Receipt, StoreError> {
        self.issued_through(key, self.now()).await
    }

    async fn issued_through(&self, key: RevocationKey, instant: Timestamp) -> Result<Receipt, StoreError> {
        self.revoke(Revocation::new(key, instant, self.retention.of_issued_through(instant))).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<Receipt, StoreError> {
        match self.store.revoke(&revocation).await {
            Ok(outcome) => {
                observe::revoked(&revocation, outcome);
                Ok(Receipt { revocation, outcome })
            }
            Err(error) => {
                observe::store_failed(error.operation(), &error);
                Err(error)
            }
        }
    }
}

impl<S> Clone for Revoker<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), clock: Arc::clone(&self.clock), ..*self }
    }
}

impl<S> fmt::Debug for Revoker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoker").field("retention", &self.retention).finish_non_exhaustive()
    }
}
