//! [`JwtVerifierBuilder`]: the configuration of a verifier.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    clock::{Clock, SystemClock},
    token::{
        Claims,
        jwt::{
            Algorithm, ConfigError, Issuer, JwtVerifier, Key, KeyError, KeySet,
            issuer_settings::IssuerSettings,
            registered_claims::RegisteredClaims,
            trusted_issuers::{TrustedIssuer, TrustedIssuers},
            verification::Verification,
        },
    },
};

/// Builder of a [`JwtVerifier`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct JwtVerifierBuilder<C = Claims> {
    trust: Trust,
    /// The issuers named with `issuer`. More than one is an error of `build`.
    issuers: Vec<String>,
    settings: IssuerSettings,
    revocable: Vec<String>,
    clock_skew: Duration,
    clock: Arc<dyn Clock>,
    claims: PhantomData<fn() -> C>,
}

/// The keys that verify tokens.
#[derive(Debug)]
enum Trust {
    Pool(Result<KeySet, KeyError>),
    Issuers(Vec<Issuer>),
}

/// Constructors of the builder.
impl JwtVerifier {
    /// Verifies `HS256` tokens signed with this secret of at least 32 bytes.
    pub fn hs256(secret: impl AsRef<[u8]>) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(Trust::Pool(Key::secret(Algorithm::HS256, secret).map(KeySet::from)))
    }

    /// Verifies tokens signed with one of these keys: a [`Key`] or a [`KeySet`].
    pub fn with_keys(keys: impl Into<KeySet>) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(Trust::Pool(Ok(keys.into())))
    }

    /// Verifies tokens of these issuers, each with its own keys.
    ///
    /// A token is verified with the keys of the issuer that it names (`iss`), and rejected if it
    /// names none or an unknown one. Settings of the builder apply to all issuers, unless the
    /// [`Issuer`] overrides them.
    pub fn issuers(issuers: impl IntoIterator<Item = Issuer>) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(Trust::Issuers(issuers.into_iter().collect()))
    }
}

impl JwtVerifierBuilder {
    fn new(trust: Trust) -> Self {
        Self {
            trust,
            issuers: Vec::new(),
            settings: IssuerSettings::default(),
            revocable: Vec::new(),
            clock_skew: DEFAULT_CLOCK_SKEW,
            clock: Arc::new(SystemClock),
            claims: PhantomData,
        }
    }
}

