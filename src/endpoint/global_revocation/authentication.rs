//! [`GlobalRevocationAuth`]: how senders authenticate.

use std::{fmt, sync::Arc};

use http::request::Parts;
use tower::BoxError;

use super::{
    Access,
    authenticator::{AuthenticatorBuilder, Closure},
};
use crate::token::jwt::Issuer;

/// How the senders of global revocations authenticate.
///
/// One of the ways must be chosen, because whoever may send can end the tokens of every user.
/// [`or`](Self::or) combines several.
///
/// # Examples
///
/// Okta's Universal Logout, and a secret for the operators:
///
/// ```
/// use tower_logout::{endpoint::GlobalRevocationAuth, token::jwt::Issuer};
///
/// # fn example(secret: &str) -> GlobalRevocationAuth {
/// let okta = Issuer::jwks("https://acme.okta.com", "https://acme.okta.com/oauth2/v1/keys");
/// GlobalRevocationAuth::signed_jwt(okta, "0oa1b2c3", "https://api.example/global-token-revocation")
///     .or(GlobalRevocationAuth::bearer(secret))
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct GlobalRevocationAuth(Vec<AuthenticatorBuilder>);

impl GlobalRevocationAuth {
    /// Accepts a JSON Web Token of this issuer as bearer token, as Okta sends it (type
    /// `global-token-revocation+jwt`).
    ///
    /// `subject` is the client identifier of the application at Okta, or the identifier of the
    /// instance of a SAML application. `endpoint` is the URL of this endpoint as it is configured
    /// there. Neither has to do with access tokens: see
    /// [`GlobalRevocation`](super::GlobalRevocation#signed-tokens) for what is checked.
    ///
    /// Of the settings of the issuer, those of its keys, the algorithms and the leeway apply. If its
    /// keys are fetched, build the endpoint on the Tokio runtime that serves requests; until they are
    /// there, requests get 503.
    pub fn signed_jwt(issuer: Issuer, subject: impl Into<String>, endpoint: impl Into<String>) -> Self {
        let (subject, endpoint) = (subject.into(), endpoint.into());
        Self(vec![AuthenticatorBuilder::SignedJwt { issuer: Box::new(issuer), subject, endpoint }])
    }

    /// Accepts this secret as bearer token. It is compared in constant time, and only its hash is
    /// kept in memory.
    ///
    /// It must have at least 16 characters: choose it at random. Such a request can be repeated by
    /// whoever has the secret, and revokes each time.
    pub fn bearer(secret: impl Into<String>) -> Self {
        Self(vec![AuthenticatorBuilder::Bearer(secret.into())])
    }

    /// Asks a closure, which gets the request without its body: for client certificates that a proxy
    /// or another layer has verified, or for access tokens with a scope.
    ///
    /// An error is answered with 503.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::endpoint::{Access, GlobalRevocationAuth};
    ///
    /// // Set by a proxy that verifies client certificates, and removes the header of clients.
    /// let authentication = GlobalRevocationAuth::closure(async |request| {
    ///     let is_provider = request.headers.get("x-client-subject").is_some_and(|name| name == "CN=idp");
    ///     Ok(if is_provider { Access::Allowed } else { Access::Unauthenticated })
    /// });
    /// ```
    pub fn closure<F, R>(authenticate: F) -> Self
    where
        F: Fn(Parts) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Access, BoxError>> + Send + 'static,
    {
        let closure: Arc<Closure> = Arc::new(move |request| Box::pin(authenticate(request)));
        Self(vec![AuthenticatorBuilder::Closure(closure)])
    }

    /// Accepts what either of the two accepts. They are tried in this order.
    pub fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(super) fn into_builders(self) -> Vec<AuthenticatorBuilder> {
        self.0
    }
}

impl fmt::Debug for GlobalRevocationAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(AuthenticatorBuilder::name)).finish()
    }
}
