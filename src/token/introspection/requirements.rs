//! The requirements for tokens, as [`IntrospectionBuilder`] sets them.

use std::time::Duration;

use super::IntrospectionBuilder;

/// The requirements for tokens, by the same rules as for JWTs.
impl<C> IntrospectionBuilder<C> {
    /// Accepts tokens for this audience (`aud`) only. Can be called several times; a token must
    /// have one of them.
    ///
    /// By default, a token with an audience is rejected, as a JWT is: it is meant for another
    /// recipient (RFC 7519, section 4.1.3, which RFC 7662 refers to), and a server that shows it to
    /// this service does not say otherwise. If the server's answers have no `aud`, call neither
    /// this nor [`allow_any_audience`](Self::allow_any_audience).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.issuer = self.issuer.audience(audience);
        self
    }

    /// Accepts tokens for any audience, and those without one.
    ///
    /// A token that was issued for another service of the same issuer is then accepted too, unless
    /// the server hides it from this service.
    pub fn allow_any_audience(mut self) -> Self {
        self.issuer = self.issuer.allow_any_audience();
        self
    }

    /// Accepts tokens of this type (`token_type` in the answer), too. Can be called several times.
    ///
    /// By default, `Bearer`, `access_token` and answers without a type are accepted. Refresh tokens
    /// and ID tokens, which some servers introspect as well, are never accepted.
    pub fn token_type(mut self, token_type: impl Into<String>) -> Self {
        self.token_types.push(token_type.into());
        self
    }

    /// Rejects tokens whose answer has no `jti`, or an empty one. By default, such a token is
    /// identified by its text.
    pub fn require_jti(mut self) -> Self {
        self.issuer = self.issuer.require_jti();
        self
    }

    /// Rejects tokens whose answer has no `iat`. By default, such a token counts as issued before
    /// every revocation.
    pub fn require_iat(mut self) -> Self {
        self.issuer = self.issuer.require_iat();
        self
    }

    /// Makes tokens revocable by a member of the answer, such as `tenant`: see
    /// [`JwtVerifierBuilder::revocable_claim`](crate::token::jwt::JwtVerifierBuilder::revocable_claim).
    pub fn revocable_claim(mut self, name: impl Into<String>) -> Self {
        self.revocable.push(name.into());
        self
    }

    /// Reads the session from this member of the answer instead of `sid`: see
    /// [`JwtVerifierBuilder::session_claim`](crate::token::jwt::JwtVerifierBuilder::session_claim).
    pub fn session_claim(mut self, name: impl Into<String>) -> Self {
        self.issuer = self.issuer.session_claim(name);
        self
    }

    /// Reads the subject from this member of the answer instead of `sub`: see
    /// [`JwtVerifierBuilder::subject_claim`](crate::token::jwt::JwtVerifierBuilder::subject_claim).
    pub fn subject_claim(mut self, name: impl Into<String>) -> Self {
        self.issuer = self.issuer.subject_claim(name);
        self
    }

    /// Accepts an integer as the subject (`sub`): see
    /// [`JwtVerifierBuilder::allow_integer_subject`](crate::token::jwt::JwtVerifierBuilder::allow_integer_subject).
    pub fn allow_integer_subject(mut self) -> Self {
        self.issuer = self.issuer.allow_integer_subject();
        self
    }

    /// Accepts tokens that are bound to a key of their client (`cnf`, or the type `DPoP`), without
    /// a proof that the client holds the key: see
    /// [`JwtVerifierBuilder::allow_unverified_binding`](crate::token::jwt::JwtVerifierBuilder::allow_unverified_binding)
    /// and its consequences.
    pub fn allow_unverified_binding(mut self) -> Self {
        self.issuer = self.issuer.allow_unverified_binding();
        self
    }

    /// Sets how long after `exp` a token is still accepted, if the server says that it is active.
    /// Default: zero.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.issuer = self.issuer.leeway(leeway);
        self
    }

    /// Sets by how much the clocks of issuer, verifiers and stores may differ. Default: 30 seconds.
    /// A signed answer may also be this much older than the request.
    pub fn clock_skew(mut self, clock_skew: Duration) -> Self {
        self.clock_skew = clock_skew;
        self
    }

    /// Sets the maximum lifetime of a token, `exp - iat`. Default: 366 days. A token without `exp`
    /// expires after it.
    ///
    /// Revocations of a subject, a session, a client and so on are retained for that long.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.issuer = self.issuer.max_lifetime(max_lifetime);
        self
    }
}