impl<C> JwtVerifierBuilder<C> {
    /// Accepts tokens of this issuer (`iss`) only. Names are compared exactly, including a trailing
    /// slash.
    ///
    /// By default, tokens of any issuer, and tokens without one, are accepted if one of the keys
    /// has signed them, so each key can sign for any issuer. For several issuers, each with its own
    /// keys, see [`JwtVerifier::issuers`]. Calling this twice is an error of
    /// [`build`](Self::build).
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Accepts tokens for this audience (`aud`) only. Can be called several times; a token must
    /// have one of them.
    ///
    /// By default, a token with an audience is rejected, because it is meant for another recipient
    /// (RFC 7519, section 4.1.3).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audiences.push(audience.into());
        self
    }

    /// Accepts tokens for any audience, and those without one.
    ///
    /// A token that was issued for another service of the same issuer is then accepted too.
    pub fn allow_any_audience(mut self) -> Self {
        self.settings.allow_any_audience = true;
        self
    }

    /// Accepts tokens of this media type (`typ`) only, such as `at+jwt` (RFC 9068). Can be called
    /// several times.
    ///
    /// By default, `JWT`, `at+jwt` and tokens without a type are accepted. Other types, such as
    /// `logout+jwt`, are not access tokens.
    pub fn typ(mut self, typ: impl Into<String>) -> Self {
        self.settings.types.get_or_insert_default().push(typ.into());
        self
    }

    /// Rejects tokens whose `jti` is missing or empty. By default, such a token is identified by
    /// its signed part.
    pub fn require_jti(mut self) -> Self {
        self.settings.require_jti = true;
        self
    }

    /// Rejects tokens without an `iat`.
    ///
    /// By default, such a token counts as issued before every revocation, and its lifetime is
    /// measured from each check. If it lives longer than [`max_lifetime`](Self::max_lifetime), a
    /// revocation of its subject may be removed before the token expires.
    pub fn require_iat(mut self) -> Self {
        self.settings.require_iat = true;
        self
    }

    /// Makes tokens revocable by an application-defined claim, such as `tenant`: see
    /// [`Revoker::claim`](crate::Revoker::claim).
    ///
    /// The value can be a string, an integer, a boolean or a list of these; each value is a
    /// revocation key. `null` counts as absent. A token with any other value is rejected. If the
    /// claim is present twice, the last one counts.
    pub fn revocable_claim(mut self, name: impl Into<String>) -> Self {
        self.revocable.push(name.into());
        self
    }

    /// Accepts an integer as the subject (`sub`), although RFC 7519 requires a string.
    ///
    /// The subject is then the decimal form of the integer: `7` and `"7"` are one subject, which
    /// [`Revoker::subject`](crate::Revoker::subject) takes as `"7"` and [`Claims::sub`] shows as
    /// `"7"`. Do not use this with an issuer that distinguishes the two. 64-bit integers are
    /// accepted, including negative ones; larger integers and numbers with a fraction or an
    /// exponent are rejected.
    pub fn allow_integer_subject(mut self) -> Self {
        self.settings.allow_integer_subject = true;
        self
    }

    /// Accepts tokens that are bound to a key of their client (`cnf`), without a proof that the
    /// client holds the key. By default, they are rejected.
    ///
    /// Such a token (`DPoP`, RFC 9449; mutual TLS, RFC 8705) is designed to be useless to an
    /// attacker who has stolen it. With this setting, it is an ordinary bearer token. Use it only
    /// behind a proxy that verifies the proof of each request and cannot be bypassed.
    pub fn allow_unverified_binding(mut self) -> Self {
        self.settings.allow_unverified_binding = true;
        self
    }

    /// Sets how long after `exp` a token is still accepted. Default: zero.
    ///
    /// It is also added to [`clock_skew`](Self::clock_skew) before `nbf` and `iat`.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = Some(leeway);
        self
    }

    /// Sets by how much the clocks of issuer, verifiers and stores may differ. Default: 30 seconds.
    ///
    /// A token is accepted this long before its `nbf` and `iat`, and revocations are retained this
    /// much longer. A token whose `nbf` or `iat` is further in the future is rejected.
    pub fn clock_skew(mut self, clock_skew: Duration) -> Self {
        self.clock_skew = clock_skew;
        self
    }

    /// Sets the maximum lifetime of a token, `exp - iat`. Default: 366 days.
    ///
    /// Revocations of a subject, a session, a client and so on are retained for that long.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.settings.max_lifetime = Some(max_lifetime);
        self
    }

    /// Sets the maximum number of verification keys of an issuer. Default: 100.
    ///
    /// A token without a `kid` may be checked with each of them, which costs one signature check
    /// per key.
    pub fn max_keys(mut self, max_keys: usize) -> Self {
        self.settings.max_keys = Some(max_keys);
        self
    }

    /// Sets the clock. Default: the system clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the type of the claims, which is deserialized from the same payload as the registered
    /// claims.
    ///
    /// An authentic token whose claims cannot be deserialized as this type is rejected as invalid.
    /// `()` accepts any claims and keeps none.
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
        let Self { trust, issuers, settings, revocable, clock_skew, clock, claims: _ } = self;
        JwtVerifierBuilder { trust, issuers, settings, revocable, clock_skew, clock, claims: PhantomData }
    }

    /// Validates the configuration and builds the verifier.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the remedy, if the configuration is incomplete or
    /// contradictory.
    pub fn build(self) -> Result<JwtVerifier<C>, ConfigError>
    where
        C: DeserializeOwned + Send + Sync + 'static,
    {
        let Self { trust, issuers, settings, revocable, clock_skew, clock, .. } = self;
        let trusted = match trust {
            Trust::Pool(keys) => vec![TrustedIssuer::new(sole(issuers)?, keys?, settings, clock_skew)?],
            Trust::Issuers(all) => match issuers.into_iter().next() {
                Some(issuer) => return Err(ConfigError::IssuerWithoutKeys(issuer)),
                None => all
                    .into_iter()
                    .map(|issuer| issuer.into_trusted(&settings, clock_skew))
                    .collect::<Result<_, _>>()?,
            },
        };
        let trusted = TrustedIssuers::new(trusted)?;
        if revocable.iter().any(String::is_empty) {
            return Err(ConfigError::Empty("the name of a revocable claim"));
        }
        if let Some(name) = revocable.iter().find(|name| RegisteredClaims::NAMES.contains(&name.as_str())) {
            return Err(ConfigError::RegisteredClaim(name.clone()));
        }
        Ok(JwtVerifier::new(Verification::new(trusted, revocable, clock)))
    }
}

/// The issuer of a single set of keys, if one was named.
fn sole(issuers: Vec<String>) -> Result<Option<String>, ConfigError> {
    let mut issuers = issuers.into_iter();
    match (issuers.next(), issuers.next()) {
        (Some(first), Some(second)) => Err(ConfigError::SecondIssuer { first, second }),
        (first, _) => Ok(first),
    }
}

const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(30);
