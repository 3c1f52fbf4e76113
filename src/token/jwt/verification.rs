//! [`Verification`]: the verification of a token, from its text to its claims.

use std::{fmt, marker::PhantomData, sync::Arc};

#[cfg(feature = "receivers")]
use async_trait::async_trait;
use serde::de::DeserializeOwned;

#[cfg(feature = "receivers")]
use crate::token::jwt::signed_messages::{self, Accepted, SignedMessage, Unsigned, VerifyMessages};
use crate::{
    clock::Clock,
    revocation::{Retention, Revocable},
    token::{
        VerifiedToken, VerifyError,
        jwt::{
            ConfigError, InvalidToken, KeySet, VerifierHealth, application_claims,
            issuer_keys::Revision,
            jws::{Buffer, Jws},
            key_source::Progress,
            redaction,
            registered_claims::RegisteredClaims,
            trusted_issuer::{TrustedIssuer, Unproven},
            trusted_issuers::{Claimed, TrustedIssuers},
        },
    },
};

/// Verifies tokens. The state that the clones of a verifier share.
pub(super) struct Verification<C> {
    issuers: TrustedIssuers,
    revision: Arc<Revision>,
    /// The names of revocable claims.
    revocable: Vec<String>,
    retention: Retention,
    clock: Arc<dyn Clock>,
    claims: PhantomData<fn() -> C>,
}

impl<C> Verification<C> {
    pub(super) fn new(
        issuers: TrustedIssuers,
        revision: Arc<Revision>,
        revocable: Vec<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let retention = issuers.retention();
        Self { issuers, revision, revocable, retention, clock, claims: PhantomData }
    }

