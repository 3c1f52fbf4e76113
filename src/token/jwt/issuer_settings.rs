//! [`IssuerSettings`]: requirements for tokens, as configured.

use std::time::Duration;

use crate::{revocation::Retention, token::jwt::ConfigError};

/// Requirements for tokens, configured for one issuer or for all issuers of a verifier.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(super) struct IssuerSettings {
    pub(super) audiences: Vec<String>,
    pub(super) allow_any_audience: bool,
    pub(super) types: Option<Vec<String>>,
    pub(super) require_jti: bool,
    pub(super) require_iat: bool,
    pub(super) allow_integer_subject: bool,
    pub(super) allow_unverified_binding: bool,
    pub(super) leeway: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) max_keys: Option<usize>,
}

impl IssuerSettings {
    /// Completes the settings of an issuer with those for all issuers.
    pub(super) fn or(mut self, general: &Self) -> Self {
        if self.audiences.is_empty() && !self.allow_any_audience {
            self.audiences.clone_from(&general.audiences);
            self.allow_any_audience = general.allow_any_audience;
        }
        Self {
            types: self.types.or_else(|| general.types.clone()),
            require_jti: self.require_jti || general.require_jti,
            require_iat: self.require_iat || general.require_iat,
            allow_integer_subject: self.allow_integer_subject || general.allow_integer_subject,
            allow_unverified_binding: self.allow_unverified_binding || general.allow_unverified_binding,
            leeway: self.leeway.or(general.leeway),
            max_lifetime: self.max_lifetime.or(general.max_lifetime),
            max_keys: self.max_keys.or(general.max_keys),
            ..self
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let types = self.types.as_deref().unwrap_or_default();
        for (what, texts) in [("an audience", self.audiences.as_slice()), ("a type (`typ`)", types)] {
            if texts.iter().any(String::is_empty) {
                return Err(ConfigError::Empty(what));
            }
        }
        if self.allow_any_audience && !self.audiences.is_empty() {
            return Err(ConfigError::ContradictoryAudience);
        }
        if self.max_lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(ConfigError::ZeroLifetime);
        }
        Ok(())
    }

    pub(super) fn retention(&self) -> Retention {
        let retention = Retention::default();
        let retention = self.leeway.map_or(retention, |leeway| retention.with_leeway(leeway));
        self.max_lifetime.map_or(retention, |max_lifetime| retention.with_max_lifetime(max_lifetime))
    }

    pub(super) fn max_keys(&self) -> usize {
        self.max_keys.unwrap_or(DEFAULT_MAX_KEYS)
    }
}

const DEFAULT_MAX_KEYS: usize = 100;
