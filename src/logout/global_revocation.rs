//! The endpoint for global revocations.

use crate::{
    Logout,
    endpoint::{GlobalRevocationAuth, GlobalRevocationBuilder},
    revoker::Source,
};

impl<C: Send + Sync + 'static> Logout<C> {
    /// Creates the endpoint at which an identity provider ends all tokens of a user (Global Token
    /// Revocation; Okta's Universal Logout): see
    /// [`GlobalRevocation`](crate::endpoint::GlobalRevocation).
    ///
    /// `authentication` is how the provider authenticates: there is no endpoint without it.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use http::{Request, StatusCode};
    /// use tower::ServiceExt;
    /// use tower_logout::{JwtVerifier, Logout, MemoryStore, endpoint::GlobalRevocationAuth};
    ///
    /// let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build()?;
    /// let logout = Logout::new(verifier, MemoryStore::new());
    /// let authentication = GlobalRevocationAuth::bearer("5d0b4a3a6c1f4e2d");
    /// let service = logout.global_revocation(authentication).build()?;
    /// let user = r#"{"format":"iss_sub","iss":"https://matar.app","sub":"usr_123"}"#;
    /// let request = Request::post("/global-token-revocation")
    ///     .header("authorization", "Bearer 5d0b4a3a6c1f4e2d")
    ///     .header("content-type", "application/json")
    ///     .body(format!(r#"{{"sub_id":{user}}}"#))?;
    /// assert_eq!(service.oneshot(request).await?.status(), StatusCode::NO_CONTENT);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "aws-lc-rs"))]
    /// # fn main() {}
    /// ```
    pub fn global_revocation(&self, authentication: GlobalRevocationAuth) -> GlobalRevocationBuilder {
        let verifier = self.verifier();
        let clock_skew = verifier.retention().clock_skew();
        let revoker = self.revoker().source(Source::GlobalRevocation);
        GlobalRevocationBuilder::new(authentication, verifier.clock(), clock_skew, revoker)
    }
}
