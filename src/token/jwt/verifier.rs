//! [`JwtVerifier`]: the verifier of an application that is configured.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::{
    clock::Clock,
    revocation::{Retention, Revocable},
    token::{
        Caching, Claims, TokenVerifier, VerifiedToken, VerifyError,
        jwt::{ConfigError, KeySet, verification::Verification},
    },
};

/// Verifies JSON Web Tokens and yields claims of type `C`.
///
/// A token is accepted if one of the keys has signed it, its header asks for nothing unknown, `iss`, `aud` and `typ` are as configured, and its
/// time has come and is not over. Time is judged by the clock and the [`Retention`] that also say how long a revocation is remembered.
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
/// // While it runs, to rotate: the new key, and the old one until the last of its tokens has expired.
/// let old = Key::secret(Algorithm::HS256, "a secret of at least 32 random bytes")?.with_kid("2026-10");
/// let new = Key::secret(Algorithm::HS256, "one more secret, as long and as random")?.with_kid("2026-11");
/// verifier.replace_keys(KeySet::from_iter([new, old]))?;
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

    /// Replaces all keys of a verifier with one issuer, or with any, at once and for every clone of whatever uses this verifier.
    ///
    /// # Errors
    ///
    /// If the set is empty or too large, or if there are [several issuers](JwtVerifier::issuers); the keys stay as they were.
    pub fn replace_keys(&self, keys: impl Into<KeySet>) -> Result<(), ConfigError> {
        self.verification.replace_keys(None, keys.into())
    }

    /// Replaces all keys of this issuer, at once and for every clone of whatever uses this verifier. Those of other issuers stay.
    ///
    /// # Errors
    ///
    /// If there is no such issuer, or the set is empty or too large; the keys stay as they were.
    pub fn replace_keys_of(&self, issuer: &str, keys: impl Into<KeySet>) -> Result<(), ConfigError> {
        self.verification.replace_keys(Some(issuer), keys.into())
    }
}

#[async_trait]
impl<C: DeserializeOwned + Send + Sync + 'static> TokenVerifier for JwtVerifier<C> {
    type Claims = C;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<C>, VerifyError> {
        self.verification.verify(token)
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<C>, VerifyError>> {
        Some(self.verification.verify(token))
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
