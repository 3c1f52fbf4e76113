//! Revocation from application code: [`Revoker`].
//!
//! The issuer `https://matar.app` in the examples is explained in
//! [`endpoint`](crate::endpoint#matar).

mod error;
mod hook;
mod receipt;
mod revoked;
mod source;

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
    revocation::{KeyKind, Outcome, Retention, Revocable, Revocation, RevocationKey, TokenIdentity},
    store::{RevocationStore, StoreError},
    telemetry::{self, Throttle},
};
pub use error::RevokeError;
pub(crate) use hook::{Hook, MAX_QUEUED};
pub use receipt::Receipt;
pub use revoked::Revoked;
use source::Attribution;
pub use source::Source;

/// Revokes one token, or all tokens that share a session, a subject, a client, an issuer or a
/// claim.
///
/// All methods except [`token`](Self::token) and [`token_id`](Self::token_id) revoke the tokens
/// issued up to now; tokens issued later are not affected. `iat` has a resolution of one second, so
/// a token issued later in the same second is rejected too: to exclude a new login, wait for
/// [`Receipt::settled`] before it, as the logout endpoint does.
///
/// If the clock of the issuer runs ahead, the `iat` of a token can be later than now, and the token
/// is not revoked. [`issuer_clock_ahead`](crate::Logout::issuer_clock_ahead) sets a margin for
/// this.
///
/// # Errors
///
/// Every method returns [`RevokeError::Store`] if the store failed or did not answer. It is safe to
/// retry.
///
/// A revocation that cannot have an effect is an error too: an issuer that the verifier does not
/// accept, a claim that is not revocable, or an empty name. The error lists the accepted names and
/// the remedy. A custom verifier provides them with
/// [`revocable`](crate::token::TokenVerifier::revocable). [`user`](Self::user),
/// [`subject_of`](Self::subject_of) and [`session_of`](Self::session_of) take no issuer, so a wrong
/// one cannot be passed.
///
/// # Cancel safety
///
/// If a future is dropped, the revocation is either stored or absent.
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
    attribution: Attribution,
    hook: Option<Hook>,
}

/// Whether this process asks the store about requests.
#[derive(Clone)]
struct StoreUse {
    is_asked: Arc<AtomicBool>,
    throttle: Arc<Throttle>,
}

