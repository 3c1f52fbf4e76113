//! One verification of a token, from its text to its claims.

use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::{
    clock::Clock,
    revocation::Retention,
    token::{
        Revocable, TokenVerifier, VerifiedToken, VerifyError,
        jwt::{InvalidToken, KeySet, document, jws::Jws, keyring::Keyring, policy::Policy},
    },
};

/// Verifies each token anew.
pub(super) struct Verification<C> {
    keys: ArcSwap<Keyring>,
    /// How often the keys were replaced.
    revision: AtomicU64,
    policy: Policy,
    claims: PhantomData<fn() -> C>,
}

impl<C> Verification<C> {
    pub(super) fn new(keys: KeySet, policy: Policy) -> Self {
        let keys = ArcSwap::from_pointee(Keyring::new(keys));
        Self { keys, revision: AtomicU64::new(0), policy, claims: PhantomData }
    }

    pub(super) fn replace_keys(&self, keys: KeySet) {
        self.keys.store(Arc::new(Keyring::new(keys)));
        // Afterwards: what is verified with the old keys meanwhile has read the old number.
        self.revision.fetch_add(1, Ordering::AcqRel);
    }
}

impl<C: DeserializeOwned> Verification<C> {
    fn check(&self, token: &str) -> Result<VerifiedToken<C>, VerifyError> {
        let jws = Jws::split(token)?;
        self.keys.load().authenticate(&jws, |typ| self.policy.allows_type(typ))?;
        let payload = jws.payload()?;
        let payload = str::from_utf8(&payload).map_err(|_| InvalidToken::Claims)?;
        let (registered, claims) = document::read(payload)?;
        let now = self.policy.clock.now();
        self.policy.judge(&registered, now)?;
        let identity = self.policy.identify(&jws, &registered, payload)?;
        if !self.policy.retention.is_alive(registered.exp, now) {
            return Err(VerifyError::Expired);
        }
        Ok(VerifiedToken::new(identity, claims))
    }
}

#[async_trait]
impl<C: DeserializeOwned + Send + Sync + 'static> TokenVerifier for Verification<C> {
    type Claims = C;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<C>, VerifyError> {
        self.check(token)
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<C>, VerifyError>> {
        Some(self.check(token))
    }

    fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.policy.clock)
    }

    fn revocable(&self) -> Revocable {
        self.policy.revocable()
    }

    fn retention(&self) -> Retention {
        self.policy.retention
    }
}

impl<C> fmt::Debug for Verification<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification")
            .field("keys", &**self.keys.load())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
