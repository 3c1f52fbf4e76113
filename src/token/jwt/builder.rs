//! [`JwtVerifierBuilder`]: what a verifier is configured with, and checks of it.

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

/// Configures a [`JwtVerifier`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct JwtVerifierBuilder<C = Claims> {
    trust: Trust,
    /// What `issuer` was called with.
    issuers: Vec<String>,
    settings: IssuerSettings,
    revocable: Vec<String>,
    clock_skew: Duration,
    clock: Arc<dyn Clock>,
    claims: PhantomData<fn() -> C>,
}

/// Whose keys verify tokens.
#[derive(Debug)]
enum Trust {
    Pool(Result<KeySet, KeyError>),
    Issuers(Vec<Issuer>),
}

/// Each begins to configure a verifier.
impl JwtVerifier {
    /// Verifies `HS256` tokens signed with this secret of at least 32 bytes.
    pub fn hs256(secret: impl AsRef<[u8]>) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(Trust::Pool(Key::secret(Algorithm::HS256, secret).map(KeySet::from)))
    }

    /// Verifies tokens signed with these keys: one [`Key`], or a [`KeySet`].
    pub fn with_keys(keys: impl Into<KeySet>) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(Trust::Pool(Ok(keys.into())))
    }

    /// Verifies tokens of these issuers, each with its own keys.
    ///
    /// A token is verified with the keys of the issuer that it names (`iss`), and refused if it names none or another. What the builder
    /// is told then holds for all issuers, unless the [`Issuer`] says otherwise.
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
    /// Accepts tokens of this issuer (`iss`) only. The name is compared as it is, a trailing slash included.
    ///
    /// Without it tokens of any issuer and tokens without one are accepted if one of the keys has signed them, so that each of the keys
    /// may sign for anybody. Several issuers need keys of their own: see [`JwtVerifier::issuers`]. A second call is an error of
    /// [`build`](Self::build).
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Accepts tokens for this audience (`aud`) only. May be called again: one of them is enough.
    ///
    /// Without it a token that has an audience is refused, as RFC 7519, section 4.1.3, says: it is meant for somebody else.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audiences.push(audience.into());
        self
    }

    /// Accepts tokens for any audience, and those without one.
    ///
    /// A token that a user gave to another service of the same issuer is then accepted here, too.
    pub fn allow_any_audience(mut self) -> Self {
        self.settings.allow_any_audience = true;
        self
    }

    /// Accepts tokens of this media type (`typ`) only, such as `at+jwt` (RFC 9068). May be called again.
    ///
    /// Without it `JWT`, `at+jwt` and tokens that do not say are accepted; other types, such as `logout+jwt`, are never access tokens.
    pub fn typ(mut self, typ: impl Into<String>) -> Self {
        self.settings.types.get_or_insert_default().push(typ.into());
        self
    }

    /// Refuses tokens without a `jti`, or with an empty one. They are otherwise known by what their signature covers.
    pub fn require_jti(mut self) -> Self {
        self.settings.require_jti = true;
        self
    }

    /// Refuses tokens without an `iat`.
    ///
    /// Such a token is older than every revocation, and its life counts from each check. If its issuer lets it live for longer than
    /// [`max_lifetime`](Self::max_lifetime), a revocation of its subject may be forgotten before it expires.
    pub fn require_iat(mut self) -> Self {
        self.settings.require_iat = true;
        self
    }

    /// Makes tokens revocable by a claim of the application's own, such as `tenant`: see [`Revoker::claim`](crate::Revoker::claim).
    ///
    /// Its value may be a string, an integer, a boolean or a list of those, each of which then is a key; `null` counts as absent. A
    /// token in which it is something else is refused. Of a claim that is there twice the last counts.
    pub fn revocable_claim(mut self, name: impl Into<String>) -> Self {
        self.revocable.push(name.into());
        self
    }

    /// Accepts an integer as the subject (`sub`), for issuers that write it so. RFC 7519 has a string there.
    ///
    /// The subject then is the integer in decimal: `7` and `"7"` are one subject, which
    /// [`Revoker::subject`](crate::Revoker::subject) takes as `"7"` and [`Claims::sub`] shows as `"7"`. An issuer that tells the
    /// two apart must not be configured so. Integers of 64 bits, negative ones included, are accepted; larger ones, and numbers with
    /// a fraction or an exponent, are refused.
    pub fn allow_integer_subject(mut self) -> Self {
        self.settings.allow_integer_subject = true;
        self
    }

    /// Accepts tokens that are bound to a key of their client (`cnf`), without asking for a proof that the client holds it. By
    /// default they are refused.
    ///
    /// Such a token (`DPoP`, RFC 9449; mutual TLS, RFC 8705) is meant to be of no use to whoever steals it. With this setting it is an
    /// ordinary bearer token: set it only behind a proxy that verifies the proof of each request and lets none bypass it.
    pub fn allow_unverified_binding(mut self) -> Self {
        self.settings.allow_unverified_binding = true;
        self
    }

    /// Sets for how long after `exp` a token is accepted. Default: zero.
    ///
    /// It also adds to [`clock_skew`](Self::clock_skew) before `nbf` and `iat`.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = Some(leeway);
        self
    }

    /// Sets how far apart the clocks of issuer, verifiers and stores may be. Default: 30 seconds.
    ///
    /// A token is accepted that long before its `nbf` and `iat`, and a revocation is remembered for that much longer. A token
    /// whose `nbf` or `iat` is further in the future is refused.
    pub fn clock_skew(mut self, clock_skew: Duration) -> Self {
        self.clock_skew = clock_skew;
        self
    }

    /// Sets the longest life, `exp - iat`, that a token may have. Default: 366 days.
    ///
    /// Revocations of a subject, a session, a client and so on are remembered for that long.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.settings.max_lifetime = Some(max_lifetime);
        self
    }

    /// Sets how many keys an issuer may have that can verify signatures. Default: 100.
    ///
    /// A token without a `kid` may be tried with each of them, at the cost of a signature.
    pub fn max_keys(mut self, max_keys: usize) -> Self {
        self.settings.max_keys = Some(max_keys);
        self
    }

    /// Sets the clock. Default: the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
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
        let Self { trust, issuers, settings, revocable, clock_skew, clock, claims: _ } = self;
        JwtVerifierBuilder { trust, issuers, settings, revocable, clock_skew, clock, claims: PhantomData }
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

/// The issuer that a pool of keys signs for, if it is one.
fn sole(issuers: Vec<String>) -> Result<Option<String>, ConfigError> {
    let mut issuers = issuers.into_iter();
    match (issuers.next(), issuers.next()) {
        (Some(first), Some(second)) => Err(ConfigError::SecondIssuer { first, second }),
        (first, _) => Ok(first),
    }
}

const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(30);
