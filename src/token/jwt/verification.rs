//! [`Verification`]: the verification of a token, from its text to its claims.

use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::de::DeserializeOwned;

use crate::{
    clock::Clock,
    revocation::{Retention, Revocable},
    token::{
        VerifiedToken, VerifyError,
        jwt::{
            ConfigError, InvalidToken, KeySet, application_claims,
            jws::{Buffer, Jws},
            redaction,
            registered_claims::RegisteredClaims,
            trusted_issuers::{TrustedIssuer, TrustedIssuers},
        },
    },
};

/// Verifies tokens. The state that the clones of a verifier share.
pub(super) struct Verification<C> {
    issuers: TrustedIssuers,
    /// The number of times that keys were replaced.
    revision: AtomicU64,
    /// The names of revocable claims.
    revocable: Vec<String>,
    retention: Retention,
    clock: Arc<dyn Clock>,
    claims: PhantomData<fn() -> C>,
}

impl<C> Verification<C> {
    pub(super) fn new(issuers: TrustedIssuers, revocable: Vec<String>, clock: Arc<dyn Clock>) -> Self {
        let retention = issuers.retention();
        Self { issuers, revision: AtomicU64::new(0), revocable, retention, clock, claims: PhantomData }
    }

    /// Replaces the keys of this issuer, or of the single one if `None`.
    pub(super) fn replace_keys(&self, issuer: Option<&str>, keys: KeySet) -> Result<(), ConfigError> {
        match issuer {
            Some(issuer) => self.issuers.replace_keys_of(issuer, keys),
            None => self.issuers.replace_keys(keys),
        }?;
        // Changed after the keys, so that a token that is verified with the old keys in between has
        // the old revision.
        self.revision.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn retention(&self) -> Retention {
        self.retention
    }

    pub(super) fn revocable(&self) -> Revocable {
        let revocable = Revocable::unknown().with_claims(&self.revocable);
        match self.issuers.names() {
            names if names.is_empty() => revocable,
            names => revocable.with_issuers(names),
        }
    }
}

impl<C: DeserializeOwned> Verification<C> {
    pub(super) fn verify(&self, token: &str) -> Result<VerifiedToken<C>, VerifyError> {
        let jws = Jws::split(token)?;
        if let Some(sole) = self.issuers.sole() {
            sole.authenticate(&jws)?;
            return self.judge(sole, &jws, jws.payload(&mut Buffer::new())?);
        }
        let mut buffer = Buffer::new();
        let payload = jws.payload(&mut buffer)?;
        let claimed = self.issuers.claimed(payload)?;
        claimed.authenticate(&jws)?;
        self.judge(claimed, &jws, payload)
    }

    pub(super) fn explain(&self, token: &str) -> Option<String> {
        let VerifyError::Invalid(error) = self.verify(token).err()? else { return None };
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
            Some(sole) => sole,
            None => self.issuers.claimed(payload).ok()?,
        };
        issuer.authenticate(&jws).ok()?;
        let payload = str::from_utf8(payload).ok()?;
        let error = RegisteredClaims::read(payload).err().or_else(|| application_claims::read::<C>(payload).err())?;
        Some(redaction::describe(&error))
    }

    /// Checks the claims of a token that the issuer has signed.
    fn judge(
        &self,
        TrustedIssuer { policy, .. }: &TrustedIssuer,
        jws: &Jws<'_>,
        payload: &[u8],
    ) -> Result<VerifiedToken<C>, VerifyError> {
        let payload = str::from_utf8(payload).map_err(|_| InvalidToken::Claims)?;
        let registered = RegisteredClaims::read(payload).map_err(|_| InvalidToken::Claims)?;
        let now = self.clock.now();
        policy.judge(&registered, now)?;
        let identity = policy.identify(jws, &registered, payload, &self.revocable)?;
        if !policy.retention().accepts_expiry(registered.exp, now) {
            return Err(VerifyError::Expired);
        }
        let claims = application_claims::read(payload).map_err(|_| InvalidToken::OwnClaims)?;
        Ok(VerifiedToken::new(identity, claims))
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
