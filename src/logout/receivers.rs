//! Endpoints that receive logouts from elsewhere.

use crate::{
    Logout,
    endpoint::{BackchannelLogoutBuilder, security_events::SecurityEventsBuilder},
    revoker::Source,
    token::jwt::Issuer,
};

impl<C: Send + Sync + 'static> Logout<C> {
    /// Creates the endpoint for the logouts of an OpenID provider (OpenID Connect Back-Channel
    /// Logout 1.0): see [`BackchannelLogout`](crate::endpoint::BackchannelLogout).
    ///
    /// `client_id` is the client of the provider at which users sign in, whose logout tokens are
    /// accepted. Logout tokens are verified with the keys of the verifier
    /// ([`TokenVerifier::messages`](crate::token::TokenVerifier::messages)).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use http::{Request, StatusCode};
    /// use tower::ServiceExt;
    /// use tower_logout::{JwtVerifier, Logout, MemoryStore};
    ///
    /// let verifier = JwtVerifier::hs256([7; 32]).issuer("https://idp.example").build()?;
    /// let logout = Logout::new(verifier, MemoryStore::new());
    /// let request = Request::post("/backchannel-logout")
    ///     .header("content-type", "application/x-www-form-urlencoded")
    ///     .body("logout_token=forged".to_owned())?;
    /// let response = logout.backchannel("shop").build()?.oneshot(request).await?;
    /// assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "aws-lc-rs"))]
    /// # fn main() {}
    /// ```
    pub fn backchannel(&self, client_id: impl Into<String>) -> BackchannelLogoutBuilder {
        let verifier = self.verifier();
        let clock_skew = verifier.retention().clock_skew();
        let revoker = self.revoker().source(Source::BackChannel);
        BackchannelLogoutBuilder::new(client_id.into(), verifier.messages(), verifier.clock(), clock_skew, revoker)
    }

    /// Receives the security events of a transmitter (Shared Signals Framework 1.0): usually an
    /// [`Issuer::transmitter`] with the [`audience`](Issuer::audience) of the stream. The
    /// [module](crate::endpoint::security_events) has the table of events and an example.
    ///
    /// Events are judged by the issuers, the clock and the retention of the verifier of this
    /// `Logout`.
    pub fn security_events(&self, transmitter: Issuer) -> SecurityEventsBuilder {
        let revoker = self.revoker().source(Source::SecurityEvent);
        SecurityEventsBuilder::new(transmitter, revoker, self.verifier().retention())
    }
}
