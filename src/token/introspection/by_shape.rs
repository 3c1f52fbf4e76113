//! [`JwtOrOpaque`]: JWTs and opaque tokens at one service.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use super::{Introspection, shape::is_jwt};
#[cfg(feature = "receivers")]
use crate::token::jwt::MessageVerifier;
use crate::{
    JwtVerifier,
    clock::Clock,
    revocation::{Retention, Revocable},
    token::{Caching, Claims, TokenVerifier, VerifiedToken, VerifyError},
};

/// Verifies JWTs by their signatures and opaque tokens by introspection:
/// [`JwtVerifier::or_opaque`].
///
/// The shape of a token decides, and nothing else: one of three parts separated by dots, the first
/// of which is the header of a JWT, is a JWT. It is never sent to the introspection endpoint, also
/// if it is rejected. Any other token is opaque.
pub struct JwtOrOpaque<C = Claims>
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    jwt: JwtVerifier<C>,
    opaque: Introspection<C>,
}

impl<C: DeserializeOwned + Send + Sync + 'static> JwtVerifier<C> {
    /// Combines this verifier with an introspection of the tokens that are not JWTs, for
    /// authorization servers that issue both kinds.
    ///
    /// Revocations are retained for the longer of the lifetimes that the two accept, and the time
    /// is that of this verifier's clock.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_logout::{JwtVerifier, Logout, MemoryStore, token::introspection::Introspection};
    ///
    /// # let secret = "s";
    /// let opaque = Introspection::at("https://login.example/oauth2/introspect", "https://login.example")
    ///     .client_secret_basic("orders", secret)
    ///     .audience("https://api.example")
    /// #   .fetch_with(|_| async { Err::<http::Response<http_body_util::Empty<bytes::Bytes>>, _>("no network") })
    ///     .build()?;
    /// let verifier = JwtVerifier::hs256([7; 32])
    ///     .issuer("https://login.example")
    ///     .audience("https://api.example")
    ///     .build()?
    ///     .or_opaque(opaque);
    /// let logout = Logout::new(verifier, MemoryStore::new());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "aws-lc-rs"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn or_opaque(self, introspection: Introspection<C>) -> JwtOrOpaque<C> {
        JwtOrOpaque { jwt: self, opaque: introspection }
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> JwtOrOpaque<C> {
    fn verifier_of(&self, token: &str) -> &dyn TokenVerifier<Claims = C> {
        if is_jwt(token) { &self.jwt } else { &self.opaque }
    }
}

#[async_trait]
impl<C: DeserializeOwned + Send + Sync + 'static> TokenVerifier for JwtOrOpaque<C> {
    type Claims = C;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<C>, VerifyError> {
        self.verifier_of(token).verify(token).await
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<C>, VerifyError>> {
        self.verifier_of(token).verify_now(token)
    }

    /// That of JWTs. An introspected token says itself how long it may be cached.
    fn caching(&self) -> Caching {
        self.jwt.caching()
    }

    fn revision(&self) -> u64 {
        self.jwt.revision().wrapping_add(self.opaque.revision())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.jwt.clock()
    }

    fn retention(&self) -> Retention {
        self.jwt.retention().join(&self.opaque.retention())
    }

    fn revocable(&self) -> Revocable {
        self.jwt.revocable().join(self.opaque.revocable())
    }

    fn explain(&self, token: &str) -> Option<String> {
        self.verifier_of(token).explain(token)
    }

    #[cfg(feature = "receivers")]
    fn messages(&self) -> Option<MessageVerifier> {
        self.jwt.messages()
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Clone for JwtOrOpaque<C> {
    fn clone(&self) -> Self {
        Self { jwt: self.jwt.clone(), opaque: self.opaque.clone() }
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> fmt::Debug for JwtOrOpaque<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtOrOpaque").field("jwt", &self.jwt).field("opaque", &self.opaque).finish()
    }
}
