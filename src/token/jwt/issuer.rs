//! [`Issuer`]: an issuer as an application configures it.

use std::time::Duration;

use crate::token::jwt::{ConfigError, KeySet, issuer_settings::IssuerSettings, trusted_issuers::TrustedIssuer};

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
    keys: KeySet,
    settings: IssuerSettings,
}

impl Issuer {
    /// Creates an issuer with these keys: a [`Key`](super::Key) or a [`KeySet`].
    ///
    /// The name is compared with `iss` exactly: `https://a.example` and `https://a.example/` are
    /// two issuers.
    pub fn keys(issuer: impl Into<String>, keys: impl Into<KeySet>) -> Self {
        Self { name: issuer.into(), keys: keys.into(), settings: IssuerSettings::default() }
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

    /// Completes the settings with those for all issuers, and validates them.
    pub(super) fn into_trusted(
        self,
        general: &IssuerSettings,
        clock_skew: Duration,
    ) -> Result<TrustedIssuer, ConfigError> {
        let Self { name, keys, settings } = self;
        TrustedIssuer::new(Some(name.clone()), keys, settings.or(general), clock_skew)
            .map_err(|reason| ConfigError::OfIssuer { issuer: name, reason: Box::new(reason) })
    }
}
