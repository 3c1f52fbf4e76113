//! [`GlobalRevocationBuilder`]: the configuration of a [`GlobalRevocation`].

use std::{fmt, sync::Arc, time::Duration};

use tower::BoxError;

use super::{GlobalRevocation, GlobalRevocationAuth, GlobalRevocationError, mapping::Mapping, receive::Shared};
use crate::{
    clock::Clock,
    endpoint::{SubjectIdentifier, report::Reports},
    revocation::RevocationKey,
    revoker::Revoker,
};

/// Builder of a [`GlobalRevocation`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct GlobalRevocationBuilder {
    authentication: GlobalRevocationAuth,
    mapping: Mapping,
    unknown_as_success: bool,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    clock_skew: Duration,
    revoker: Revoker,
}

impl GlobalRevocationBuilder {
    pub(crate) fn new(
        authentication: GlobalRevocationAuth,
        clock: Arc<dyn Clock>,
        clock_skew: Duration,
        revoker: Revoker,
    ) -> Self {
        let (mapping, timeout) = (Mapping::default(), GlobalRevocation::DEFAULT_TIMEOUT);
        Self { authentication, mapping, unknown_as_success: false, timeout, clock, clock_skew, revoker }
    }

    /// Sets the issuers of access tokens whose users may be named. Default: all issuers of the
    /// verifier.
    ///
    /// If each tenant has an issuer and a credential of its own, create an endpoint for each, so
    /// that no tenant can end the tokens of another one.
    pub fn issuers(mut self, issuers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.mapping.issuers = Some(issuers.into_iter().map(Into::into).collect());
        self
    }

    /// Revokes tokens by the email address of their user, which they have in this claim.
    ///
    /// The claim must be revocable: see `JwtVerifierBuilder::revocable_claim`. It is compared with
    /// the address as it was sent, and with the domain in lower case. Whether there is such a user
    /// cannot be known, so the response is 204.
    pub fn email_claim(mut self, name: impl Into<String>) -> Self {
        self.mapping.email_claim = Some(name.into());
        self
    }

    /// Revokes tokens by the telephone number of their user, which they have in this claim, as
    /// [`email_claim`](Self::email_claim) does.
    pub fn phone_number_claim(mut self, name: impl Into<String>) -> Self {
        self.mapping.phone_number_claim = Some(name.into());
        self
    }

    /// Asks a closure whose tokens a subject identifier means, if the identifier does not say it by
    /// itself: see [`GlobalRevocation`](super::GlobalRevocation#who-is-named).
    ///
    /// It returns the keys to revoke, as a rule [`RevocationKey::subject`], and none for an unknown
    /// user. The error [`CannotBeRevoked`](super::CannotBeRevoked) is answered with 422, and every
    /// other with 503. It is called for requests of authenticated senders only, and again if a
    /// request is repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::{
    ///     Logout,
    ///     endpoint::{GlobalRevocation, GlobalRevocationAuth, GlobalRevocationError, SubjectIdentifier},
    ///     revocation::RevocationKey,
    /// };
    ///
    /// # async fn users_by_email(_: &str) -> Result<Vec<String>, std::io::Error> { Ok(Vec::new()) }
    /// fn service(logout: &Logout, secret: &str) -> Result<GlobalRevocation, GlobalRevocationError> {
    ///     logout
    ///         .global_revocation(GlobalRevocationAuth::bearer(secret))
    ///         .resolve(async |subject| {
    ///             let SubjectIdentifier::Email { email } = subject else { return Ok(Vec::new()) };
    ///             let users = users_by_email(&SubjectIdentifier::canonical_email(&email)).await?;
    ///             let key = |sub: &String| RevocationKey::subject("https://matar.app", sub);
    ///             Ok(users.iter().map(key).collect())
    ///         })
    ///         .build()
    /// }
    /// ```
    pub fn resolve<F, R>(mut self, resolve: F) -> Self
    where
        F: Fn(SubjectIdentifier) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<RevocationKey>, BoxError>> + Send + 'static,
    {
        self.mapping.resolver = Some(Arc::new(move |subject| Box::pin(resolve(subject))));
        self
    }

    /// Responds with 204 also if the user is unknown, so that nobody learns who has an account. By
    /// default, the response is 404.
    pub fn unknown_as_success(mut self) -> Self {
        self.unknown_as_success = true;
        self
    }

    /// Sets how long a request may take in total, from authentication to the answer of the store.
    /// Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Validates the configuration and builds the service.
    ///
    /// # Errors
    ///
    /// [`GlobalRevocationError`], which names the remedy, if the configuration is incomplete or
    /// contradictory, or if keys must be fetched and the caller is outside a Tokio runtime.
    pub fn build(self) -> Result<GlobalRevocation, GlobalRevocationError> {
        let Self { authentication, mapping, unknown_as_success, timeout, clock, clock_skew, revoker } = self;
        if timeout.is_zero() {
            return Err(GlobalRevocationError::ZeroTimeout);
        }
        check(&mapping, &revoker)?;
        let ways = authentication.into_builders().into_iter();
        let ways = ways.map(|way| way.build(clock_skew, &clock)).collect::<Result<_, _>>()?;
        let (reports, throttle) = (Reports { revoker }, Arc::default());
        Ok(GlobalRevocation::new(Shared { ways, mapping, unknown_as_success, timeout, reports, throttle }))
    }
}

/// Whether the mapping can find tokens of the verifier.
fn check(mapping: &Mapping, revoker: &Revoker) -> Result<(), GlobalRevocationError> {
    let revocable = revoker.own_revocable();
    if mapping.issuers.as_ref().is_some_and(Vec::is_empty) {
        return Err(GlobalRevocationError::NoIssuers);
    }
    for issuer in mapping.issuers.iter().flatten() {
        if let Some(known) = revocable.lacks_issuer(Some(issuer)) {
            return Err(GlobalRevocationError::UnknownIssuer { issuer: issuer.clone(), known: known.to_vec() });
        }
    }
    for claim in [&mapping.email_claim, &mapping.phone_number_claim].into_iter().flatten() {
        if revocable.lacks_claim(claim).is_some() {
            return Err(GlobalRevocationError::UnknownClaim { claim: claim.clone() });
        }
    }
    Ok(())
}

impl fmt::Debug for GlobalRevocationBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalRevocationBuilder")
            .field("authentication", &self.authentication)
            .field("issuers", &self.mapping.issuers)
            .field("unknown_as_success", &self.unknown_as_success)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
