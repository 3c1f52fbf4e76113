//! [`JwtVerifierBuilder`]: the configuration of a verifier.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    fetch::Fetch,
    token::{
        Claims,
        jwt::{Algorithm, KeyFetching, build::Trust, issuer_settings::IssuerSettings, key_source::FetchSettings},
    },
};

/// Builder of a [`JwtVerifier`](super::JwtVerifier).
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct JwtVerifierBuilder<C = Claims> {
    pub(super) trust: Trust,
    /// The issuers named with `issuer`. More than one is an error of `build`.
    pub(super) issuers: Vec<String>,
    pub(super) settings: IssuerSettings,
    pub(super) fetching: FetchSettings,
    pub(super) max_issuers: usize,
    pub(super) revocable: Vec<String>,
    pub(super) clock_skew: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) claims: PhantomData<fn() -> C>,
}

impl<C> JwtVerifierBuilder<C> {
    /// Accepts tokens of this issuer (`iss`) only. Names are compared exactly, including a trailing
    /// slash.
    ///
    /// By default, tokens of any issuer, and tokens without one, are accepted if one of the keys
    /// has signed them, so each key can sign for any issuer. For several issuers, each with its own
    /// keys, see [`JwtVerifier::issuers`](super::JwtVerifier::issuers). Calling this twice is an error of
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

    /// Sets the HTTP client that fetches keys: a closure or any other [`Fetch`] implementation.
    /// Default: `HttpClient`, with the feature `oidc`; without it, there is none.
    pub fn fetch_with(mut self, client: impl Fetch) -> Self {
        self.fetching.client = Some(Arc::new(client));
        self
    }

    /// Sets when keys are fetched, and the bounds of each request. Default: [`KeyFetching::new`].
    pub fn key_fetching(mut self, fetching: KeyFetching) -> Self {
        self.fetching.fetching = Some(fetching);
        self
    }

    /// Allows fetching keys from this machine (`localhost`, `127.0.0.0/8` and `::1`) by `http`, for
    /// tests and development. By default, only `https` is allowed.
    ///
    /// Any process on this machine that can take over the port could then replace the keys.
    pub fn allow_http_on_loopback(mut self) -> Self {
        self.fetching.allow_http_on_loopback = true;
        self
    }

    /// Sets the maximum number of issuers that are in use at a time, if
    /// [`issuers_by`](super::JwtVerifier::issuers_by) decides about them. Default: 1,000.
    ///
    /// When there are as many, the one whose tokens were verified least recently makes room, if
    /// that was more than a minute ago. Otherwise, tokens of further issuers are answered with 503.
    pub fn max_issuers(mut self, max_issuers: usize) -> Self {
        self.max_issuers = max_issuers;
        self
    }

    /// Accepts tokens of these algorithms only. Calling this again replaces the list.
    ///
    /// By default, the keys decide: a [`Key`](super::Key) verifies the algorithms of its family, or
    /// the one that its `alg` names, and a fetched key is never an HMAC secret. A list narrows that,
    /// for example to exclude `RS256` where `PS256` is required. A token of another algorithm is
    /// rejected before its signature is checked.
    ///
    /// List every algorithm that the issuer may use: some choose it for each client.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.settings.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Reads the session of a token from this claim instead of `sid`, such as
    /// `https://api.example/sid`, for issuers that cannot or do not write `sid`.
    ///
    /// The value is the session that [`Revoker::session`](crate::Revoker::session) takes and that
    /// [`LogoutScope::Session`](crate::LogoutScope::Session) revokes; `sid` is then no revocation
    /// key. It is a string or, with [`allow_integer_subject`](Self::allow_integer_subject), an
    /// integer. If the claim is absent, `null` or empty, the token has no session. A token in which
    /// it has another form, or is present twice, is rejected.
    ///
    /// The name is that of a member of the payload, compared exactly; dots do not select nested
    /// members. Calling this again replaces the name.
    pub fn session_claim(mut self, name: impl Into<String>) -> Self {
        self.settings.session_claim = Some(name.into());
        self
    }

    /// Reads the subject of a token from this claim instead of `sub`, such as `oid`, for issuers
    /// whose `sub` is not the identifier that the application knows a user by.
    ///
    /// The value is the subject that [`Revoker::subject`](crate::Revoker::subject) and
    /// [`Revoker::user`](crate::Revoker::user) take and that
    /// [`LogoutScope::Subject`](crate::LogoutScope::Subject) revokes; `sub` is then no revocation
    /// key. Its form is that of [`session_claim`](Self::session_claim). It must identify a user for
    /// this issuer as uniquely as `sub` does, and users must not be able to choose it: with
    /// `email`, whoever can enter the address of another user could log that user out.
    pub fn subject_claim(mut self, name: impl Into<String>) -> Self {
        self.settings.subject_claim = Some(name.into());
        self
    }

    /// Accepts tokens only if they follow the JSON Web Token Profile for OAuth 2.0 Access Tokens
    /// (RFC 9068).
    ///
    /// Their `typ` must be `at+jwt` or `application/at+jwt`, in any case, so an ID token is
    /// rejected; `aud` must contain an [`audience`](Self::audience), which must therefore be
    /// configured; and `jti`, `client_id`, `sub` and `iat` are required. With these, each kind of
    /// revocation except that of a session applies to every token.
    ///
    /// Not every issuer follows the profile: see the chapter `provider_settings` of the guide.
    /// Together with [`typ`](Self::typ) or [`allow_any_audience`](Self::allow_any_audience), it is
    /// an error of [`build`](Self::build).
    pub fn rfc9068(mut self) -> Self {
        self.settings.rfc9068 = true;
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
        let Self { trust, issuers, settings, fetching, max_issuers, revocable, clock_skew, clock, claims: _ } = self;
        let claims = PhantomData;
        JwtVerifierBuilder { trust, issuers, settings, fetching, max_issuers, revocable, clock_skew, clock, claims }
    }
}
