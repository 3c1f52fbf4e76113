//! [`Policy`]: the check of a token's claims against the requirements, and the token's identity.

use std::{slice, time::Duration};

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    revocation::{Retention, RevocationKey, TokenIdentity},
    token::{
        json_value::{JsonStr, OneOrMore},
        jwt::{
            Algorithm, ConfigError, InvalidToken, KeySet, identifier_claim, issuer_settings::IssuerSettings,
            registered_claims::RegisteredClaims,
        },
        subject::Subject,
    },
};

/// Requirements for the claims and the type of an issuer's tokens.
#[derive(Debug)]
pub(super) struct Policy {
    issuer: Option<Name>,
    settings: IssuerSettings,
    retention: Retention,
}

/// The name of an issuer, and the revocation key that all its tokens have.
#[derive(Debug)]
struct Name {
    text: String,
    key: RevocationKey,
}

impl Policy {
    /// Creates the policy for tokens of this issuer, or of any issuer.
    ///
    /// # Errors
    ///
    /// If the settings are incomplete or contradictory.
    pub(super) fn new(
        issuer: Option<String>,
        settings: IssuerSettings,
        clock_skew: Duration,
    ) -> Result<Self, ConfigError> {
        if issuer.as_ref().is_some_and(String::is_empty) {
            return Err(ConfigError::Empty("an issuer"));
        }
        settings.validate_complete()?;
        let retention = settings.retention().with_clock_skew(clock_skew);
        let issuer = issuer.map(|text| Name { key: RevocationKey::issuer(&text), text });
        Ok(Self { issuer, settings, retention })
    }

