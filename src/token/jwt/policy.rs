use std::{slice, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Retention, RevocationKey, TokenIdentity},
    token::{
        Revocable,
        jwt::{
            ConfigError, InvalidToken,
            claims::{REGISTERED, Registered},
            jws::Jws,
            text::Text,
        },
    },
};

/// What is asked of a token beside its signature.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) issuers: Vec<Issuer>,
    pub(super) audiences: Vec<String>,
    pub(super) any_audience: bool,
    pub(super) types: Option<Vec<String>>,
    pub(super) require_jti: bool,
    pub(super) require_iat: bool,
    pub(super) revocable: Vec<String>,
    pub(super) allow_integer_subject: bool,
    pub(super) allow_unverified_binding: bool,
    pub(super) retention: Retention,
    pub(super) clock: Arc<dyn Clock>,
}

/// An issuer that is accepted, and the key that all its tokens carry.
#[derive(Debug)]
pub(super) struct Issuer {
    name: String,
    key: RevocationKey,
}

impl Issuer {
    pub(super) fn new(name: String) -> Self {
        Self { key: RevocationKey::issuer(&name), name }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            audiences: Vec::new(),
            any_audience: false,
            types: None,
            require_jti: false,
            require_iat: false,
            revocable: Vec::new(),
            allow_integer_subject: false,
            allow_unverified_binding: false,
            retention: Retention::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

impl Policy {
    /// Whether the configuration means what it says.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.issuers.iter().any(|issuer| issuer.name.is_empty()) {
            return Err(ConfigError::Empty("an issuer"));
        }
        let named = [
            ("an audience", self.audiences.as_slice()),
            ("a type (`typ`)", self.types.as_deref().unwrap_or_default()),
            ("the name of a revocable claim", &self.revocable),
        ];
        if let Some((what, _)) = named.iter().find(|(_, texts)| texts.iter().any(String::is_empty)) {
            return Err(ConfigError::Empty(what));
        }
        if self.any_audience && !self.audiences.is_empty() {
            return Err(ConfigError::ContradictoryAudience);
        }
        if self.retention.is_zero_lifetime() {
            return Err(ConfigError::ZeroLifetime);
        }
        if let Some(name) = self.revocable.iter().find(|name| REGISTERED.contains(&name.as_str())) {
            return Err(ConfigError::RegisteredClaim(name.clone()));
        }
        Ok(())
    }

    pub(super) fn allows_type(&self, typ: Option<&str>) -> bool {
        match (&self.types, typ) {
            (None, None) => true,
            (None, Some(typ)) => DEFAULT_TYPES.iter().any(|allowed| allowed.eq_ignore_ascii_case(typ)),
            (Some(_), None) => false,
            (Some(types), Some(typ)) => types.iter().any(|allowed| allowed.eq_ignore_ascii_case(typ)),
        }
    }

    /// Judges everything but whether the token has expired.
    pub(super) fn judge(&self, claims: &Registered<'_>, now: Timestamp) -> Result<(), InvalidToken> {
        if !self.issuers.is_empty() && claims.iss.as_deref().and_then(|iss| self.issuer(iss)).is_none() {
            return Err(InvalidToken::Issuer);
        }
        let is_ours = |aud: &Text<'_>| self.audiences.iter().any(|ours| **ours == **aud);
        let audience_fits = match &claims.aud {
            None => self.audiences.is_empty(),
            Some(aud) => self.any_audience || aud.as_slice().iter().any(is_ours),
        };
        if !audience_fits {
            return Err(InvalidToken::Audience);
        }
        if claims.cnf.is_some() && !self.allow_unverified_binding {
            return Err(InvalidToken::UnverifiedBinding);
        }
        if claims.sub.as_ref().is_some_and(|sub| sub.is_integer) && !self.allow_integer_subject {
            return Err(InvalidToken::IntegerSubject);
        }
        if self.require_jti && named(claims.jti.as_ref()).is_none() {
            return Err(InvalidToken::NoTokenId);
        }
        if self.require_iat && claims.iat.is_none() {
            return Err(InvalidToken::NoIssuedAt);
        }
        if claims.nbf.is_some_and(|nbf| !self.retention.has_begun(nbf, now)) {
            return Err(InvalidToken::NotYetValid);
        }
        if claims.iat.is_some_and(|iat| !self.retention.can_be_issued(iat, now)) {
            return Err(InvalidToken::IssuedInFuture);
        }
        if !self.retention.covers(claims.iat.unwrap_or(now), claims.exp) {
            return Err(InvalidToken::TooLongLived);
        }
        Ok(())
    }

    /// All that the token can be revoked by.
    pub(super) fn identify(
        &self,
        jws: &Jws<'_>,
        claims: &Registered<'_>,
        payload: &str,
    ) -> Result<TokenIdentity, InvalidToken> {
        let iss = claims.iss.as_deref();
        let own = match named(claims.jti.as_ref()) {
            Some(jti) => RevocationKey::token_id(iss, jti),
            None => RevocationKey::signing_input(jws.signing_input),
        };
        let issued_at = claims.iat.unwrap_or(Timestamp::MIN);
        let mut identity = TokenIdentity::new(own, issued_at, claims.exp, &self.retention);
        if let Some(iss) = iss {
            identity.add(self.issuer(iss).map_or_else(|| RevocationKey::issuer(iss), |issuer| issuer.key));
        }
        if let Some(sid) = named(claims.sid.as_ref()) {
            identity.add(RevocationKey::session(iss, sid));
        }
        if let Some(sub) = named(claims.sub.as_ref().map(|sub| &sub.text)) {
            identity.add(RevocationKey::subject(iss, sub));
        }
        for client in [claims.client_id.as_ref(), claims.azp.as_ref()].into_iter().filter_map(named) {
            identity.add(RevocationKey::client(iss, client));
        }
        self.add_revocable_claims(&mut identity, iss, payload)?;
        Ok(identity)
    }

    /// What accepted tokens can be revoked by.
    pub(super) fn revocable(&self) -> Revocable {
        let revocable = Revocable::unknown().claims(&self.revocable);
        if self.issuers.is_empty() {
            return revocable;
        }
        revocable.issuers(self.issuers.iter().map(|issuer| &issuer.name))
    }

    fn issuer(&self, name: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.name == name)
    }

    /// Adds the keys of the claims that the application has made revocable.
    fn add_revocable_claims(
        &self,
        identity: &mut TokenIdentity,
        issuer: Option<&str>,
        payload: &str,
    ) -> Result<(), InvalidToken> {
        if self.revocable.is_empty() {
            return Ok(());
        }
        let all: Map<String, Value> = serde_json::from_str(payload).map_err(|_| InvalidToken::Claims)?;
        for name in &self.revocable {
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
}

/// A name that tells one thing from another: an empty one does not, and would tie together all tokens that have it.
fn named<'a>(name: Option<&'a Text<'_>>) -> Option<&'a str> {
    name.map(|name| &**name).filter(|name| !name.is_empty())
}

/// A value as [`Revoker::claim`](crate::Revoker::claim) takes it: a string as it is, an integer in decimal, `true` or `false`.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

const DEFAULT_TYPES: [&str; 2] = ["JWT", "at+jwt"];