    /// Waits for the first attempt to fetch keys of each issuer.
    pub(super) async fn fetched(&self) -> Result<(), ConfigError> {
        for issuer in self.issuers.all() {
            if let Some(progress) = issuer.progress() {
                progress.first().await;
            }
            if let Some(error) = issuer.start_error() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Replaces the keys of this issuer, or of the single one if `None`.
    pub(super) fn replace_keys(&self, issuer: Option<&str>, keys: KeySet) -> Result<(), ConfigError> {
        match issuer {
            Some(issuer) => self.issuers.replace_keys_of(issuer, keys),
            None => self.issuers.replace_keys(keys),
        }
    }

    pub(super) fn purge_keys_of(&self, issuer: &str) -> Result<(), ConfigError> {
        self.issuers.purge_keys_of(issuer)
    }

    pub(super) fn forget_issuer(&self, issuer: &str) {
        self.issuers.forget(issuer);
    }

    pub(super) fn health(&self) -> VerifierHealth {
        self.issuers.health()
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision.get()
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn retention(&self) -> Retention {
        self.retention
    }

    pub(super) fn revocable(&self) -> Revocable {
        let settings = self.issuers.settings();
        let revocable = Revocable::unknown().with_claims(&self.revocable).with_identifiers(
            settings.iter().map(|settings| settings.session_claim()),
            settings.iter().map(|settings| settings.subject_claim()),
        );
        match self.issuers.known_names() {
            None => revocable,
            Some(names) => revocable.with_issuers(names),
        }
    }
}

impl<C: DeserializeOwned> Verification<C> {
    /// Verifies a token. If new keys of its issuer may change the result, they are waited for.
    pub(super) async fn verify(&self, token: &str) -> Result<VerifiedToken<C>, VerifyError> {
        match self.attempt(token) {
            Ok(verified) => Ok(verified),
            Err(Unverified { awaits: None, error }) => Err(error),
            Err(Unverified { awaits: Some(progress), .. }) => {
                progress.next().await;
                self.attempt(token).map_err(|unverified| unverified.error)
            }
        }
    }

    /// Verifies a token, unless new keys must be waited for.
    pub(super) fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<C>, VerifyError>> {
        match self.attempt(token) {
            Ok(verified) => Some(Ok(verified)),
            Err(Unverified { awaits: None, error }) => Some(Err(error)),
            Err(Unverified { awaits: Some(_), .. }) => None,
        }
    }

    /// Verifies a token with the keys that are known.
    fn attempt(&self, token: &str) -> Result<VerifiedToken<C>, Unverified> {
        let jws = Jws::split(token)?;
        let mut buffer = Buffer::new();
        if let Some(sole) = self.issuers.sole() {
            authenticate(sole, &jws)?;
            return Ok(self.judge(sole, &jws, jws.payload(&mut buffer)?)?);
        }
        let payload = jws.payload(&mut buffer)?;
        let claimed = self.issuers.claimed(payload)?;
        authenticate(&claimed, &jws)?;
        Ok(self.judge(&claimed, &jws, payload)?)
    }

    pub(super) fn explain(&self, token: &str) -> Option<String> {
        let VerifyError::Invalid(error) = self.attempt(token).err()?.error else { return None };
        let reason: &InvalidToken = error.downcast_ref()?;
        match reason {
            InvalidToken::Claims | InvalidToken::OwnClaims => {
                Some(format!("{reason}: {}", self.unreadable_claims(token)?))
            }
            _ => reason.remedy().map(|_| reason.to_string()),
        }
    }

    /// Returns why the claims of an authentic token cannot be read, without any of their values.
    fn unreadable_claims(&self, token: &str) -> Option<String> {
        let jws = Jws::split(token).ok()?;
        let mut buffer = Buffer::new();
        let payload = jws.payload(&mut buffer).ok()?;
        let issuer = match self.issuers.sole() {
            Some(sole) => Claimed::Listed(sole),
            None => self.issuers.claimed(payload).ok()?,
        };
        issuer.authenticate(&jws).ok()?;
        let payload = str::from_utf8(payload).ok()?;
        let error = RegisteredClaims::read(payload).err().or_else(|| application_claims::read::<C>(payload).err())?;
        Some(redaction::describe(&error))
    }

    /// Checks the claims of a token that the issuer has signed.
    fn judge(&self, issuer: &TrustedIssuer, jws: &Jws<'_>, payload: &[u8]) -> Result<VerifiedToken<C>, VerifyError> {
        let policy = issuer.policy();
        let payload = str::from_utf8(payload).map_err(|_| InvalidToken::Claims)?;
        let registered = RegisteredClaims::read(payload).map_err(|_| InvalidToken::Claims)?;
        let now = self.clock.now();
        policy.judge(&registered, now)?;
        let identity = policy.identify(jws.signing_input, &registered, payload, &self.revocable)?;
        if !policy.retention().accepts_expiry(registered.exp, now) {
            return Err(VerifyError::Expired);
        }
        let claims = application_claims::read(payload).map_err(|_| InvalidToken::OwnClaims)?;
        Ok(VerifiedToken::new(identity, claims))
    }
}

#[cfg(feature = "receivers")]
#[async_trait]
impl<C: Send + Sync + 'static> VerifyMessages for Verification<C> {
    async fn authenticate(&self, message: &str, accepted: Accepted<'_>) -> Result<SignedMessage, Unsigned> {
        let claimed;
        let issuer = if let Some(sole) = self.issuers.sole() {
            sole
        } else {
            let mut buffer = Buffer::new();
            claimed = self.issuers.claimed(Jws::split(message)?.payload(&mut buffer)?)?;
            &*claimed
        };
        signed_messages::authenticate(issuer, message, accepted).await
    }
}

fn authenticate(issuer: &TrustedIssuer, jws: &Jws<'_>) -> Result<(), Unverified> {
    let error = match issuer.authenticate(jws) {
        Ok(()) => return Ok(()),
        Err(Unproven::Invalid(reason)) => return Err(reason.into()),
        Err(Unproven::NewKey(reason)) => reason.into(),
        Err(Unproven::NoKeys) => issuer.no_keys(),
    };
    let awaits = issuer.progress().filter(|progress| progress.may_help()).map(Arc::clone);
    Err(Unverified { error, awaits })
}

/// A token that is not verified with the keys that are known.
struct Unverified {
    error: VerifyError,
    /// The attempts to fetch keys, if another one may change the result.
    awaits: Option<Arc<Progress>>,
}

impl<E: Into<VerifyError>> From<E> for Unverified {
    fn from(error: E) -> Self {
        Self { error: error.into(), awaits: None }
    }
}

impl<C> fmt::Debug for Verification<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification")
            .field("issuers", &self.issuers)
            .field("revocable", &self.revocable)
            .finish_non_exhaustive()
    }
}
