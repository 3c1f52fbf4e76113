use std::{marker::PhantomData, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    clock::Clock,
    token::{
        CachedVerifier,
        jwt::{
            Claims, ConfigError, JwtVerifier, KeyError, KeySet,
            policy::{Issuer, Policy},
            verification::Verification,
        },
    },
};

/// Configures a [`JwtVerifier`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct JwtVerifierBuilder<C = Claims> {
    keys: Result<KeySet, KeyError>,
    policy: Policy,
    cache: Capacity,
    claims: PhantomData<fn() -> C>,
}

/// How many tokens a cache holds, and how many bytes of their texts.
#[derive(Debug)]
struct Capacity {
    tokens: usize,
    bytes: usize,
}

impl JwtVerifierBuilder {
    pub(super) fn new(keys: Result<KeySet, KeyError>) -> Self {
        let cache = Capacity {
            tokens: CachedVerifier::<Verification<Claims>>::DEFAULT_TOKENS,
            bytes: CachedVerifier::<Verification<Claims>>::DEFAULT_BYTES,
        };
        Self { keys, policy: Policy::default(), cache, claims: PhantomData }
    }
}

impl<C> JwtVerifierBuilder<C> {
    /// Accepts tokens of this issuer (`iss`) only. May be called again: one of them is enough.
    ///
    /// Without it any issuer whose key is in the set is accepted, and tokens without one.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.policy.issuers.push(Issuer::new(issuer.into()));
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

    /// Refuses tokens without a `jti`, or with an empty one. They are otherwise known by what their signature covers.
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
    /// Its value may be a string, an integer, a boolean or a list of those, each of which then is a key; `null` counts as absent. A
    /// token in which it is something else is refused. Of a claim that is there twice the last counts.
    pub fn revocable_claim(mut self, name: impl Into<String>) -> Self {
        self.policy.revocable.push(name.into());
        self
    }

    /// Accepts an integer as the subject (`sub`), for issuers that write it so. RFC 7519 has a string there.
    ///
    /// The subject then is the integer in decimal: `7` and `"7"` are one subject, which
    /// [`Revoker::subject`](crate::Revoker::subject) takes as `"7"` and [`Claims::sub`] shows as `"7"`. An issuer that tells the
    /// two apart must not be configured so. Integers of 64 bits, negative ones included, are accepted; larger ones, and numbers with
    /// a fraction or an exponent, are refused.
    pub fn allow_integer_subject(mut self) -> Self {
        self.policy.allow_integer_subject = true;
        self
    }

    /// Accepts tokens that are bound to a key of their client (`cnf`), without asking for a proof that the client holds it. By
    /// default they are refused.
    ///
    /// Such a token (DPoP, RFC 9449; mutual TLS, RFC 8705) is meant to be of no use to whoever steals it. With this setting it is an
    /// ordinary bearer token: set it only behind a proxy that verifies the proof of each request and lets none bypass it.
    pub fn allow_unverified_binding(mut self) -> Self {
        self.policy.allow_unverified_binding = true;
        self
    }

    /// Sets for how long after `exp` a token is accepted. Default: zero.
    ///
    /// It also adds to [`clock_skew`](Self::clock_skew) before `nbf` and `iat`.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.policy.retention = self.policy.retention.leeway(leeway);
        self
    }

    /// Sets how far apart the clocks of issuer, verifiers and stores may be. Default: 30 seconds.
    ///
    /// A token is accepted that long before its `nbf` and `iat`, and a revocation is remembered for that much longer. A token
    /// whose `nbf` or `iat` is further in the future is refused.
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

    /// Sets how many verified tokens are remembered, and how many bytes their texts may have together. Default: 16,384 tokens, 16 MiB.
    ///
    /// A token that is remembered costs no signature: see [`CachedVerifier`], also for what this holds in memory.
    pub fn cache(mut self, tokens: usize, bytes: usize) -> Self {
        self.cache = Capacity { tokens, bytes };
        self
    }

    /// Verifies the signature of a token with each request, and keeps no token in memory.
    pub fn uncached(self) -> Self {
        self.cache(0, 0)
    }

    /// Yields claims of this type, read from the same document as the registered ones.
    ///
    /// A genuine token whose claims do not fit the type is refused as invalid. `()` takes any claims and yields none.
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
        JwtVerifierBuilder { keys: self.keys, policy: self.policy, cache: self.cache, claims: PhantomData }
    }

    /// Checks the configuration and makes the verifier.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with the remedy in its text, for anything that could not work or would not mean what it says.
    pub fn build(self) -> Result<JwtVerifier<C>, ConfigError>
    where
        C: DeserializeOwned + Send + Sync + 'static,
    {
        let keys = self.keys?;
        if keys.is_empty() {
            return Err(ConfigError::NoKeys);
        }
        self.policy.validate()?;
        let Capacity { tokens, bytes } = self.cache;
        let verification = Verification::new(keys, self.policy);
        Ok(JwtVerifier { cached: CachedVerifier::new(verification).capacity(tokens, bytes) })
    }
}
