//! [`JwtVerifierBuilder`], and the [`Policy`] that comes out of it.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use crate::{
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Retention, RevocationKey, TokenIdentity},
    token::jwt::{
        Claims, ConfigError, InvalidToken, JwtVerifier, KeyError, KeySet,
        claims::{REGISTERED, Registered},
        keyring::Keyring,
        text::Text,
    },
};

/// Configures a [`JwtVerifier`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct JwtVerifierBuilder<C = Claims> {
    keys: Result<KeySet, KeyError>,
    policy: Policy,
    claims: PhantomData<fn() -> C>,
}

/// What is asked of a token beside its signature.
#[derive(Debug)]
pub(super) struct Policy {
    issuers: Vec<String>,
    audiences: Vec<String>,
    any_audience: bool,
    types: Option<Vec<String>>,
    require_jti: bool,
    require_iat: bool,
    revocable: Vec<String>,
    pub(super) retention: Retention,
    pub(super) clock: Arc<dyn Clock>,
}

impl JwtVerifierBuilder {
    pub(super) fn new(keys: Result<KeySet, KeyError>) -> Self {
        let policy = Policy {
            issuers: Vec::new(),
            audiences: Vec::new(),
            any_audience: false,
            types: None,
            require_jti: false,
            require_iat: false,
            revocable: Vec::new(),
            retention: Retention::default(),
            clock: Arc::new(SystemClock),
        };
        Self { keys, policy, claims: PhantomData }
    }
}

impl<C> JwtVerifierBuilder<C> {
    /// Accepts tokens of this issuer (`iss`) only. May be called again: one of them is enough.
    ///
    /// Without it any issuer whose key is in the set is accepted, and tokens without one.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.policy.issuers.push(issuer.into());
        self
    }

    /// Accepts tokens for this audience (`aud`) only. May be called again: one of them is enough.
    ///
    /// Without it a token that has an audience is refused, as RFC 7519, section 4.1.3, says: it is meant for somebody else.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.policy.audiences.push(audience.into());
        self
    }

    /// Accepts tokens for any audience, and those without one.
    ///
    /// A token that a user gave to another service of the same issuer is then accepted here, too.
    pub fn any_audience(mut self) -> Self {
        self.policy.any_audience = true;
        self
    }

    /// Accepts tokens of this media type (`typ`) only, such as `at+jwt` (RFC 9068). May be called again.
    ///
    /// Without it `JWT`, `at+jwt` and tokens that do not say are accepted; other types, such as `logout+jwt`, are never access tokens.
    pub fn typ(mut self, typ: impl Into<String>) -> Self {
        self.policy.types.get_or_insert_default().push(typ.into());
        self
    }

    /// Refuses tokens without a `jti`. They are otherwise known by what their signature covers.
    pub fn require_jti(mut self) -> Self {
        self.policy.require_jti = true;
        self
    }

    /// Refuses tokens without an `iat`.
    ///
    /// Such a token is older than every revocation, and its life counts from each check. If its issuer lets it live for longer than
    /// [`max_lifetime`](Self::max_lifetime), a revocation of its subject may be forgotten before it expires.
    pub fn require_iat(mut self) -> Self {
        self.policy.require_iat = true;
        self
    }

    /// Makes tokens revocable by a claim of the application's own, such as `tenant`: see [`Revoker::claim`](crate::Revoker::claim).
    ///
    /// Its value may be a string, an integer, a boolean or a list of those, each of which then is a key; a token in which it is something
    /// else is refused.
    pub fn revocable_claim(mut self, name: impl Into<String>) -> Self {
        self.policy.revocable.push(name.into());
        self
    }

    /// Sets for how long after `exp`, and before `nbf`, a token is accepted. Default: zero.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.policy.retention = self.policy.retention.leeway(leeway);
        self
    }

    /// Sets how far apart the clocks of issuer, verifiers and stores may be. Default: 30 seconds.
    ///
    /// Revocations are remembered for that much longer, and a token from further in the future than that is refused.
    pub fn clock_skew(mut self, clock_skew: Duration) -> Self {
        self.policy.retention = self.policy.retention.clock_skew(clock_skew);
        self
    }

    /// Sets the longest life, `exp - iat`, that a token may have. Default: 366 days.
    ///
    /// Revocations of a subject, a session, a client and so on are remembered for that long.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.policy.retention = self.policy.retention.max_lifetime(max_lifetime);
        self
    }

    /// Sets the clock. Default: the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.policy.clock = Arc::new(clock);
        self
    }

    /// Yields claims of this type, read from the same document as the registered ones.
    ///
    /// A genuine token whose claims do not fit the type is refused as invalid.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::JwtVerifier;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Mine {
    ///     sub: String,
    ///     tenant: String,
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier: JwtVerifier<Mine> =
    ///     JwtVerifier::hs256([7; 32]).claims::<Mine>().revocable_claim("tenant").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn claims<D>(self) -> JwtVerifierBuilder<D> {
        JwtVerifierBuilder { keys: self.keys, policy: self.policy, claims: PhantomData }
    }

    /// Checks the configuration and makes the verifier.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with the remedy in its text, for anything that could not work or would not mean what it says.
    pub fn build(self) -> Result<JwtVerifier<C>, ConfigError> {
        let keys = self.keys?;
        if keys.is_empty() {
            return Err(ConfigError::NoKeys);
        }
        self.policy.validate()?;
        Ok(JwtVerifier { keys: ArcSwap::from_pointee(Keyring::new(keys)), policy: self.policy, claims: PhantomData })
    }
}

impl Policy {
    fn validate(&self) -> Result<(), ConfigError> {
        let named = [
            ("an issuer", self.issuers.as_slice()),
            ("an audience", &self.audiences),
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
        let listed = |list: &[String], value: &Text<'_>| list.iter().any(|allowed| **allowed == **value);
        if !self.issuers.is_empty() && !claims.iss.as_ref().is_some_and(|iss| listed(&self.issuers, iss)) {
            return Err(InvalidToken::Issuer);
        }
        let audience_fits = match &claims.aud {
            None => self.audiences.is_empty(),
            Some(aud) => self.any_audience || aud.as_slice().iter().any(|aud| listed(&self.audiences, aud)),
        };
        if !audience_fits {
            return Err(InvalidToken::Audience);
        }
        if self.require_jti && claims.jti.is_none() {
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

    /// Adds the keys of the claims that the application has made revocable.
    pub(super) fn revocable_claims(
        &self,
        issuer: Option<&str>,
        payload: &str,
        identity: TokenIdentity,
    ) -> Result<TokenIdentity, InvalidToken> {
        if self.revocable.is_empty() {
            return Ok(identity);
        }
        let all: Map<String, Value> = serde_json::from_str(payload).map_err(|_| InvalidToken::Claims)?;
        let mut identity = identity;
        for name in &self.revocable {
            let values = match all.get(name) {
                None => continue,
                Some(Value::Array(values)) => values.as_slice(),
                Some(value) => std::slice::from_ref(value),
            };
            for value in values {
                let text = scalar(value).ok_or(InvalidToken::RevocableClaim)?;
                identity = identity.carries(RevocationKey::claim(issuer, name, &text));
            }
        }
        Ok(identity)
    }
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
