//! [`Issuer`]: an issuer as an application configures it.

use std::{sync::Arc, time::Duration};

#[cfg(feature = "oidc")]
use crate::token::jwt::policy::Policy;
#[cfg(feature = "receivers")]
use crate::{clock::Clock, fetch::default_client, token::jwt::MessageVerifier};
use crate::{
    fetch::Fetch,
    token::jwt::{
        Algorithm, ConfigError, KeyFetching, KeySet,
        build::Common,
        issuer_settings::IssuerSettings,
        key_source::{FetchSettings, Location},
        trusted_issuer::TrustedIssuer,
    },
};
#[cfg(feature = "receivers")]
use tokio::runtime::Handle;

/// An issuer whose tokens are accepted: its name, its keys and the requirements for its tokens.
///
/// Tokens that name it (`iss`) are verified with its keys only (RFC 8725, section 3.8). The
/// [`JwtVerifierBuilder`](super::JwtVerifierBuilder) provides the settings that are not made here.
///
/// # Examples
///
/// ```
/// use tower_logout::{JwtVerifier, token::jwt::{Algorithm, Issuer, Key}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let customers = Key::secret(Algorithm::HS256, [7; 32])?;
/// let staff = Key::secret(Algorithm::HS256, [9; 32])?;
/// let verifier = JwtVerifier::issuers([
///     Issuer::keys("https://customers.matar.app", customers).audience("shop"),
///     Issuer::keys("https://staff.matar.app", staff).audience("office").require_jti(),
/// ])
/// .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an issuer does nothing until a verifier is built with it"]
pub struct Issuer {
    name: String,
    keys: Keys,
    settings: IssuerSettings,
    fetching: FetchSettings,
}

/// Where the keys of an issuer come from.
#[derive(Clone, Debug)]
enum Keys {
    Given(KeySet),
    Fetched(Location),
}

impl Issuer {
    /// Creates an issuer with these keys: a [`Key`](super::Key) or a [`KeySet`].
    ///
    /// The name is compared with `iss` exactly: `https://a.example` and `https://a.example/` are
    /// two issuers.
    pub fn keys(issuer: impl Into<String>, keys: impl Into<KeySet>) -> Self {
        Self::new(issuer.into(), Keys::Given(keys.into()))
    }

    /// Creates an issuer whose keys are found by its metadata, as OpenID Connect Discovery 1.0 and
    /// RFC 8414 define it, and are fetched in the background.
    ///
    /// `issuer` is the issuer identifier: an `https` URL, spelled as in the `iss` of its tokens,
    /// including a trailing slash. The metadata is looked for at
    /// `{issuer}/.well-known/openid-configuration`, and then at the two places that RFC 8414
    /// allows. Metadata that names another issuer is not used.
    ///
    /// # How keys are fetched
    ///
    /// * A token whose key is known neither waits nor causes a request. A token that names an
    ///   unknown key waits for an attempt to fetch the keys, but at most one is made in 30 seconds;
    ///   until the next one, such tokens are rejected at once. An attempt continues when the
    ///   request that waits for it ends.
    /// * Keys are fetched again after the `max-age` of the response, within bounds. A key that is
    ///   no longer published is not accepted from then on, also for tokens that were verified
    ///   before.
    /// * During an outage, the last keys are used for up to 24 hours. An empty key set, or one
    ///   without a usable key, counts as an outage.
    /// * Only `https` is used, redirects are not followed, and responses are limited in size and
    ///   time. Addresses in the header of a token (`jku`, `x5u`) are ignored.
    ///
    /// [`key_fetching`](Self::key_fetching) changes the durations.
    pub fn discover(issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        let location = Location::Metadata { issuer: issuer.clone() };
        Self::new(issuer, Keys::Fetched(location))
    }

    /// Creates an issuer whose key set is fetched from this address, as with
    /// [`discover`](Self::discover), for a provider without metadata.
    pub fn jwks(issuer: impl Into<String>, url: impl Into<String>) -> Self {
        Self::new(issuer.into(), Keys::Fetched(Location::KeySet(url.into())))
    }

    /// Creates a transmitter of security events, for
    /// [`Logout::security_events`](crate::Logout::security_events). Its keys are found by its
    /// metadata, as the Shared Signals Framework 1.0, section 7, defines it, and are fetched as
    /// with [`discover`](Self::discover).
    ///
    /// `issuer` is the `issuer` of that metadata: an `https` URL, spelled as in the `iss` of its
    /// security event tokens. The metadata is looked for at `/.well-known/ssf-configuration`,
    /// inserted between the host and the path and then appended, and after that by its older name,
    /// `risc-configuration`. Metadata that names another issuer is not used.
    ///
    /// Its [`audience`](Self::audience) is that of the stream. Of the other settings, only
    /// [`algorithms`](Self::algorithms) and those of fetching apply.
    #[cfg(feature = "receivers")]
    pub fn transmitter(issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        let location = Location::Transmitter { issuer: issuer.clone() };
        Self::new(issuer, Keys::Fetched(location))
    }

