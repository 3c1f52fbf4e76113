//! What a resource server owes its clients: requirements, and the parameters of challenges.

use std::sync::Arc;

use crate::{
    Logout,
    endpoint::{ProtectedResource, Resource, ResourceError},
    guard::Requirement,
    respond::{InvalidRealm, is_quotable},
};

impl<C: Send + Sync + 'static> Logout<C> {
    /// Adds a requirement that a valid token must also fulfil, to the layers that are created
    /// afterwards and to [`check`](Self::check). Several must all be fulfilled.
    ///
    /// It is for frameworks without Tower layers, where a clone of the `Logout` stands for the
    /// routes with the requirement; elsewhere, use
    /// [`RevocationLayer::require`](crate::RevocationLayer::require), which has the details. The
    /// endpoint does not ask for it: a logout needs a valid token, whatever its scope.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_logout::{
    ///     JwtVerifier, Logout, MemoryStore,
    ///     respond::{Protocol, Rejection},
    ///     scope,
    /// };
    ///
    /// let logout = Logout::new(JwtVerifier::hs256([7; 32]).build()?, MemoryStore::new());
    /// let writers = logout.clone().require(scope("orders:write"));
    ///
    /// let request = http::Request::new(());
    /// let reason = writers.check((&request).into()).await.unwrap_err();
    /// let response = writers.reject(reason, Protocol::Http);
    /// assert_eq!(response.headers()["www-authenticate"], r#"Bearer scope="orders:write""#);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "aws-lc-rs"))]
    /// # fn main() {}
    /// ```
    pub fn require(self, requirement: impl Requirement<C>) -> Self {
        let scope = requirement.scope().unwrap_or_default().to_owned();
        let answers = self.answers.challenge(|challenge| challenge.with_scope(&scope));
        Self { guard: self.guard.require(requirement), answers, ..self }
    }

    /// Sets the realm of challenges (RFC 9110, section 11.5): the name of the protected space, for
    /// clients and people. Default: none.
    ///
    /// # Errors
    ///
    /// If it has characters other than printable ASCII and spaces. Quotes and backslashes are
    /// escaped.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_logout::{
    ///     JwtVerifier, Logout, MemoryStore,
    ///     respond::{Protocol, Rejection},
    /// };
    ///
    /// let verifier = JwtVerifier::hs256([7; 32]).build()?;
    /// let logout = Logout::new(verifier, MemoryStore::new()).realm("Orders")?;
    /// let response = logout.reject(Rejection::Missing, Protocol::Http);
    /// assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="Orders""#);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "aws-lc-rs"))]
    /// # fn main() {}
    /// ```
    pub fn realm(self, realm: impl Into<String>) -> Result<Self, InvalidRealm> {
        let realm = realm.into();
        if !is_quotable(&realm) {
            return Err(InvalidRealm { realm });
        }
        let answers = self.answers.challenge(|challenge| challenge.with_realm(&realm));
        Ok(Self { answers, ..self })
    }

    /// Sets the identifier of the protected resource (RFC 9728, section 1.2): the URL by which
    /// clients call it, without a fragment. Default: none.
    ///
    /// Challenges then name the URL of its metadata (`resource_metadata`), so mount the service of
    /// [`protected_resource`](Self::protected_resource), too. Tokens are not compared with the
    /// identifier: set it as the audience of the verifier, if the issuer writes it there (RFC
    /// 8707).
    ///
    /// # Errors
    ///
    /// If it is not an `https` URL, or an `http` URL of this machine.
    pub fn resource(self, identifier: &str) -> Result<Self, ResourceError> {
        let resource = Resource::parse(identifier)?;
        let url = resource.metadata_url();
        let answers = self.answers.challenge(|challenge| challenge.with_resource_metadata(&url));
        Ok(Self { answers, resource: Some(Arc::new(resource)), ..self })
    }

    /// Creates the service that publishes the metadata of the protected resource: its identifier,
    /// the authorization servers, and how tokens are sent.
    ///
    /// # Errors
    ///
    /// If no [`resource`](Self::resource) is set.
    pub fn protected_resource(&self) -> Result<ProtectedResource, ResourceError> {
        let resource = self.resource.clone().ok_or(ResourceError::NotSet)?;
        let verifier = Arc::clone(self.verifier());
        let revocable = Arc::new(move || verifier.revocable());
        Ok(ProtectedResource::new(resource, revocable, self.guard.bearer_methods()))
    }
}
