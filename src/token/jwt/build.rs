//! The construction of a [`JwtVerifier`]: where its keys come from, and what makes a verifier of the
//! configuration.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use crate::{
    clock::{Clock, SystemClock},
    fetch::default_client,
    token::jwt::{
        Algorithm, ConfigError, Issuer, JwtVerifier, JwtVerifierBuilder, Key, KeyError, KeySet,
        issuer_keys::Revision,
        issuer_settings::IssuerSettings,
        key_source::FetchSettings,
        registered_claims::RegisteredClaims,
        tenants::{Allow, Tenants},
        trusted_issuer::TrustedIssuer,
        trusted_issuers::TrustedIssuers,
        verification::Verification,
    },
};

/// The keys that verify tokens.
pub(super) enum Trust {
    Pool(Result<KeySet, KeyError>),
    Issuers(Vec<Issuer>),
    Tenants(Box<Allow>),
}

/// The settings that all issuers of a verifier share.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) settings: IssuerSettings,
    pub(super) fetching: FetchSettings,
    pub(super) clock_skew: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) revision: Arc<Revision>,
    /// Where keys are fetched. `None` if none are.
    pub(super) runtime: Option<Handle>,
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

    /// Verifies tokens of an identity provider, whose keys are fetched: see [`Issuer::discover`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use tower_logout::JwtVerifier;
    ///
    /// # #[cfg(feature = "oidc")]
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = JwtVerifier::discover("https://idp.example/")
    ///     .audience("https://api.example")
    ///     .start()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn discover(issuer: impl Into<String>) -> JwtVerifierBuilder {
        Self::issuers([Issuer::discover(issuer)])
    }

    /// Verifies tokens of this issuer, whose key set is fetched from this address: see
    /// [`Issuer::jwks`].
    pub fn jwks(issuer: impl Into<String>, url: impl Into<String>) -> JwtVerifierBuilder {
        Self::issuers([Issuer::jwks(issuer, url)])
    }

    /// Verifies tokens of these issuers, each with its own keys.
    ///
    /// A token is verified with the keys of the issuer that it names (`iss`), and rejected if it
    /// names none or an unknown one. Settings of the builder apply to all issuers, unless the
    /// [`Issuer`] overrides them.
    pub fn issuers(issuers: impl IntoIterator<Item = Issuer>) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(Trust::Issuers(issuers.into_iter().collect()))
    }

    /// Verifies tokens of issuers that are not known at start, such as one for each tenant of a
    /// service. The closure gets the issuer that a token names (`iss`), and returns its settings if
    /// it is allowed.
    ///
    /// The name is not verified: anyone can send a token that names any issuer. The closure must
    /// compare it with what the application knows, for example in a map that is kept up to date,
    /// and must not wait. An issuer that it does not allow costs nothing and fetches nothing. The
    /// returned [`Issuer`] must have the name that was asked for, and its
    /// [`max_lifetime`](Issuer::max_lifetime) and [`leeway`](Issuer::leeway) must not exceed those
    /// of the builder, because these determine how long revocations are retained.
    ///
    /// The keys of an issuer are fetched with its first token, which waits for them. The closure is
    /// asked again only after the issuer has made [room](JwtVerifierBuilder::max_issuers) for others
    /// or was [forgotten](JwtVerifier::forget_issuer).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::{collections::HashSet, sync::{Arc, RwLock}};
    /// use tower_logout::{JwtVerifier, token::jwt::Issuer};
    ///
    /// # #[cfg(feature = "oidc")]
    /// # fn run(tenants: Arc<RwLock<HashSet<String>>>) -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = JwtVerifier::issuers_by(move |issuer| {
    ///     let tenants = tenants.read().ok()?;
    ///     tenants.contains(issuer).then(|| Issuer::discover(issuer).audience("https://api.example"))
    /// })
    /// .start_lazily()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn issuers_by(allow: impl Fn(&str) -> Option<Issuer> + Send + Sync + 'static) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(Trust::Tenants(Box::new(allow)))
    }
}

