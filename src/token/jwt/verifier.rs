//! [`JwtVerifier`]: a verifier, ready for use.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::de::DeserializeOwned;

#[cfg(feature = "receivers")]
use crate::token::jwt::MessageVerifier;
use crate::{
    clock::Clock,
    revocation::{Retention, Revocable},
    token::{
        Caching, Claims, TokenVerifier, VerifiedToken, VerifyError,
        jwt::{ConfigError, KeySet, VerifierHealth, verification::Verification},
    },
};

/// Verifies JSON Web Tokens and returns claims of type `C`.
///
/// A token is accepted if one of the keys has signed it, its header has no unknown critical
/// extension, `iss`, `aud` and `typ` are as configured, and it is valid at the current time. Time
/// is judged by the clock and the [`Retention`] that also determine how long revocations are
/// retained.
///
/// # Examples
///
/// ```
/// use tower_logout::{JwtVerifier, token::jwt::{Algorithm, Key, KeySet}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = JwtVerifier::hs256("a secret of at least 32 random bytes")
///     .issuer("https://matar.app")
///     .audience("https://api.matar.app")
///     .build()?;
///
/// // Key rotation at run time: the old key stays until the last of its tokens has expired.
/// let old = Key::secret(Algorithm::HS256, "a secret of at least 32 random bytes")?;
/// let new = Key::secret(Algorithm::HS256, "one more secret, as long and as random")?;
/// let keys = KeySet::from_iter([new.with_kid("2026-11"), old.with_kid("2026-10")]);
/// verifier.replace_keys(keys)?;
/// # Ok(())
/// # }
/// ```
pub struct JwtVerifier<C = Claims>
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    verification: Arc<Verification<C>>,
}

impl<C: DeserializeOwned + Send + Sync + 'static> JwtVerifier<C> {
    pub(super) fn new(verification: Verification<C>) -> Self {
        Self { verification: Arc::new(verification) }
    }

    /// Replaces all keys of a verifier that has a single set of keys. Takes effect at once, in
    /// every clone of this verifier.
    ///
    /// # Errors
    ///
    /// If the set is empty or too large, or if there are [several issuers](JwtVerifier::issuers).
    /// The keys are then unchanged.
    pub fn replace_keys(&self, keys: impl Into<KeySet>) -> Result<(), ConfigError> {
        self.verification.replace_keys(None, keys.into())
    }

    /// Replaces all keys of this issuer and of no other. Takes effect at once, in every clone of
    /// this verifier.
    ///
    /// # Errors
    ///
    /// If there is no such issuer, or the set is empty or too large. The keys are then unchanged.
    pub fn replace_keys_of(&self, issuer: &str, keys: impl Into<KeySet>) -> Result<(), ConfigError> {
        self.verification.replace_keys(Some(issuer), keys.into())
    }

    /// Discards the fetched keys of this issuer and fetches them again, for an emergency: a key that
    /// was compromised, and that the provider has removed just now. Tokens of the issuer are
    /// answered with 503 until its keys are fetched.
    ///
    /// # Errors
    ///
    /// If there is no such issuer, or its keys are not fetched.
    pub fn purge_keys_of(&self, issuer: &str) -> Result<(), ConfigError> {
        self.verification.purge_keys_of(issuer)
    }

    /// Forgets an issuer that the closure of [`issuers_by`](JwtVerifier::issuers_by) has allowed, for
    /// example because the tenant has left. The closure is asked again with its next token.
    ///
    /// Until then, no token of the issuer is accepted. To end live streams at once as well, revoke
    /// its tokens with [`Revoker::issuer`](crate::Revoker::issuer).
    pub fn forget_issuer(&self, issuer: &str) {
        self.verification.forget_issuer(issuer);
    }

    /// Returns the state of the keys, for a readiness probe.
    #[must_use]
    pub fn health(&self) -> VerifierHealth {
        self.verification.health()
    }

    pub(super) async fn fetched(&self) -> Result<(), ConfigError> {
        self.verification.fetched().await
    }
}

#[async_trait]
impl<C: DeserializeOwned + Send + Sync + 'static> TokenVerifier for JwtVerifier<C> {
    type Claims = C;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<C>, VerifyError> {
        self.verification.verify(token).await
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<C>, VerifyError>> {
        self.verification.verify_now(token)
    }

    fn caching(&self) -> Caching {
        Caching::UntilExpiry
    }

    fn revision(&self) -> u64 {
        self.verification.revision()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(self.verification.clock())
    }

    fn retention(&self) -> Retention {
        self.verification.retention()
    }

    fn revocable(&self) -> Revocable {
        self.verification.revocable()
    }

    fn explain(&self, token: &str) -> Option<String> {
        self.verification.explain(token)
    }

    #[cfg(feature = "receivers")]
    fn messages(&self) -> Option<MessageVerifier> {
        Some(MessageVerifier::new(Arc::<Verification<C>>::clone(&self.verification)))
    }
}

/// Clones share their keys.
impl<C: DeserializeOwned + Send + Sync + 'static> Clone for JwtVerifier<C> {
    fn clone(&self) -> Self {
        Self { verification: Arc::clone(&self.verification) }
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> fmt::Debug for JwtVerifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier").field("verification", &self.verification).finish()
    }
}
