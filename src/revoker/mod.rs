//! [`Revoker`]: revokes from application code.

mod error;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, Timestamp},
    guard::{Guard, Usage},
    revocation::{KeyKind, Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{RevocationStore, StoreError},
    telemetry,
    token::{Revocable, TokenVerifier},
};

pub use error::RevokeError;

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
/// Every method is [`RevokeError::Store`] if the store could not take the revocation, or did not say so. It may then be
/// tried again: revocations join.
///
/// A revocation that can end nothing is an error too, which names what is known and the remedy: by an issuer that the
/// verifier does not accept, by a claim that was never made revocable, or by an empty name. A verifier of your own is
/// checked as far as its [`revocable`](TokenVerifier::revocable) says. [`user`](Self::user),
/// [`subject_of`](Self::subject_of) and [`session_of`](Self::session_of) need no issuer, so they cannot name the wrong one.
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
/// let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build()?;
/// let layer = RevocationLayer::new(verifier, MemoryStore::new());
/// let revoker = layer.revoker();
/// revoker.user("usr_123").await?; // log out everywhere
/// revoker.token_id("https://matar.app", "4f2a").await?; // one token, by its `jti`
/// revoker.everything().await?; // a key has leaked
///
/// let error = revoker.subject("https://matar.app/", "usr_123").await.unwrap_err();
/// assert!(error.to_string().contains("The verifier accepts `https://matar.app`"));
/// # Ok(())
/// # }
/// ```
pub struct Revoker<S> {
    store: Arc<S>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    issuer_clock_ahead: Duration,
    revocable: Arc<dyn Fn() -> Revocable + Send + Sync>,
    usage: Option<Arc<Usage>>,
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
    /// Both must be the verifier's; [`RevocationLayer::revoker`](crate::RevocationLayer::revoker) sees to that.
    ///
    /// For a process that verifies no tokens. Nothing says which issuers and claims there are, so a revocation by one that
    /// no token has is not found out.
    #[must_use]
    pub fn new(store: Arc<S>, clock: Arc<dyn Clock>, retention: Retention) -> Self {
        let issuer_clock_ahead = Duration::ZERO;
        Self { store, clock, retention, issuer_clock_ahead, revocable: Arc::new(Revocable::unknown), usage: None }
    }

    /// Revokes in the guard's store what its verifier accepts.
    pub(crate) fn of<V: TokenVerifier>(guard: &Guard<V, S>) -> Self {
        let verifier = Arc::clone(guard.verifier());
        let new = Self::new(Arc::clone(guard.store()), verifier.clock(), verifier.retention());
        Self { revocable: Arc::new(move || verifier.revocable()), usage: Some(Arc::clone(guard.usage())), ..new }
    }

    /// Also revokes what was issued up to this much in the future, because an issuer's clock runs ahead or rounds up. Default: zero.
    ///
    /// A login in that time after a revocation is caught too: see [`Receipt::settles_at`].
    #[must_use]
    pub fn issuer_clock_ahead(mut self, ahead: Duration) -> Self {
        self.issuer_clock_ahead = ahead;
        self
    }

    /// Also revokes the tokens of another verifier that asks the same store, such as one for refresh tokens.
    ///
    /// Its issuers and claims may then be named, and revocations are remembered for as long as its tokens live: one of a
    /// subject or a session must not be forgotten before the longest-lived of them has expired.
    #[must_use]
    pub fn also_for(mut self, verifier: impl TokenVerifier) -> Self {
        self.retention = self.retention.join(&verifier.retention());
        let before = self.revocable;
        self.revocable = Arc::new(move || before().join(verifier.revocable()));
        self
    }

    /// Revokes one token.
    pub async fn token(&self, token: &TokenIdentity) -> Result<Receipt, RevokeError> {
        Ok(self.own_key_of(token).await?)
    }