    fn new(name: String, keys: Keys) -> Self {
        Self { name, keys, settings: IssuerSettings::default(), fetching: FetchSettings::default() }
    }

    /// Returns the name of the issuer, which its tokens have in `iss`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Accepts its tokens for this audience (`aud`) only. Can be called several times; a token must
    /// have one of them.
    ///
    /// Replaces the audiences of the verifier.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audiences.push(audience.into());
        self
    }

    /// Accepts its tokens for any audience, and those without one: see
    /// [`JwtVerifierBuilder::allow_any_audience`](super::JwtVerifierBuilder::allow_any_audience).
    ///
    /// Replaces the audiences of the verifier.
    pub fn allow_any_audience(mut self) -> Self {
        self.settings.allow_any_audience = true;
        self
    }

    /// Accepts its tokens of this media type (`typ`) only, such as `at+jwt` (RFC 9068). Can be
    /// called several times.
    ///
    /// Replaces the types of the verifier.
    pub fn typ(mut self, typ: impl Into<String>) -> Self {
        self.settings.types.get_or_insert_default().push(typ.into());
        self
    }

    /// Rejects its tokens without a `jti`: see
    /// [`JwtVerifierBuilder::require_jti`](super::JwtVerifierBuilder::require_jti).
    pub fn require_jti(mut self) -> Self {
        self.settings.require_jti = true;
        self
    }

    /// Rejects its tokens without an `iat`: see
    /// [`JwtVerifierBuilder::require_iat`](super::JwtVerifierBuilder::require_iat).
    pub fn require_iat(mut self) -> Self {
        self.settings.require_iat = true;
        self
    }

    /// Accepts an integer as the subject of its tokens: see
    /// [`allow_integer_subject`](super::JwtVerifierBuilder::allow_integer_subject).
    pub fn allow_integer_subject(mut self) -> Self {
        self.settings.allow_integer_subject = true;
        self
    }

    /// Accepts its tokens that are bound to a key of their client, without a proof: see
    /// [`allow_unverified_binding`](super::JwtVerifierBuilder::allow_unverified_binding)
    /// and its consequences.
    pub fn allow_unverified_binding(mut self) -> Self {
        self.settings.allow_unverified_binding = true;
        self
    }

    /// Sets how long after `exp` its tokens are still accepted: see
    /// [`JwtVerifierBuilder::leeway`](super::JwtVerifierBuilder::leeway).
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = Some(leeway);
        self
    }

    /// Sets the maximum lifetime of its tokens, `exp - iat`: see
    /// [`JwtVerifierBuilder::max_lifetime`](super::JwtVerifierBuilder::max_lifetime).
    ///
    /// Revocations are retained for the maximum lifetime of all issuers of the verifier.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.settings.max_lifetime = Some(max_lifetime);
        self
    }

    /// Sets the maximum number of its keys: see
    /// [`JwtVerifierBuilder::max_keys`](super::JwtVerifierBuilder::max_keys).
    pub fn max_keys(mut self, max_keys: usize) -> Self {
        self.settings.max_keys = Some(max_keys);
        self
    }

    /// Sets the HTTP client that fetches its keys: see
    /// [`JwtVerifierBuilder::fetch_with`](super::JwtVerifierBuilder::fetch_with).
    pub fn fetch_with(mut self, client: impl Fetch) -> Self {
        self.fetching.client = Some(Arc::new(client));
        self
    }

    /// Sets when its keys are fetched: see
    /// [`JwtVerifierBuilder::key_fetching`](super::JwtVerifierBuilder::key_fetching).
    pub fn key_fetching(mut self, fetching: KeyFetching) -> Self {
        self.fetching.fetching = Some(fetching);
        self
    }

    /// Allows fetching its keys from this machine by `http`: see
    /// [`JwtVerifierBuilder::allow_http_on_loopback`](super::JwtVerifierBuilder::allow_http_on_loopback)
    /// and its consequences.
    pub fn allow_http_on_loopback(mut self) -> Self {
        self.fetching.allow_http_on_loopback = true;
        self
    }

    /// Accepts its tokens of these algorithms only: see
    /// [`JwtVerifierBuilder::algorithms`](super::JwtVerifierBuilder::algorithms).
    ///
    /// Replaces the algorithms of the verifier.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.settings.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Reads the session of its tokens from this claim instead of `sid`: see
    /// [`JwtVerifierBuilder::session_claim`](super::JwtVerifierBuilder::session_claim).
    pub fn session_claim(mut self, name: impl Into<String>) -> Self {
        self.settings.session_claim = Some(name.into());
        self
    }

    /// Reads the subject of its tokens from this claim instead of `sub`: see
    /// [`JwtVerifierBuilder::subject_claim`](super::JwtVerifierBuilder::subject_claim).
    pub fn subject_claim(mut self, name: impl Into<String>) -> Self {
        self.settings.subject_claim = Some(name.into());
        self
    }

    /// Accepts its tokens only if they follow RFC 9068: see
    /// [`JwtVerifierBuilder::rfc9068`](super::JwtVerifierBuilder::rfc9068).
    ///
    /// Replaces the types of the verifier, and its
    /// [`allow_any_audience`](super::JwtVerifierBuilder::allow_any_audience).
    pub fn rfc9068(mut self) -> Self {
        self.settings.rfc9068 = true;
        self
    }

    /// Whether it says for which audiences its tokens are accepted.
    #[cfg(feature = "oidc")]
    pub(in crate::token) fn has_audience(&self) -> bool {
        self.settings.allow_any_audience || !self.settings.audiences.is_empty()
    }

    /// The audiences that were set.
    #[cfg(feature = "receivers")]
    pub(crate) fn audiences(&self) -> &[String] {
        &self.settings.audiences
    }

    /// The client for requests to the issuer, or the default one.
    #[cfg(feature = "receivers")]
    pub(crate) fn client(&self) -> Option<Arc<dyn Fetch>> {
        self.fetching.client.clone().or_else(default_client)
    }

    /// Whether requests by `http` may be sent to this machine.
    #[cfg(feature = "receivers")]
    pub(crate) fn allows_http_on_loopback(&self) -> bool {
        self.fetching.allow_http_on_loopback
    }

    /// Returns the requirements for its tokens, without its keys.
    #[cfg(feature = "oidc")]
    pub(super) fn into_policy(self, clock_skew: Duration) -> Result<Policy, ConfigError> {
        Policy::new(Some(self.name), self.settings, clock_skew)
    }

    /// Verifies messages of this issuer that are not tokens. If its keys are fetched, `client` does it
    /// unless it has its own, on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// If the settings are incomplete or contradictory, or if keys must be fetched and the caller is
    /// outside a Tokio runtime.
    #[cfg(feature = "receivers")]
    pub(crate) fn into_messages(
        self,
        clock_skew: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<MessageVerifier, ConfigError> {
        let fetching = FetchSettings { client: default_client(), ..FetchSettings::default() };
        let (settings, revision) = (IssuerSettings::default(), Arc::default());
        let runtime = Handle::try_current().ok();
        let common = Common { settings, fetching, clock_skew, clock, revision, runtime };
        Ok(MessageVerifier::new(Arc::new(self.into_trusted(&common)?)))
    }

    /// Accepts documents of this type and no others, for this audience unless audiences were set.
    #[cfg(feature = "oidc")]
    pub(super) fn of_documents(mut self, typ: &str, audience: Option<String>) -> Self {
        if !self.has_audience() {
            self.settings.audiences.extend(audience);
        }
        self.settings.rfc9068 = false;
        self.settings.types = Some(vec![typ.to_owned()]);
        self
    }

    /// Completes the settings with those for all issuers, and validates them.
    pub(super) fn into_trusted(self, common: &Common) -> Result<TrustedIssuer, ConfigError> {
        let (label, issuer) = (Arc::from(self.name.as_str()), self.name.clone());
        self.labelled(label, common).map_err(|reason| ConfigError::OfIssuer { issuer, reason: Box::new(reason) })
    }

    /// Does the same for an issuer that is one of many, and has no metrics of its own.
    pub(super) fn into_tenant(self, common: &Common) -> Result<TrustedIssuer, ConfigError> {
        self.labelled(Arc::from(TENANT), common)
    }

    fn labelled(self, label: Arc<str>, common: &Common) -> Result<TrustedIssuer, ConfigError> {
        let Self { name, keys, settings, fetching } = self;
        let settings = settings.or(&common.settings);
        match keys {
            Keys::Given(keys) => TrustedIssuer::with_keys(Some(name), keys, settings, common),
            Keys::Fetched(location) => {
                TrustedIssuer::with_source(&name, location, settings, &fetching.or(&common.fetching), label, common)
            }
        }
    }
}

const TENANT: &str = "tenant";
