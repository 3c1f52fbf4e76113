//! The endpoint for revocations by clients.

use std::sync::Arc;

use tower::BoxError;

use crate::{
    Logout,
    endpoint::{Authenticate, ClientRequest, RevocationEndpoint},
    revoker::Source,
};

impl<C: Send + Sync + 'static> Logout<C> {
    /// Creates the endpoint at which clients revoke their tokens (RFC 7009), for services that issue
    /// tokens themselves: see [`RevocationEndpoint`](crate::endpoint::RevocationEndpoint).
    ///
    /// `authenticate` gets the credentials of a client, none of which is verified, and returns the
    /// identifier of the client, or `None` if it is not authenticated. A public client is
    /// authenticated if it exists. An error is answered with 503.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use http::{Request, StatusCode};
    /// use tower::ServiceExt;
    /// use tower_logout::{
    ///     JwtVerifier, Logout, MemoryStore,
    ///     endpoint::{ClientCredentials, ClientRequest},
    /// };
    ///
    /// # async fn secret_of(_: &str) -> Result<Option<String>, std::io::Error> { Ok(None) }
    /// # async fn is_public(_: &str) -> Result<bool, std::io::Error> { Ok(true) }
    /// let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build()?;
    /// let logout = Logout::new(verifier, MemoryStore::new());
    /// let service = logout.revocation_endpoint(async |request: ClientRequest| {
    ///     let Some(id) = request.credentials.client_id() else { return Ok(None) };
    ///     let is_client = match &request.credentials {
    ///         ClientCredentials::Id { .. } => is_public(id).await?,
    ///         credentials => {
    ///             secret_of(id).await?.is_some_and(|secret| credentials.has_secret(&secret))
    ///         }
    ///     };
    ///     Ok(is_client.then(|| id.to_owned()))
    /// });
    ///
    /// let request = Request::post("/oauth/revoke")
    ///     .header("content-type", "application/x-www-form-urlencoded")
    ///     .body("client_id=app&token=expired".to_owned())?;
    /// assert_eq!(service.oneshot(request).await?.status(), StatusCode::OK);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "aws-lc-rs"))]
    /// # fn main() {}
    /// ```
    pub fn revocation_endpoint<F, R>(&self, authenticate: F) -> RevocationEndpoint
    where
        F: Fn(ClientRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<String>, BoxError>> + Send + 'static,
    {
        let refresh = self.refresh.as_ref().map(|refresh| Arc::clone(&refresh.tokens));
        let authenticate: Arc<Authenticate> = Arc::new(move |request| Box::pin(authenticate(request)));
        let revoker = self.revoker().source(Source::RevocationEndpoint);
        RevocationEndpoint::new(authenticate, Arc::new(self.guard.clone()), refresh, revoker)
    }
}
