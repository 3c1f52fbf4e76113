//! [`ClaimsPolicy`]: the check of claims that were not read from a token but received about it.

use std::{iter, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    clock::Timestamp,
    revocation::{Retention, Revocable},
    token::{
        VerifiedToken,
        json_value::OneOrMore,
        jwt::{
            ConfigError, InvalidToken, Issuer, application_claims, build::check_revocable, policy::Policy, redaction,
            registered_claims::RegisteredClaims,
        },
    },
};

/// Checks claims by the same requirements as those of a JWT of the issuer.
#[derive(Debug)]
pub(in crate::token) struct ClaimsPolicy {
    policy: Policy,
    issuer: String,
    /// The names of revocable claims.
    revocable: Vec<String>,
}

/// The reason why claims are not accepted.
#[derive(Clone, Debug)]
pub(in crate::token) enum Refused {
    /// The registered claims cannot be read. The text contains none of their values.
    Malformed(String),
    /// The token has expired.
    Expired,
    /// The token does not fit the requirements. The second text, without values of claims, says
    /// more.
    Invalid(InvalidToken, Option<String>),
}

impl From<InvalidToken> for Refused {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(reason, None)
    }
}

impl ClaimsPolicy {
    /// Creates the policy for tokens of this issuer, whose keys are not used.
    ///
    /// # Errors
    ///
    /// If the settings are incomplete or contradictory.
    pub(in crate::token) fn new(
        issuer: Issuer,
        revocable: Vec<String>,
        clock_skew: Duration,
    ) -> Result<Self, ConfigError> {
        check_revocable(&revocable)?;
        let name = issuer.name().to_owned();
        Ok(Self { policy: issuer.into_policy(clock_skew)?, issuer: name, revocable })
    }

    pub(in crate::token) fn retention(&self) -> Retention {
        self.policy.retention()
    }

    pub(in crate::token) fn allows_unverified_binding(&self) -> bool {
        self.policy.settings().allow_unverified_binding
    }

    pub(in crate::token) fn revocable(&self) -> Revocable {
        let settings = self.policy.settings();
        Revocable::unknown()
            .with_claims(&self.revocable)
            .with_identifiers(iter::once(settings.session_claim()), iter::once(settings.subject_claim()))
            .with_issuers([&self.issuer])
    }

    /// Judges the claims, which must include `exp`, of the token with this text.
    ///
    /// Claims without `iss` are those of the configured issuer. An empty list of audiences counts
    /// as none.
    pub(in crate::token) fn judge<C: DeserializeOwned>(
        &self,
        text: &str,
        claims: &str,
        now: Timestamp,
    ) -> Result<VerifiedToken<C>, Refused> {
        let mut registered =
            RegisteredClaims::read(claims).map_err(|error| Refused::Malformed(redaction::describe(&error)))?;
        registered.iss.get_or_insert_with(|| self.issuer.as_str().into());
        registered.aud = registered.aud.filter(|aud: &OneOrMore<_>| !aud.as_slice().is_empty());
        self.policy.judge(&registered, now)?;
        let identity = self.policy.identify(text, &registered, claims, &self.revocable)?;
        if !self.policy.retention().accepts_expiry(registered.exp, now) {
            return Err(Refused::Expired);
        }
        let own = application_claims::read(claims)
            .map_err(|error| Refused::Invalid(InvalidToken::OwnClaims, Some(redaction::describe(&error))))?;
        Ok(VerifiedToken::new(identity, own))
    }
}
