//! [`BackchannelLogoutBuilder`]: the configuration of a [`BackchannelLogout`].

use std::{fmt, future::Future, sync::Arc, time::Duration};

use super::{
    BackchannelError, BackchannelLogout,
    logout_token::DEFAULT_MAX_AGE,
    service::Shared,
    settings::{Client, DatedBy, Decrypt, Settings},
};
use crate::{
    clock::Clock,
    endpoint::report::Reports,
    revoker::Revoker,
    telemetry::Throttle,
    token::{
        VerifyError,
        jwt::{Algorithm, Issuer, MessageVerifier},
    },
};

/// Builder of a [`BackchannelLogout`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct BackchannelLogoutBuilder {
    messages: Option<MessageVerifier>,
    issuer: Option<Issuer>,
    algorithms: Vec<(String, Vec<Algorithm>)>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    clock_skew: Duration,
    revoker: Revoker,
}

impl BackchannelLogoutBuilder {
    pub(crate) fn new(
        client_id: String,
        messages: Option<MessageVerifier>,
        clock: Arc<dyn Clock>,
        clock_skew: Duration,
        revoker: Revoker,
    ) -> Self {
        let settings = Settings {
            clients: vec![Client { id: client_id, algorithms: None }],
            max_age: DEFAULT_MAX_AGE,
            allow_missing_expiry: false,
            allow_unencrypted: false,
            dated_by: DatedBy::Delivery,
            always_end_subject: false,
            decrypt: None,
            timeout: BackchannelLogout::DEFAULT_TIMEOUT,
        };
        Self { messages, issuer: None, algorithms: Vec::new(), settings, clock, clock_skew, revoker }
    }

    /// Adds the identifier of another client of the provider whose logout tokens are accepted.
    ///
    /// The audience (`aud`) of a logout token is the client at which the user had signed in, not
    /// the audience of access tokens.
    pub fn client(mut self, client_id: impl Into<String>) -> Self {
        self.settings.clients.push(Client { id: client_id.into(), algorithms: None });
        self
    }

    /// Sets the algorithms of the logout tokens for a client: as a rule one, the
    /// `id_token_signed_response_alg` with which it is registered. Default: those that the verifier
    /// allows for the tokens of the issuer.
    ///
    /// Some versions of Keycloak sign with the algorithm of another client that takes part in the
    /// session: leave the default there.
    pub fn algorithms_of(
        mut self,
        client_id: impl Into<String>,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> Self {
        self.algorithms.push((client_id.into(), algorithms.into_iter().collect()));
        self
    }

    /// Accepts logout tokens of this issuer, instead of those of the issuers of the verifier.
    ///
    /// It is for verifiers without keys, such as an
    /// [`Introspection`](crate::token::introspection::Introspection). Of the settings of the
    /// issuer, those of its keys, the algorithms, the leeway and the subject claim apply. If its
    /// keys are fetched, call [`build`](Self::build) on the Tokio runtime that serves requests; until
    /// they are there, logout tokens get 503.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// Accepts logout tokens without `exp`, while they are not older than
    /// [`max_age`](Self::max_age): 5 minutes, unless it is set.
    ///
    /// Ory Hydra and Glewlwyd send such tokens, as drafts before the final standard allowed.
    pub fn allow_missing_expiry(mut self) -> Self {
        self.settings.allow_missing_expiry = true;
        self
    }

    /// Sets how long after its `iat` a logout token is accepted at most, and how long it is
    /// remembered for therefore, whatever its `exp`. Default: one day if the token has an `exp`, and
    /// 5 minutes if it has none.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.settings.max_age = [max_age; 2];
        self
    }

