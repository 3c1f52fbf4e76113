//! Revocation from application code: [`Revoker`].
//!
//! The issuer `https://matar.app` in the examples is explained in
//! [`endpoint`](crate::endpoint#matar).

mod by_claim;
mod by_key;
mod consume;
mod error;
mod hook;
mod look_up;
#[cfg(feature = "receivers")]
mod messages;
mod receipt;
mod revoked;
mod source;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use crate::{
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Retention, Revocable},
    store::RevocationStore,
    telemetry::Throttle,
};
pub use consume::Consumed;
pub use error::RevokeError;
pub(crate) use hook::{Hook, MAX_QUEUED};
pub use receipt::Receipt;
pub use revoked::Revoked;
use source::Attribution;
pub use source::Source;

/// Revokes one token, or all tokens that share a session, a subject, a client, an issuer or a
/// claim.
///
/// | what | methods |
/// |---|---|
/// | one token | [`token`](Self::token), [`token_id`](Self::token_id) |
/// | a session | [`session`](Self::session), [`session_of`](Self::session_of) |
/// | a user | [`user`](Self::user), [`subject`](Self::subject), [`subject_of`](Self::subject_of) |
/// | a client, an issuer | [`client`](Self::client), [`issuer`](Self::issuer) |
/// | a claim, or all | [`claim`](Self::claim), [`everything`](Self::everything) |
/// | by key and date, many at once | [`revoke`](Self::revoke), [`revoke_all`](Self::revoke_all) |
/// | a token that is good for one use | [`consume`](Self::consume) |
/// | nothing: look | [`revoked`](Self::revoked), [`revocation`](Self::revocation) |
///
/// Unless they are given a date or revoke one token, they revoke the tokens issued up to now;
/// tokens issued later are not affected. `iat` has a resolution of one second, so a token issued
/// later in the same second is rejected too: to exclude a new login, wait for [`Receipt::settled`]
/// before it, as the logout endpoint does.
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
}

impl fmt::Debug for Revoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoker")
            .field("retention", &self.retention)
            .field("issuer_clock_ahead", &self.issuer_clock_ahead)
            .finish_non_exhaustive()
    }
}