impl Revoker {
    /// Creates a revoker for this store, with the system clock and the default [`Retention`].
    ///
    /// It is intended for a process that verifies no tokens; otherwise, use
    /// [`Logout::revoker`](crate::Logout::revoker). Clock and retention must be those of the
    /// verifiers: a revocation must be retained until the longest-lived of their tokens has
    /// expired. The issuers and claims of the tokens are unknown to it, so a revocation by one that
    /// no token has is not detected.
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
            attribution: Attribution::new(Source::Code),
            hook: None,
        }
    }

    /// Sets the clock that determines the issue time up to which tokens are revoked. Default: the
    /// system clock.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Sets the policy that determines how long revocations are retained. For several verifiers,
    /// [join](Retention::join) their policies.
    #[must_use]
    pub fn retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Extends revocations to tokens issued up to this far in the future, for issuers whose clock
    /// runs ahead or rounds up. Default: zero.
    ///
    /// A login within that time after a revocation is affected too: see [`Receipt::settled`].
    #[must_use]
    pub fn issuer_clock_ahead(self, ahead: Duration) -> Self {
        Self { issuer_clock_ahead: ahead, ..self }
    }

    /// Sets the issuers and claims that revocations are checked against.
    pub(crate) fn revocable(self, revocable: impl Fn() -> Revocable + Send + Sync + 'static) -> Self {
        Self { revocable: Arc::new(revocable), ..self }
    }

    /// Reports revocations in a store that no layer of this process asks.
    pub(crate) fn store_use(self, is_asked: Arc<AtomicBool>, throttle: Arc<Throttle>) -> Self {
        Self { store_use: Some(StoreUse { is_asked, throttle }), ..self }
    }

    /// Sets where its revocations come from.
    #[must_use]
    pub(crate) fn source(self, source: Source) -> Self {
        Self { attribution: Attribution { source, ..self.attribution }, ..self }
    }

    /// Sets the hook that is called after each revocation.
    pub(crate) fn hook(self, hook: Option<Hook>) -> Self {
        Self { hook, ..self }
    }

    /// Sets who revokes, for the audit log: for example the name of the administrator. It is in the
    /// event `revoked`, and passed to the hook of [`Logout::on_revoked`](crate::Logout::on_revoked),
    /// but not stored.
    #[must_use]
    pub fn by(self, actor: impl Into<Arc<str>>) -> Self {
        Self { attribution: Attribution { actor: Some(actor.into()), ..self.attribution }, ..self }
    }

    /// Sets why, for the audit log, as [`by`](Self::by) does.
    #[must_use]
    pub fn because(self, reason: impl Into<Arc<str>>) -> Self {
        Self { attribution: Attribution { reason: Some(reason.into()), ..self.attribution }, ..self }
    }

    /// Revokes one token.
    pub async fn token(&self, token: &TokenIdentity) -> Result<Receipt, RevokeError> {
        Ok(self.own_key_of(token).await?)
    }

    /// Revokes one token, identified by its issuer and its identifier (`jti`).
    ///
    /// The expiry of the token is unknown, so the revocation is retained for the maximum lifetime
    /// of a token that is issued now.
    pub async fn token_id<'a>(&self, issuer: impl Into<Option<&'a str>>, jti: &str) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the token identifier (`jti`)", jti, issuer.into())?;
        let latest_issue = self.retention.latest_present(self.now());
        let retain_until = self.retention.of_issued_through(latest_issue);
        Ok(self.revoke(Revocation::new(RevocationKey::token_id(issuer, jti), Timestamp::MAX, retain_until)).await?)
    }

    /// Revokes all tokens of a session: the value of `sid`, or of the claim that the verifier's
    /// `session_claim` names.
    pub async fn session<'a>(&self, issuer: impl Into<Option<&'a str>>, sid: &str) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the session (`sid`)", sid, issuer.into())?;
        self.issued_until_now(RevocationKey::session(issuer, sid)).await
    }

    /// Revokes all tokens of the session that a token belongs to, including those issued up to the
    /// issue time of the token.
    ///
    /// # Errors
    ///
    /// [`RevokeError::NoSession`] if the token has no `sid`, and the [errors](Self#errors) of all
    /// methods.
    pub async fn session_of(&self, token: &TokenIdentity) -> Result<Receipt, RevokeError> {
        let key = token.key(KeyKind::Session).ok_or(RevokeError::NoSession)?;
        Ok(self.issued_with(key, token).await?)
    }

    /// Revokes all tokens of a subject: logs the user out everywhere. `sub` is the value of that
    /// claim, or of the claim that the verifier's `subject_claim` names.
    pub async fn subject<'a>(&self, issuer: impl Into<Option<&'a str>>, sub: &str) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the subject (`sub`)", sub, issuer.into())?;
        self.issued_until_now(RevocationKey::subject(issuer, sub)).await
    }

    /// Revokes all tokens of a subject (`sub`) of the only issuer that the verifier accepts: logs
    /// the user out everywhere.
    ///
    /// # Errors
    ///
    /// [`RevokeError::NoSingleIssuer`] if the verifier accepts any issuer or several, and the
    /// [errors](Self#errors) of all methods.
    pub async fn user(&self, sub: &str) -> Result<Receipt, RevokeError> {
        let revocable = (self.revocable)();
        match revocable.issuers().unwrap_or_default() {
            [issuer] => self.subject(issuer.as_str(), sub).await,
            known => Err(RevokeError::NoSingleIssuer { known: known.to_vec() }),
        }
    }

    /// Revokes all tokens of the subject of a token, including those issued up to the issue time of
    /// the token.
    ///
    /// # Errors
    ///
    /// [`RevokeError::NoSubject`] if the token has no `sub`, and the [errors](Self#errors) of all
    /// methods.
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

    /// Revokes all tokens in which an application-defined claim has this value.
    ///
    /// The claim must be revocable: see `JwtVerifierBuilder::revocable_claim`. Pass integers in
    /// decimal, and booleans as `true` or `false`.
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

    /// Revokes all tokens that carry a key and were issued up to now, or up to the issue time of
    /// the given token if that is later.
    pub(crate) async fn issued_with(&self, key: RevocationKey, token: &TokenIdentity) -> Result<Receipt, StoreError> {
        self.issued_through(key, self.now().max(token.issued_at())).await
    }

    /// Revokes all tokens that carry one of these keys and were issued up to the instant beside it.
    #[cfg(feature = "receivers")]
    pub(crate) async fn all_issued_through(
        &self,
        revocations: impl IntoIterator<Item = (RevocationKey, Timestamp)>,
    ) -> Result<(), StoreError> {
        for (key, instant) in revocations {
            let _ = self.issued_through(key, instant).await?;
        }
        Ok(())
    }

    /// Remembers a message until this time, in the store and therefore in the whole fleet.
    #[cfg(feature = "receivers")]
    pub(crate) async fn remember(&self, message: RevocationKey, until: Timestamp) -> Result<(), StoreError> {
        let remembered = self.store.revoke(&Revocation::new(message, Timestamp::MAX, until)).await;
        remembered.map(drop).inspect_err(|error| telemetry::store_failed(error.operation(), error))
    }

    /// Whether the message is remembered by any process of the fleet.
    #[cfg(feature = "receivers")]
    pub(crate) async fn remembers(&self, message: RevocationKey) -> Result<bool, StoreError> {
        let found = self.store.find(message).await;
        found.map(|found| found.is_some()).inspect_err(|error| telemetry::store_failed(error.operation(), error))
    }

    /// The issuers and claims that revocations are checked against.
    pub(crate) fn own_revocable(&self) -> Revocable {
        (self.revocable)()
    }

    /// The margin for an issuer whose clock runs ahead.
    #[cfg(feature = "receivers")]
    pub(crate) const fn own_clock_ahead(&self) -> Duration {
        self.issuer_clock_ahead
    }

    pub(crate) fn own_clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns the current time, plus the margin for an issuer whose clock runs ahead.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().saturating_add(self.issuer_clock_ahead)
    }

    /// Checks the issuer, and the name of a token, session or similar (`what`). Returns the issuer.
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
            Ok(outcome) => Ok(self.accepted(revocation, outcome)),
            Err(error) => {
                telemetry::store_failed(error.operation(), &error);
                Err(error)
            }
        }
    }

    /// Reports a revocation that the store has accepted: to operators, and to the application.
    fn accepted(&self, revocation: Revocation, outcome: Outcome) -> Receipt {
        let Attribution { source, actor, reason } = &self.attribution;
        telemetry::revoked(&telemetry::Revoked {
            key: &revocation.key(),
            kind: revocation.key().kind().name(),
            issued_through: revocation.issued_through().as_unix_millis(),
            retain_until: revocation.retain_until().as_unix_millis(),
            outcome: outcome.name(),
            source: source.name(),
            actor: actor.as_deref(),
            reason: reason.as_deref(),
        });
        if let Some(StoreUse { is_asked, throttle }) = &self.store_use
            && !is_asked.load(Ordering::Relaxed)
            && (*self.store).is_private()
        {
            telemetry::revoked_in_vain(throttle);
        }
        if let Some(hook) = &self.hook {
            hook.notify(Revoked::new(revocation, outcome, self.attribution.clone()));
        }
        Receipt::new(revocation, outcome, Arc::clone(&self.clock))
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