    /// Revokes one token, by its issuer and its name (`jti`).
    ///
    /// As nothing else is known of it, it is remembered for as long as any token that can have been issued by now may live.
    pub async fn token_id<'a>(&self, issuer: impl Into<Option<&'a str>>, jti: &str) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the token's name (`jti`)", jti, issuer.into())?;
        let latest_issue = self.retention.latest_present(self.now());
        let retain_until = self.retention.of_issued_through(latest_issue);
        Ok(self.revoke(Revocation::new(RevocationKey::token_id(issuer, jti), Timestamp::MAX, retain_until)).await?)
    }

    /// Revokes all tokens of a session (`sid`).
    pub async fn session<'a>(&self, issuer: impl Into<Option<&'a str>>, sid: &str) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the session (`sid`)", sid, issuer.into())?;
        self.issued_until_now(RevocationKey::session(issuer, sid)).await
    }

    /// Revokes all tokens of the session that a token belongs to, also those issued up to the token's own date.
    ///
    /// [`RevokeError::NoSession`] if the token has no `sid`.
    pub async fn session_of(&self, token: &TokenIdentity) -> Result<Receipt, RevokeError> {
        let key = token.key(KeyKind::Session).ok_or(RevokeError::NoSession)?;
        Ok(self.issued_with(key, token).await?)
    }

    /// Revokes all tokens of a subject (`sub`): logs out everywhere.
    pub async fn subject<'a>(&self, issuer: impl Into<Option<&'a str>>, sub: &str) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the subject (`sub`)", sub, issuer.into())?;
        self.issued_until_now(RevocationKey::subject(issuer, sub)).await
    }

    /// Revokes all tokens of a subject (`sub`) of the one issuer that the verifier accepts: logs the user out everywhere.
    ///
    /// [`RevokeError::NoSingleIssuer`] if the verifier accepts any issuer or several.
    pub async fn user(&self, sub: &str) -> Result<Receipt, RevokeError> {
        let revocable = (self.revocable)();
        match revocable.known_issuers() {
            [issuer] => self.subject(issuer.as_str(), sub).await,
            known => Err(RevokeError::NoSingleIssuer { known: known.to_vec() }),
        }
    }

    /// Revokes all tokens of the subject of a token, also those issued up to the token's own date.
    ///
    /// [`RevokeError::NoSubject`] if the token has no `sub`.
    pub async fn subject_of(&self, token: &TokenIdentity) -> Result<Receipt, RevokeError> {
        let key = token.key(KeyKind::Subject).ok_or(RevokeError::NoSubject)?;
        Ok(self.issued_with(key, token).await?)
    }

    /// Revokes all tokens of a client (`client_id` or `azp`).
    pub async fn client<'a>(
        &self,
        issuer: impl Into<Option<&'a str>>,
        client_id: &str,
    ) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the client (`client_id`)", client_id, issuer.into())?;
        self.issued_until_now(RevocationKey::client(issuer, client_id)).await
    }

    /// Revokes all tokens of an issuer (`iss`).
    pub async fn issuer(&self, issuer: &str) -> Result<Receipt, RevokeError> {
        self.check_issuer(Some(issuer))?;
        self.issued_until_now(RevocationKey::issuer(issuer)).await
    }

    /// Revokes all tokens.
    pub async fn everything(&self) -> Result<Receipt, RevokeError> {
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
    ) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the claim's name", name, issuer.into())?;
        if let Some(known) = (self.revocable)().lacks_claim(name) {
            return Err(RevokeError::UnknownClaim { known: known.to_vec() });
        }
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

    /// The issuer whose `what` has this name, if there can be one.
    fn issuer_of<'a>(
        &self,
        what: &'static str,
        name: &str,
        issuer: Option<&'a str>,
    ) -> Result<Option<&'a str>, RevokeError> {
        if name.is_empty() {
            return Err(RevokeError::Empty(what));
        }
        self.check_issuer(issuer)?;
        Ok(issuer)
    }

    fn check_issuer(&self, issuer: Option<&str>) -> Result<(), RevokeError> {
        if issuer == Some("") {
            return Err(RevokeError::Empty("the issuer (`iss`)"));
        }
        match (self.revocable)().lacks_issuer(issuer) {
            Some(known) => Err(RevokeError::UnknownIssuer { known: known.to_vec() }),
            None => Ok(()),
        }
    }

    pub(crate) async fn own_key_of(&self, token: &TokenIdentity) -> Result<Receipt, StoreError> {
        self.revoke(Revocation::of_token(token)).await
    }

    async fn issued_until_now(&self, key: RevocationKey) -> Result<Receipt, RevokeError> {
        Ok(self.issued_through(key, self.now()).await?)
    }

    async fn issued_through(&self, key: RevocationKey, instant: Timestamp) -> Result<Receipt, StoreError> {
        self.revoke(Revocation::new(key, instant, self.retention.of_issued_through(instant))).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<Receipt, StoreError> {
        match self.store.revoke(&revocation).await {
            Ok(outcome) => {
                telemetry::revoked(&telemetry::Revoked {
                    key: &revocation.key(),
                    kind: revocation.key().kind().name(),
                    issued_through: revocation.issued_through().as_unix_millis(),
                    retain_until: revocation.retain_until().as_unix_millis(),
                    outcome: outcome.name(),
                });
                if let Some(usage) = &self.usage
                    && usage.is_idle()
                    && S::is_private(&self.store)
                {
                    telemetry::revoked_in_vain(usage.throttle());
                }
                Ok(Receipt { revocation, outcome })
            }
            Err(error) => {
                telemetry::store_failed(error.operation(), &error);
                Err(error)
            }
        }
    }
}

impl<S> Clone for Revoker<S> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            revocable: Arc::clone(&self.revocable),
            usage: self.usage.clone(),
            ..*self
        }
    }
}

impl<S> fmt::Debug for Revoker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoker").field("retention", &self.retention).finish_non_exhaustive()
    }
}