impl JwtVerifierBuilder {
    fn new(trust: Trust) -> Self {
        Self {
            trust,
            issuers: Vec::new(),
            settings: IssuerSettings::default(),
            fetching: FetchSettings::default(),
            max_issuers: DEFAULT_MAX_ISSUERS,
            revocable: Vec::new(),
            clock_skew: DEFAULT_CLOCK_SKEW,
            clock: Arc::new(SystemClock),
            claims: PhantomData,
        }
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> JwtVerifierBuilder<C> {
    /// Validates the configuration and builds the verifier, if it has all keys.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the remedy, if the configuration is incomplete or
    /// contradictory, or if keys must be fetched.
    pub fn build(self) -> Result<JwtVerifier<C>, ConfigError> {
        self.into_verifier(None)
    }

    /// Validates the configuration, fetches the keys of all issuers, and builds the verifier.
    ///
    /// From then on, keys are fetched in the background, on the Tokio runtime of the caller, until
    /// the last clone of the verifier is dropped. A verifier whose runtime has ended answers 503.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the remedy, if the configuration is incomplete or
    /// contradictory, if the keys of an issuer cannot be fetched, or outside a Tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends all attempts.
    pub async fn start(self) -> Result<JwtVerifier<C>, ConfigError> {
        let verifier = self.start_lazily()?;
        verifier.fetched().await?;
        Ok(verifier)
    }

    /// Validates the configuration and builds the verifier, without waiting for keys. They are
    /// fetched in the background, as with [`start`](Self::start). Tokens of an issuer whose keys
    /// were not fetched yet are answered with 503.
    ///
    /// For a service that must come up before its identity provider. Ask
    /// [`JwtVerifier::health`] in the readiness probe.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the remedy, if the configuration is incomplete or
    /// contradictory, or outside a Tokio runtime.
    pub fn start_lazily(mut self) -> Result<JwtVerifier<C>, ConfigError> {
        let runtime = Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        // One for all issuers, so that they share connections.
        self.fetching.client = self.fetching.client.or_else(default_client);
        self.into_verifier(Some(runtime))
    }

    fn into_verifier(self, runtime: Option<Handle>) -> Result<JwtVerifier<C>, ConfigError> {
        let Self { trust, issuers, settings, fetching, max_issuers, revocable, clock_skew, clock, claims: _ } = self;
        check_revocable(&revocable)?;
        let common = Common { settings, fetching, clock_skew, clock, revision: Arc::default(), runtime };
        let trusted = match trust {
            Trust::Pool(keys) => TrustedIssuers::listed(vec![TrustedIssuer::with_keys(
                sole(issuers)?,
                keys?,
                common.settings.clone(),
                &common,
            )?])?,
            Trust::Issuers(all) => {
                none(issuers)?;
                let all = all.into_iter().map(|issuer| issuer.into_trusted(&common)).collect::<Result<_, _>>()?;
                TrustedIssuers::listed(all)?
            }
            Trust::Tenants(allow) => {
                none(issuers)?;
                TrustedIssuers::Tenants(Box::new(Tenants::new(allow, max_issuers, common.clone())?))
            }
        };
        let Common { clock, revision, .. } = common;
        Ok(JwtVerifier::new(Verification::new(trusted, revision, revocable, clock)))
    }
}

/// Checks the names of revocable claims.
pub(super) fn check_revocable(names: &[String]) -> Result<(), ConfigError> {
    if names.iter().any(String::is_empty) {
        return Err(ConfigError::Empty("the name of a revocable claim"));
    }
    match names.iter().find(|name| RegisteredClaims::NAMES.contains(&name.as_str())) {
        Some(name) => Err(ConfigError::RegisteredClaim(name.clone())),
        None => Ok(()),
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

/// Checks that no issuer was named without its keys.
fn none(issuers: Vec<String>) -> Result<(), ConfigError> {
    issuers.into_iter().next().map_or(Ok(()), |issuer| Err(ConfigError::IssuerWithoutKeys(issuer)))
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(keys) => f.debug_tuple("Pool").field(keys).finish(),
            Self::Issuers(issuers) => f.debug_tuple("Issuers").field(issuers).finish(),
            Self::Tenants(_) => f.write_str("Tenants"),
        }
    }
}

const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(30);
const DEFAULT_MAX_ISSUERS: usize = 1000;
