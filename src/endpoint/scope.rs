//! [`LogoutScope`]: the tokens that a logout revokes.

/// The tokens that a logout revokes.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LogoutScope {
    /// The token alone.
    #[default]
    Token,
    /// The token, and all tokens of its session (`sid`, or the claim that the verifier's
    /// `session_claim` names) that were issued up to now. The issuer must stop issuing tokens for
    /// the session.
    ///
    /// If the token has no session, only the token itself is revoked. The client gets the response to
    /// a successful logout, and the event `token lacks a claim` informs operators.
    Session,
    /// All tokens of the subject (`sub`, or the claim that the verifier's `subject_claim` names)
    /// that were issued up to now: "log out everywhere".
    ///
    /// If the token has no subject, nothing is revoked, not even the token itself. The response is
    /// 400 [`Rejection::NoSubject`](crate::respond::Rejection::NoSubject), and the event `token
    /// lacks a claim` informs operators.
    ///
    /// `iat` has a resolution of one second, so a token issued later in the same second is rejected
    /// too. The response is therefore delayed until the next second, but never by more than
    /// [`LogoutService::MAX_DELAY`](crate::LogoutService::MAX_DELAY) (2 s) nor beyond the
    /// [timeout](crate::LogoutService::timeout). A login after a response **without** the header
    /// `Retry-After` is never affected, unless the clock of the issuer runs behind that of this
    /// node.
    ///
    /// # When a login is safe
    ///
    /// If the `iat` of the token is later than the time of this node, or if
    /// [`issuer_clock_ahead`](crate::Logout::issuer_clock_ahead) is set, the delay may not suffice.
    /// The response is then the same 200 with the header `Retry-After` (RFC 9110, section 10.2.3):
    /// the number of whole seconds after which a login is safe. A login made earlier may be
    /// rejected as revoked. The revocation itself is in force in any case.
    ///
    /// A script in a browser reads that header across origins only if the CORS layer exposes it
    /// (`Access-Control-Expose-Headers: Retry-After`). In application code,
    /// [`Receipt::settled`](crate::revoker::Receipt::settled) waits until a login is safe.
    ///
    /// # Outer timeouts
    ///
    /// If the timeout of a `TimeoutLayer` or a proxy is shorter than the
    /// [timeout](crate::LogoutService::timeout) of the endpoint (5 s) plus that of a check (250
    /// ms), the client may get an error although the logout takes effect; a retry is then rejected
    /// as revoked. Set a longer timeout for this route, or exclude it from the `TimeoutLayer`.
    Subject,
}
