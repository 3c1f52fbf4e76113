//! One verification of a token, from its text to its claims.

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
            ConfigError, InvalidToken, KeySet,
            authority::{Authorities, Authority},
            document,
            jws::Jws,
        },
    },
};

/// Verifies each token anew.
pub(super) struct Verification<C> {
    authorities: Authorities,
    /// How often keys were replaced.
    revision: AtomicU64,
    /// The names of the claims that tokens can be revoked by.
    revocable: Vec<String>,
    retention: Retention,
    clock: Arc<dyn Clock>,
    claims: PhantomData<fn() -> C>,
}

impl<C> Verification<C> {
    pub(super) fn new(authorities: Authorities, revocable: Vec<String>, clock: Arc<dyn Clock>) -> Self {
        let retention = authorities.retention();
        Self { authorities, revision: AtomicU64::new(0), revocable, retention, clock, claims: PhantomData }
    }

    /// Replaces the keys of this issuer, or those that there are if `None`.
    pub(super) fn replace_keys(&self, issuer: Option<&str>, keys: KeySet) -> Result<(), ConfigError> {
        match issuer {
            Some(issuer) => self.authorities.replace_keys_of(issuer, keys),
            None => self.authorities.replace_keys(keys),
        }?;
        // Afterwards: what is verified with the old keys meanwhile has read the old number.
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
        let revocable = Revocable::unknown().claims(&self.revocable);
        match self.authorities.names() {
            names if names.is_empty() => revocable,
            names => revocable.issuers(names),
        }
    }
}

impl<C: DeserializeOwned> Verification<C> {
    pub(super) fn verify(&self, token: &str) -> Result<VerifiedToken<C>, VerifyError> {
        let jws = Jws::split(token)?;
        if let Some(sole) = self.authorities.sole() {
            sole.authenticate(&jws)?;
            return self.judge(sole, &jws, &jws.payload()?);
        }
        let payload = jws.payload()?;
        let claimed = self.authorities.claimed(&payload)?;
        claimed.authenticate(&jws)?;
        self.judge(claimed, &jws, &payload)
    }

    pub(super) fn explain(&self, token: &str) -> Option<String> {
        let VerifyError::Invalid(error) = self.verify(token).err()? else { return None };
        let reason: &InvalidToken = error.downcast_ref()?;
        match reason {
            InvalidToken::Claims | InvalidToken::OwnClaims => Some(format!("{reason}: {}", self.misfit(token)?)),
            _ => reason.remedy().map(|_| reason.to_string()),
        }
    }

    /// What is wrong with the claims of an authentic token, if they are.
    fn misfit(&self, token: &str) -> Option<String> {
        let jws = Jws::split(token).ok()?;
        let payload = jws.payload().ok()?;
        let authority = match self.authorities.sole() {
            Some(sole) => sole,
            None => self.authorities.claimed(&payload).ok()?,
        };
        authority.authenticate(&jws).ok()?;
        document::explain::<C>(str::from_utf8(&payload).ok()?)
    }

    /// Judges a token that the authority has signed.
    fn judge(
        &self,
        Authority { policy, .. }: &Authority,
        jws: &Jws<'_>,
        payload: &[u8],
    ) -> Result<VerifiedToken<C>, VerifyError> {
        let payload = str::from_utf8(payload).map_err(|_| InvalidToken::Claims)?;
        let (registered, claims) = document::read(payload)?;
        let now = self.clock.now();
        policy.judge(&registered, now)?;
        let identity = policy.identify(jws, &registered, payload, &self.revocable)?;
        if !policy.retention().is_alive(registered.exp, now) {
            return Err(VerifyError::Expired);
        }
        Ok(VerifiedToken::new(identity, claims))
    }
}

impl<C> fmt::Debug for Verification<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification")
            .field("authorities", &self.authorities)
            .field("revocable", &self.revocable)
            .finish_non_exhaustive()
    }
}
