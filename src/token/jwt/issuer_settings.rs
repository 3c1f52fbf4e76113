//! [`IssuerSettings`]: requirements for tokens, as configured.

use std::time::Duration;

use crate::{
    revocation::Retention,
    token::jwt::{Algorithm, ConfigError, registered_claims::RegisteredClaims},
};

/// Requirements for tokens, configured for one issuer or for all issuers of a verifier.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(super) struct IssuerSettings {
    pub(super) audiences: Vec<String>,
    pub(super) allow_any_audience: bool,
    pub(super) types: Option<Vec<String>>,
    pub(super) algorithms: Option<Vec<Algorithm>>,
    pub(super) require_jti: bool,
    pub(super) require_iat: bool,
    pub(super) allow_integer_subject: bool,
    pub(super) allow_unverified_binding: bool,
    /// The claim that names the session, if it is not `sid`.
    pub(super) session_claim: Option<String>,
    /// The claim that names the subject, if it is not `sub`.
    pub(super) subject_claim: Option<String>,
    /// Whether tokens must follow RFC 9068.
    pub(super) rfc9068: bool,
    pub(super) leeway: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) max_keys: Option<usize>,
}

impl IssuerSettings {
    /// Completes the settings of an issuer with those for all issuers.
    pub(super) fn or(mut self, general: &Self) -> Self {
        if self.audiences.is_empty() && !self.allow_any_audience {
            self.audiences.clone_from(&general.audiences);
            self.allow_any_audience = general.allow_any_audience && !self.rfc9068;
        }
        // The profile of an issuer replaces the types of the verifier.
        let general_types = general.types.as_ref().filter(|_| !self.rfc9068);
        Self {
            types: self.types.or_else(|| general_types.cloned()),
            algorithms: self.algorithms.or_else(|| general.algorithms.clone()),
            require_jti: self.require_jti || general.require_jti,
            require_iat: self.require_iat || general.require_iat,
            allow_integer_subject: self.allow_integer_subject || general.allow_integer_subject,
            allow_unverified_binding: self.allow_unverified_binding || general.allow_unverified_binding,
            session_claim: self.session_claim.or_else(|| general.session_claim.clone()),
            subject_claim: self.subject_claim.or_else(|| general.subject_claim.clone()),
            rfc9068: self.rfc9068 || general.rfc9068,
            leeway: self.leeway.or(general.leeway),
            max_lifetime: self.max_lifetime.or(general.max_lifetime),
            max_keys: self.max_keys.or(general.max_keys),
            ..self
        }
    }

    /// # Errors
    ///
    /// If the settings are contradictory.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let types = self.types.as_deref().unwrap_or_default();
        for (what, texts) in [
            ("an audience", self.audiences.as_slice()),
            ("a type (`typ`)", types),
            ("the name of the session claim", self.session_claim.as_slice()),
            ("the name of the subject claim", self.subject_claim.as_slice()),
        ] {
            if texts.iter().any(String::is_empty) {
                return Err(ConfigError::Empty(what));
            }
        }
        if let Some(name) = self.session_claim.iter().chain(&self.subject_claim).find(|name| !is_identifier(name)) {
            return Err(ConfigError::NoIdentifier(name.clone()));
        }
        if self.allow_any_audience && !self.audiences.is_empty() {
            return Err(ConfigError::ContradictoryAudience);
        }
        if self.algorithms.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::NoAlgorithms);
        }
        if self.rfc9068 && self.types.is_some() {
            return Err(ConfigError::ContradictoryProfile("typ()"));
        }
        if self.rfc9068 && self.allow_any_audience {
            return Err(ConfigError::ContradictoryProfile("allow_any_audience()"));
        }
        if self.max_lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(ConfigError::ZeroLifetime);
        }
        Ok(())
    }

    /// Does the same for settings that no others complete.
    ///
    /// # Errors
    ///
    /// If the settings are contradictory or incomplete.
    pub(super) fn validate_complete(&self) -> Result<(), ConfigError> {
        self.validate()?;
        if self.rfc9068 && self.audiences.is_empty() { Err(ConfigError::ProfileWithoutAudience) } else { Ok(()) }
    }

    pub(super) fn session_claim(&self) -> &str {
        self.session_claim.as_deref().unwrap_or("sid")
    }

    pub(super) fn subject_claim(&self) -> &str {
        self.subject_claim.as_deref().unwrap_or("sub")
    }

    /// Whether tokens of this media type are accepted; `typ` has no `application/` in front.
    pub(super) fn allows_type(&self, typ: Option<&str>) -> bool {
        let is_one_of = |types: &[&str]| typ.is_some_and(|typ| types.iter().any(|one| one.eq_ignore_ascii_case(typ)));
        match &self.types {
            _ if self.rfc9068 => is_one_of(&[ACCESS_TOKEN]),
            None => typ.is_none() || is_one_of(&["JWT", ACCESS_TOKEN]),
            Some(types) => typ.is_some_and(|typ| types.iter().any(|allowed| allowed.eq_ignore_ascii_case(typ))),
        }
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

/// Whether a claim of this name can name a session or a subject.
fn is_identifier(name: &str) -> bool {
    !RegisteredClaims::NAMES.contains(&name) || RegisteredClaims::IDENTIFIERS.contains(&name)
}

/// The media type of access tokens (RFC 9068, section 2.1).
const ACCESS_TOKEN: &str = "at+jwt";
const DEFAULT_MAX_KEYS: usize = 100;
