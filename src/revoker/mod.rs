//! Revocation from application code: [`Revoker`].

mod error;
mod receipt;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    clock::{Clock, SystemClock, Timestamp},
    revocation::{KeyKind, Retention, Revocable, Revocation, RevocationKey, TokenIdentity},
    store::{RevocationStore, StoreError},
    telemetry::{self, Throttle},
};
pub use error::RevokeError;
pub use receipt::Receipt;

/// Revokes one token, or all tokens that share a session, a subject, a client, an issuer or a
/// claim.
///
/// All methods but [`token`](Self::token) and [`token_id`](Self::token_id) revoke what was issued
/// up to now; tokens that are issued later are not affected. `iat` has whole seconds, so a token
/// issued later in the same second is rejected too: a login that must not be affected waits for
/// [`Receipt::settled`], as the logout endpoint does.
///
/// A token whose issuer's clock runs ahead can bear an `iat` later than now and be left out:
/// [`issuer_clock_ahead`](crate::Logout::issuer_clock_ahead) widens the margin.
///
/// # Errors
///
/// Every method is [`RevokeError::Store`] if the store could not take the revocation, or did not
/// say so. It may then be tried again: revocations join.
///
/// A revocation that can end nothing is an error too, which names what is known and the remedy: by
/// an issuer that the verifier does not accept, by a claim that was never made revocable, or by an
/// empty name. Revocations for a custom verifier are checked as far as its
/// [`revocable`](crate::token::TokenVerifier::revocable) says. [`user`](Self::user),
/// [`subject_of`](Self::subject_of) and [`session_of`](Self::session_of) need no issuer, so they
/// cannot name the wrong one.
///
/// # Cancel safety
///
/// A dropped future leaves the revocation either written or absent.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "aws-lc-rs")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::{JwtVerifier, Logout, MemoryStore};
///
/// let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build()?;
/// let logout = Logout::new(verifier, MemoryStore::new());
/// let revoker = logout.revoker();
/// revoker.user("usr_123").await?; // log out everywhere
/// revoker.token_id("https://matar.app", "4f2a").await?; // one token, by its `jti`
/// revoker.everything().await?; // a key has leaked
///
/// let error = revoker.subject("https://matar.app/", "usr_123").await.unwrap_err();
/// assert!(error.to_string().contains("The verifier accepts `https://matar.app`"));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "aws-lc-rs"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Revoker {
    store: Arc<dyn RevocationStore>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    issuer_clock_ahead: Duration,
    revocable: Arc<dyn Fn() -> Revocable + Send + Sync>,
    store_use: Option<StoreUse>,
}

/// Whether the store is asked about requests, as far as this process knows.
#[derive(Clone)]
struct StoreUse {
    is_asked: Arc<AtomicBool>,
    throttle: Arc<Throttle>,
}

impl Revoker {
    /// Revokes in this store, with the system's clock and the default [`Retention`].
    ///
    /// For a process that verifies no tokens; where there is a [`Logout`](crate::Logout), use
    /// [`Logout::revoker`](crate::Logout::revoker). Clock and retention must be those of the
    /// verifiers: a revocation must not be forgotten before the longest-lived of their tokens has
    /// expired. Nothing says which issuers and claims there are, so a revocation by one that no
    /// token has is not detected.
    #[must_use]
    pub fn new(store: impl RevocationStore) -> Self {
        Self::of(Arc::new(store), Arc::new(SystemClock))
    }

    pub(crate) fn of(store: Arc<dyn RevocationStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            retention: Retention::default(),
            issuer_clock_ahead: Duration::ZERO,
            revocable: Arc::new(Revocable::unknown),
            store_use: None,
        }
    }

    /// Sets the clock that dates revocations. Default: the system's.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Sets the bounds of the tokens' lives, from which follows how long revocations are retained.
    /// For several verifiers, [join](Retention::join) theirs.
    #[must_use]
    pub fn retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Also revokes what was issued up to this much in the future, because an issuer's clock runs
    /// ahead or rounds up. Default: zero.
    ///
    /// A login in that time after a revocation is affected too: see [`Receipt::settled`].
    #[must_use]
    pub fn issuer_clock_ahead(self, ahead: Duration) -> Self {
        Self { issuer_clock_ahead: ahead, ..self }
    }

    /// Checks revocations by what the tokens can be revoked by.
    pub(crate) fn revocable(self, revocable: impl Fn() -> Revocable + Send + Sync + 'static) -> Self {
        Self { revocable: Arc::new(revocable), ..self }
    }

    /// Reports revocations in a store that no layer of this process asks.
    pub(crate) fn store_use(self, is_asked: Arc<AtomicBool>, throttle: Arc<Throttle>) -> Self {
        Self { store_use: Some(StoreUse { is_asked, throttle }), ..self }
    }

    /// Revokes one token.
    pub async fn token(&self, token: &TokenIdentity) -> Result<Receipt, RevokeError> {
        Ok(self.own_key_of(token).await?)
    }

    /// Revokes one token, by its issuer and its name (`jti`).
    ///
    /// As nothing else is known of it, it is remembered for as long as any token that can have been
    /// issued by now may live.
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

    /// Revokes all tokens of the session that a token belongs to, also those issued up to the
    /// token's own date.
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

    /// Revokes all tokens of a subject (`sub`) of the one issuer that the verifier accepts: logs
    /// the user out everywhere.
    ///
    /// [`RevokeError::NoSingleIssuer`] if the verifier accepts any issuer or several.
    pub async fn user(&self, sub: &str) -> Result<Receipt, RevokeError> {
        let revocable = (self.revocable)();
        match revocable.issuers().unwrap_or_default() {
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
    /// The verifier must know the claim: `JwtVerifierBuilder::revocable_claim`. Integers are given
    /// in decimal, booleans as `true` or `false`.
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

    pub(crate) fn own_clock(&self) -> &Arc<dyn Clock> {
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
                if let Some(StoreUse { is_asked, throttle }) = &self.store_use
                    && !is_asked.load(Ordering::Relaxed)
                    && (*self.store).is_private()
                {
                    telemetry::revoked_in_vain(throttle);
                }
                Ok(Receipt::new(revocation, outcome, Arc::clone(&self.clock)))
            }
            Err(error) => {
                telemetry::store_failed(error.operation(), &error);
                Err(error)
            }
        }
    }
}

impl fmt::Debug for Revoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoker")
            .field("retention", &self.retention)
            .field("issuer_clock_ahead", &self.issuer_clock_ahead)
            .finish_non_exhaustive()
    }
}