    /// The issuer whose tokens are accepted, or `None` if any issuer is.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_ref().map(|issuer| issuer.text.as_str())
    }

    pub(super) fn retention(&self) -> Retention {
        self.retention
    }

    pub(super) fn max_keys(&self) -> usize {
        self.settings.max_keys()
    }

    pub(super) fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    pub(super) fn allows_algorithm(&self, algorithm: Algorithm) -> bool {
        self.settings.algorithms.as_ref().is_none_or(|allowed| allowed.contains(&algorithm))
    }

    /// # Errors
    ///
    /// If none of the keys can verify a token of an allowed algorithm.
    pub(super) fn allows_one_of(&self, keys: &KeySet) -> Result<(), ConfigError> {
        if keys.iter().any(|key| key.algorithms().iter().any(|own| self.allows_algorithm(*own))) {
            return Ok(());
        }
        Err(ConfigError::NoKeyForAlgorithms { allowed: self.settings.algorithms.clone().unwrap_or_default() })
    }

    pub(super) fn allows_type(&self, typ: Option<&str>) -> bool {
        self.settings.allows_type(typ)
    }

    pub(super) fn accepts_audience(&self, aud: Option<&OneOrMore<JsonStr<'_>>>) -> bool {
        let Self { settings, .. } = self;
        let is_accepted = |aud: &JsonStr<'_>| settings.audiences.iter().any(|accepted| **accepted == **aud);
        match aud {
            None => settings.audiences.is_empty(),
            Some(aud) => settings.allow_any_audience || aud.as_slice().iter().any(is_accepted),
        }
    }

    /// Checks the claims, except whether the token has expired.
    pub(super) fn judge(&self, claims: &RegisteredClaims<'_>, now: Timestamp) -> Result<(), InvalidToken> {
        let Self { issuer, settings, retention } = self;
        if issuer.as_ref().is_some_and(|issuer| claims.iss.as_deref() != Some(&issuer.text)) {
            return Err(InvalidToken::Issuer);
        }
        if !self.accepts_audience(claims.aud.as_ref()) {
            return Err(InvalidToken::Audience);
        }
        if claims.cnf.is_some() && !settings.allow_unverified_binding {
            return Err(InvalidToken::UnverifiedBinding);
        }
        if claims.sub.as_ref().is_some_and(|sub| sub.is_integer) && !settings.allow_integer_subject {
            return Err(InvalidToken::IntegerSubject);
        }
        if (settings.require_jti || settings.rfc9068) && named(claims.jti.as_ref()).is_none() {
            return Err(InvalidToken::NoTokenId);
        }
        if (settings.require_iat || settings.rfc9068) && claims.iat.is_none() {
            return Err(InvalidToken::NoIssuedAt);
        }
        // RFC 9068, section 2.2.
        if settings.rfc9068 && named(claims.sub.as_ref().map(|sub| &sub.text)).is_none() {
            return Err(InvalidToken::NoSubject);
        }
        if settings.rfc9068 && named(claims.client_id.as_ref()).is_none() {
            return Err(InvalidToken::NoClientId);
        }
        if claims.nbf.is_some_and(|nbf| !retention.accepts_not_before(nbf, now)) {
            return Err(InvalidToken::NotYetValid);
        }
        if claims.iat.is_some_and(|iat| !retention.accepts_issued_at(iat, now)) {
            return Err(InvalidToken::IssuedInFuture);
        }
        if !retention.accepts_lifetime(claims.iat.unwrap_or(now), claims.exp) {
            return Err(InvalidToken::TooLongLived);
        }
        Ok(())
    }

    /// Returns the identity of the token, with all its revocation keys. `text` identifies a token
    /// without a `jti`: what its signature covers, or the whole of an opaque token.
    pub(super) fn identify(
        &self,
        text: &str,
        claims: &RegisteredClaims<'_>,
        payload: &str,
        revocable: &[String],
    ) -> Result<TokenIdentity, InvalidToken> {
        let iss = claims.iss.as_deref();
        let own = match named(claims.jti.as_ref()) {
            Some(jti) => RevocationKey::token_id(iss, jti),
            None => RevocationKey::signing_input(text),
        };
        let issued_at = claims.iat.unwrap_or(Timestamp::MIN);
        let mut identity = TokenIdentity::new(own, issued_at, claims.exp, &self.retention);
        if let Some(iss) = iss {
            identity.add(self.issuer.as_ref().map_or_else(|| RevocationKey::issuer(iss), |issuer| issuer.key));
        }
        let own_session;
        let session = match &self.settings.session_claim {
            None => claims.sid.as_ref(),
            Some(name) => {
                own_session = self.identifier(payload, name, InvalidToken::SessionClaim)?;
                own_session.as_ref().map(|own| &own.text)
            }
        };
        if let Some(session) = named(session) {
            identity.add(RevocationKey::session(iss, session));
        }
        let own_subject;
        let subject = match &self.settings.subject_claim {
            None => claims.sub.as_ref(),
            Some(name) => {
                own_subject = self.identifier(payload, name, InvalidToken::SubjectClaim)?;
                own_subject.as_ref()
            }
        };
        if let Some(subject) = named(subject.map(|subject| &subject.text)) {
            identity.add(RevocationKey::subject(iss, subject));
        }
        for client in [claims.client_id.as_ref(), claims.azp.as_ref()].into_iter().filter_map(named) {
            identity.add(RevocationKey::client(iss, client));
        }
        add_revocable_claims(&mut identity, iss, payload, revocable)?;
        Ok(identity)
    }

    /// Reads a claim that names the session or the subject.
    fn identifier<'a>(
        &self,
        payload: &'a str,
        name: &str,
        otherwise: InvalidToken,
    ) -> Result<Option<Subject<'a>>, InvalidToken> {
        let value = identifier_claim::read(payload, name).map_err(|_| otherwise)?;
        match &value {
            Some(value) if value.is_integer && !self.settings.allow_integer_subject => Err(otherwise),
            _ => Ok(value),
        }
    }
}

/// Adds the revocation keys of the claims that are configured as revocable.
fn add_revocable_claims(
    identity: &mut TokenIdentity,
    issuer: Option<&str>,
    payload: &str,
    revocable: &[String],
) -> Result<(), InvalidToken> {
    if revocable.is_empty() {
        return Ok(());
    }
    let all: Map<String, Value> = serde_json::from_str(payload).map_err(|_| InvalidToken::Claims)?;
    for name in revocable {
        let values = match all.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(values)) => values.as_slice(),
            Some(value) => slice::from_ref(value),
        };
        for value in values {
            let text = scalar(value).ok_or(InvalidToken::RevocableClaim)?;
            identity.add(RevocationKey::claim(issuer, name, &text));
        }
    }
    Ok(())
}

/// Returns a name unless it is empty, because an empty name would connect all tokens that have it.
fn named<'a>(name: Option<&'a JsonStr<'_>>) -> Option<&'a str> {
    name.map(|name| &**name).filter(|name| !name.is_empty())
}

/// The form of a value that [`Revoker::claim`](crate::Revoker::claim) takes: a string unchanged, an
/// integer in decimal, `true` or `false`.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