    /// Decrypts logout tokens that are encrypted (JWE) by this closure, before anything else of
    /// them is looked at. It returns the signed token inside. By default, an encrypted token is
    /// refused.
    ///
    /// Its error [`VerifyError::Unavailable`] is answered with 503, for example if a key management
    /// service does not answer, and every other with 400. Tokens that are not encrypted are then
    /// refused, unless [`allow_unencrypted`](Self::allow_unencrypted) is set. Everybody can send
    /// texts to the closure.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_logout::{JwtVerifier, Logout, MemoryStore, token::VerifyError};
    ///
    /// # fn decrypt(_: &str) -> Result<String, std::io::Error> { Err(std::io::ErrorKind::Other.into()) }
    /// let verifier = JwtVerifier::hs256([7; 32]).issuer("https://idp.example").build()?;
    /// let logout = Logout::new(verifier, MemoryStore::new());
    /// let service = logout
    ///     .backchannel("shop")
    ///     .decrypt(|token| async move { decrypt(&token).map_err(VerifyError::invalid) })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "aws-lc-rs"))]
    /// # fn main() {}
    /// ```
    pub fn decrypt<F, R>(mut self, decrypt: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, VerifyError>> + Send + 'static,
    {
        self.settings.decrypt = Some(Decrypt::new(decrypt));
        self
    }

    /// Accepts logout tokens that are not encrypted although there is a closure to
    /// [decrypt](Self::decrypt) them, for example while a provider is being changed over.
    pub fn allow_unencrypted(mut self) -> Self {
        self.settings.allow_unencrypted = true;
        self
    }

    /// Ends all sessions of the subject (`sub`) also if the logout token names one session (`sid`).
    ///
    /// It is for issuers whose access tokens have no `sid`: a logout would not end them otherwise.
    /// A logout token without the subject is then refused, because nothing would end.
    pub fn always_end_subject(mut self) -> Self {
        self.settings.always_end_subject = true;
        self
    }

    /// Allows access tokens that are issued after the `iat` of the logout token. By default, those
    /// that are issued until its delivery end, too.
    ///
    /// Providers send the logout token before they end the session, so a token that is issued in
    /// between stays valid. In return, if the provider delivers a logout of the user late, a login
    /// in between stays as well. A new session has a new `sid`, so it is not affected by a logout of
    /// another one in any case.
    pub fn allow_tokens_since_iat(mut self) -> Self {
        self.settings.dated_by = DatedBy::IssueOfLogoutToken;
        self
    }

    /// Sets how long a request may take in total, from reading its body to the answer of the store.
    /// Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Validates the configuration and builds the service.
    ///
    /// # Errors
    ///
    /// [`BackchannelError`], which names the remedy, if the configuration is incomplete or
    /// contradictory, or if keys must be fetched and the caller is outside a Tokio runtime.
    pub fn build(self) -> Result<BackchannelLogout, BackchannelError> {
        let Self { messages, issuer, algorithms, mut settings, clock, clock_skew, revoker } = self;
        if settings.clients.iter().any(|client| client.id.is_empty()) {
            return Err(BackchannelError::EmptyClient);
        }
        for (id, algorithms) in algorithms {
            if algorithms.is_empty() {
                return Err(BackchannelError::NoAlgorithms(id));
            }
            let Some(client) = settings.clients.iter_mut().find(|client| client.id == id) else {
                return Err(BackchannelError::UnknownClient(id));
            };
            client.algorithms = Some(algorithms);
        }
        for (what, duration) in [("max_age", settings.max_age[0]), ("timeout", settings.timeout)] {
            if duration.is_zero() {
                return Err(BackchannelError::ZeroDuration(what));
            }
        }
        let messages = match issuer {
            None => messages.ok_or(BackchannelError::NoKeys)?,
            Some(issuer) => {
                if let Some(known) = revoker.own_revocable().lacks_issuer(Some(issuer.name())) {
                    let issuer = issuer.name().to_owned();
                    return Err(BackchannelError::UnknownIssuer { issuer, known: known.to_vec() });
                }
                issuer.into_messages(clock_skew, Arc::clone(&clock)).map_err(BackchannelError::of_issuer)?
            }
        };
        let reports = Reports { revoker };
        let throttle = Arc::<Throttle>::default();
        Ok(BackchannelLogout::new(Shared { messages, settings, clock, reports, throttle }))
    }
}

impl fmt::Debug for BackchannelLogoutBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackchannelLogoutBuilder")
            .field("issuer", &self.issuer)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
