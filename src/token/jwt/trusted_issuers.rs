//! [`TrustedIssuers`]: the issuers of a verifier.

use std::{collections::HashMap, ops::Deref, sync::Arc};

use foldhash::fast::RandomState;
use serde::Deserialize;

use crate::{
    revocation::Retention,
    token::{
        json_value::JsonStr,
        jwt::{
            ConfigError, InvalidToken, KeySet, VerifierHealth,
            issuer_settings::IssuerSettings,
            json::object,
            tenants::{NotATenant, Tenants},
            trusted_issuer::TrustedIssuer,
        },
    },
};

/// All issuers of a verifier.
#[derive(Debug)]
pub(super) enum TrustedIssuers {
    /// A single one, or several that have names.
    Listed(Listed),
    Tenants(Box<Tenants>),
}

#[derive(Debug)]
pub(super) struct Listed {
    all: Box<[TrustedIssuer]>,
    by_name: HashMap<Box<str>, usize, RandomState>,
}

/// The issuer that a token claims to have. Only its signature proves that.
pub(super) enum Claimed<'a> {
    Listed(&'a TrustedIssuer),
    Tenant(Arc<TrustedIssuer>),
}

impl TrustedIssuers {
    /// # Errors
    ///
    /// If there are none, or two of them have the same name.
    pub(super) fn listed(all: Vec<TrustedIssuer>) -> Result<Self, ConfigError> {
        if all.is_empty() {
            return Err(ConfigError::NoIssuers);
        }
        let mut by_name = HashMap::default();
        for (index, issuer) in all.iter().enumerate() {
            let Some(name) = issuer.policy().issuer() else { continue };
            if by_name.insert(name.into(), index).is_some() {
                return Err(ConfigError::DuplicateIssuer(name.to_owned()));
            }
        }
        Ok(Self::Listed(Listed { all: all.into(), by_name }))
    }

    /// The single issuer, or `None` if there are several.
    pub(super) fn sole(&self) -> Option<&TrustedIssuer> {
        match self.all() {
            [sole] => Some(sole),
            _ => None,
        }
    }

    /// The issuers that the verifier was built with.
    pub(super) fn all(&self) -> &[TrustedIssuer] {
        match self {
            Self::Listed(Listed { all, .. }) => all,
            Self::Tenants(_) => &[],
        }
    }

    /// The issuer that the claims name.
    pub(super) fn claimed(&self, payload: &[u8]) -> Result<Claimed<'_>, NotATenant> {
        #[derive(Deserialize)]
        struct Claims<'a> {
            #[serde(borrow)]
            iss: Option<JsonStr<'a>>,
        }
        let json = str::from_utf8(payload).map_err(|_| InvalidToken::Claims)?;
        let Claims { iss } = object(json).map_err(|_| InvalidToken::Claims)?;
        let iss = iss.ok_or(InvalidToken::Issuer)?;
        match self {
            Self::Listed(listed) => Ok(Claimed::Listed(listed.named(&iss).ok_or(InvalidToken::Issuer)?)),
            Self::Tenants(tenants) => tenants.find(&iss).map(Claimed::Tenant),
        }
    }

    pub(super) fn replace_keys(&self, keys: KeySet) -> Result<(), ConfigError> {
        let sole = self.sole().ok_or_else(|| ConfigError::WhichIssuer { known: self.names() })?;
        sole.replace_keys(keys)
    }

    pub(super) fn replace_keys_of(&self, issuer: &str, keys: KeySet) -> Result<(), ConfigError> {
        self.named(issuer)?.replace_keys(keys)
    }

    pub(super) fn purge_keys_of(&self, issuer: &str) -> Result<(), ConfigError> {
        self.named(issuer)?.purge_keys()
    }

    /// Forgets an issuer that the closure of the verifier has allowed.
    pub(super) fn forget(&self, issuer: &str) {
        if let Self::Tenants(tenants) = self {
            tenants.forget(issuer);
        }
    }

    fn named(&self, issuer: &str) -> Result<Claimed<'_>, ConfigError> {
        let named = match self {
            Self::Listed(listed) => listed.named(issuer).map(Claimed::Listed),
            Self::Tenants(tenants) => tenants.known(issuer).map(Claimed::Tenant),
        };
        named.ok_or_else(|| ConfigError::UnknownIssuer { issuer: issuer.to_owned(), known: self.names() })
    }

    /// The names of the issuers that the verifier was built with. Empty if any issuer is accepted.
    fn names(&self) -> Vec<String> {
        self.all().iter().filter_map(|issuer| issuer.policy().issuer()).map(str::to_owned).collect()
    }

    /// The names of all issuers, or `None` if they are not known.
    pub(super) fn known_names(&self) -> Option<Vec<String>> {
        Some(self.names()).filter(|names| !names.is_empty())
    }

    /// The settings of each issuer. Those of tenants are as far as they are known.
    pub(super) fn settings(&self) -> Vec<&IssuerSettings> {
        match self {
            Self::Listed(Listed { all, .. }) => all.iter().map(|issuer| issuer.policy().settings()).collect(),
            Self::Tenants(tenants) => vec![tenants.settings()],
        }
    }

    /// The retention that covers the tokens of all issuers.
    pub(super) fn retention(&self) -> Retention {
        match self {
            Self::Listed(Listed { all, .. }) => {
                let retentions = all.iter().map(TrustedIssuer::retention);
                retentions.reduce(|one, other| one.join(&other)).unwrap_or_default()
            }
            Self::Tenants(tenants) => tenants.retention(),
        }
    }

    pub(super) fn health(&self) -> VerifierHealth {
        let tenants = match self {
            Self::Listed(_) => 0,
            Self::Tenants(tenants) => tenants.len(),
        };
        VerifierHealth { issuers: self.all().iter().map(TrustedIssuer::health).collect(), tenants }
    }
}

impl Listed {
    fn named(&self, name: &str) -> Option<&TrustedIssuer> {
        self.by_name.get(name).map(|index| &self.all[*index])
    }
}

impl Deref for Claimed<'_> {
    type Target = TrustedIssuer;

    fn deref(&self) -> &TrustedIssuer {
        match self {
            Self::Listed(issuer) => issuer,
            Self::Tenant(issuer) => issuer,
        }
    }
}
