//! [`TrustedIssuer`]: an issuer with its keys and its policy.

use std::sync::Arc;

#[cfg(feature = "receivers")]
use crate::token::jwt::{Algorithm, signed_messages::Accepted};
use crate::{
    revocation::Retention,
    token::{
        VerifyError,
        jwt::{
            ConfigError, InvalidToken, IssuerHealth, KeySet, KeySourceError,
            build::Common,
            issuer_keys::IssuerKeys,
            issuer_settings::IssuerSettings,
            jws::Jws,
            key_source::{FetchSettings, Fetched, KeySource, Location, Progress},
            policy::Policy,
            verification_keys::VerificationKeys,
        },
    },
};

/// An issuer, or a set of keys that sign for any issuer.
#[derive(Debug)]
pub(super) struct TrustedIssuer {
    keys: Arc<IssuerKeys>,
    policy: Arc<Policy>,
    source: Option<KeySource>,
}

/// The reason why it is not proven that the issuer has signed a token.
pub(super) enum Unproven {
    Invalid(InvalidToken),
    /// A key that the issuer has published since its keys were fetched may have signed it.
    NewKey(InvalidToken),
    /// The keys of the issuer could not be fetched.
    NoKeys,
}

impl TrustedIssuer {
    /// An issuer with these keys.
    pub(super) fn with_keys(
        name: Option<String>,
        keys: KeySet,
        settings: IssuerSettings,
        common: &Common,
    ) -> Result<Self, ConfigError> {
        let policy = Arc::new(Policy::new(name, settings, common.clock_skew)?);
        let keys = VerificationKeys::new(keys, &policy)?;
        Ok(Self { keys: Arc::new(IssuerKeys::new(Some(keys), Arc::clone(&common.revision))), policy, source: None })
    }

    /// An issuer whose keys are fetched from this location. `label` is its name in metrics.
    pub(super) fn with_source(
        name: &str,
        location: Location,
        settings: IssuerSettings,
        fetching: &FetchSettings,
        label: Arc<str>,
        common: &Common,
    ) -> Result<Self, ConfigError> {
        let runtime = common.runtime.as_ref().ok_or(ConfigError::NotStarted)?;
        let policy = Arc::new(Policy::new(Some(name.to_owned()), settings, common.clock_skew)?);
        let keys = Arc::new(IssuerKeys::new(None, Arc::clone(&common.revision)));
        let fetched =
            Fetched { keys: Arc::clone(&keys), policy: Arc::clone(&policy), clock: Arc::clone(&common.clock), label };
        let source = KeySource::start(location, fetching, fetched, runtime)?;
        Ok(Self { keys, policy, source: Some(source) })
    }

    /// Checks that the issuer has signed the token.
    pub(super) fn authenticate(&self, jws: &Jws<'_>) -> Result<(), Unproven> {
        self.with_keys_now(|keys| keys.authenticate(jws, &self.policy))
    }

    /// Checks that the issuer has signed a message that is not a token. Returns the algorithm.
    #[cfg(feature = "receivers")]
    pub(super) fn authenticate_message(&self, jws: &Jws<'_>, accepted: Accepted<'_>) -> Result<Algorithm, Unproven> {
        self.with_keys_now(|keys| keys.authenticate_message(jws, &self.policy, accepted))
    }

    fn with_keys_now<T>(&self, check: impl FnOnce(&VerificationKeys) -> Result<T, Unproven>) -> Result<T, Unproven> {
        let keys = self.keys.current();
        let Some(keys) = keys.as_ref() else { return Err(Unproven::NoKeys) };
        check(keys).map_err(|unproven| match unproven {
            Unproven::NewKey(reason) if self.source.is_none() => Unproven::Invalid(reason),
            unproven => unproven,
        })
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn retention(&self) -> Retention {
        self.policy.retention()
    }

    /// The attempts to fetch its keys, if they are fetched.
    pub(super) fn progress(&self) -> Option<&Arc<Progress>> {
        self.source.as_ref().map(KeySource::progress)
    }

    /// The error of a token that cannot be verified because there are no keys.
    pub(super) fn no_keys(&self) -> VerifyError {
        VerifyError::unavailable(KeysMissing { source: self.progress().and_then(|progress| progress.error()) })
    }

    /// The error of a verifier that cannot start without its keys.
    pub(super) fn start_error(&self) -> Option<ConfigError> {
        if self.keys.are_known() {
            return None;
        }
        let source = self.progress()?.error()?;
        Some(ConfigError::KeysNotFetched { issuer: self.policy.issuer().unwrap_or_default().to_owned(), source })
    }

    pub(super) fn replace_keys(&self, keys: KeySet) -> Result<(), ConfigError> {
        if self.source.is_some() {
            return Err(ConfigError::KeysAreFetched);
        }
        self.keys.replace(VerificationKeys::new(keys, &self.policy)?);
        Ok(())
    }

    pub(super) fn purge_keys(&self) -> Result<(), ConfigError> {
        let progress = self.progress().ok_or(ConfigError::KeysAreNotFetched)?;
        self.keys.withdraw();
        progress.purge();
        Ok(())
    }

    pub(super) fn health(&self) -> IssuerHealth {
        let (issuer, keys) = (self.policy.issuer().unwrap_or_default().to_owned(), self.keys.current());
        let keys = keys.as_ref().map(|keys| keys.len());
        match &self.source {
            Some(source) => source.health(issuer, keys.is_some()),
            None => IssuerHealth {
                issuer,
                is_ready: true,
                keys: keys.unwrap_or_default(),
                skipped: 0,
                age: None,
                error: None,
            },
        }
    }
}

impl From<InvalidToken> for Unproven {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(reason)
    }
}

/// The source of [`VerifyError::Unavailable`] if an issuer has no keys.
#[derive(Debug, thiserror::Error)]
#[error("the keys of the token's issuer have not been fetched yet, or not for too long")]
struct KeysMissing {
    source: Option<Arc<KeySourceError>>,
}
