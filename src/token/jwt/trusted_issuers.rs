//! [`TrustedIssuers`]: the issuers of a verifier, each with its keys and its policy.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use serde::Deserialize;

use crate::{
    revocation::Retention,
    telemetry,
    token::{
        json_value::JsonStr,
        jwt::{
            ConfigError, InvalidToken, KeySet, issuer_settings::IssuerSettings, json::object, jws::Jws, policy::Policy,
            verification_keys::VerificationKeys,
        },
    },
};

/// An issuer, or a set of keys that sign for any issuer.
#[derive(Debug)]
pub(super) struct TrustedIssuer {
    keys: ArcSwap<VerificationKeys>,
    pub(super) policy: Policy,
}

impl TrustedIssuer {
    pub(super) fn new(
        issuer: Option<String>,
        keys: KeySet,
        settings: IssuerSettings,
        clock_skew: Duration,
    ) -> Result<Self, ConfigError> {
        let policy = Policy::new(issuer, settings, clock_skew)?;
        let keys = ArcSwap::from_pointee(verification_keys(keys, &policy)?);
        Ok(Self { keys, policy })
    }

    /// Checks that the issuer has signed the token.
    pub(super) fn authenticate(&self, jws: &Jws<'_>) -> Result<(), InvalidToken> {
        self.keys.load().authenticate(jws, |typ| self.policy.allows_type(typ))
    }

    fn replace_keys(&self, keys: KeySet) -> Result<(), ConfigError> {
        self.keys.store(Arc::new(verification_keys(keys, &self.policy)?));
        Ok(())
    }
}

fn verification_keys(keys: KeySet, policy: &Policy) -> Result<VerificationKeys, ConfigError> {
    if keys.is_empty() {
        return Err(ConfigError::NoKeys);
    }
    if keys.len() > policy.max_keys() {
        return Err(ConfigError::TooManyKeys { keys: keys.len(), max_keys: policy.max_keys() });
    }
    for skipped in keys.skipped() {
        telemetry::key_skipped(policy.issuer(), skipped.kid(), skipped.reason());
    }
    Ok(VerificationKeys::new(keys))
}

/// All issuers of a verifier: a single one, or several that have names.
#[derive(Debug)]
pub(super) struct TrustedIssuers {
    all: Box<[TrustedIssuer]>,
    by_name: HashMap<Box<str>, usize, RandomState>,
}

impl TrustedIssuers {
    /// # Errors
    ///
    /// If there are none, or two of them have the same name.
    pub(super) fn new(all: Vec<TrustedIssuer>) -> Result<Self, ConfigError> {
        if all.is_empty() {
            return Err(ConfigError::NoIssuers);
        }
        let mut by_name = HashMap::default();
        for (index, issuer) in all.iter().enumerate() {
            let Some(name) = issuer.policy.issuer() else { continue };
            if by_name.insert(name.into(), index).is_some() {
                return Err(ConfigError::DuplicateIssuer(name.to_owned()));
            }
        }
        Ok(Self { all: all.into(), by_name })
    }

    /// The single issuer, or `None` if there are several.
    pub(super) fn sole(&self) -> Option<&TrustedIssuer> {
        match &*self.all {
            [sole] => Some(sole),
            _ => None,
        }
    }

    /// The issuer that a token claims to have. Only its signature proves that.
    pub(super) fn claimed(&self, payload: &[u8]) -> Result<&TrustedIssuer, InvalidToken> {
        #[derive(Deserialize)]
        struct Claimed<'a> {
            #[serde(borrow)]
            iss: Option<JsonStr<'a>>,
        }
        let json = str::from_utf8(payload).map_err(|_| InvalidToken::Claims)?;
        let Claimed { iss } = object(json).map_err(|_| InvalidToken::Claims)?;
        iss.and_then(|iss| self.named(&iss)).ok_or(InvalidToken::Issuer)
    }

    fn named(&self, name: &str) -> Option<&TrustedIssuer> {
        self.by_name.get(name).map(|index| &self.all[*index])
    }

    pub(super) fn replace_keys(&self, keys: KeySet) -> Result<(), ConfigError> {
        let sole = self.sole().ok_or_else(|| ConfigError::WhichIssuer { known: self.names() })?;
        sole.replace_keys(keys)
    }

    pub(super) fn replace_keys_of(&self, issuer: &str, keys: KeySet) -> Result<(), ConfigError> {
        let unknown = || ConfigError::UnknownIssuer { issuer: issuer.to_owned(), known: self.names() };
        self.named(issuer).ok_or_else(unknown)?.replace_keys(keys)
    }

    /// The names of all issuers. Empty if any issuer is accepted.
    pub(super) fn names(&self) -> Vec<String> {
        self.all.iter().filter_map(|issuer| issuer.policy.issuer()).map(str::to_owned).collect()
    }

    /// The retention that covers the tokens of all issuers.
    pub(super) fn retention(&self) -> Retention {
        let retentions = self.all.iter().map(|issuer| issuer.policy.retention());
        retentions.reduce(|one, other| one.join(&other)).unwrap_or_default()
    }
}
