//! [`LogoutScope`]: what a logout ends beside the token.

/// What a logout ends.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LogoutScope {
    /// The token alone.
    #[default]
    Token,
    /// The token, and the session (`sid`) that it belongs to: all tokens of it that were issued
    /// until now. The issuer must stop issuing tokens for the session.
    ///
    /// A token without a `sid` belongs to no session that could be ended. It ends alone, which is a
    /// success for the client, and the event `token lacks a claim` reports it to operators.
    Session,
    /// All tokens of the subject (`sub`) that were issued until now: "log out everywhere".
    ///
    /// A token without a subject ends nothing, not even itself: the answer is 400
    /// [`Rejection::NoSubject`](crate::respond::Rejection::NoSubject), whose text says so, and the
    /// event `token lacks a claim` reports it to operators.
    ///
    /// `iat` has whole seconds, so a token that is issued later in the same second is rejected as
    /// well. The answer is therefore delayed until that second has passed, but never by more than
    /// [`LogoutService::MAX_DELAY`](crate::LogoutService::MAX_DELAY) (2 s) nor beyond the
    /// [timeout](crate::LogoutService::timeout). A login made after an answer **without** the
    /// header `Retry-After` is never affected, unless the clock of the tokens' issuer runs behind
    /// this node's.
    ///
    /// # When a login is safe
    ///
    /// The second lies further ahead where the token is dated later than this node's clock, or
    /// where [`issuer_clock_ahead`](crate::Logout::issuer_clock_ahead) says that tokens may be. The
    /// answer is then the same 200, sent before that second has passed, and `Retry-After` (RFC
    /// 9110, section 10.2.3) says in how many whole seconds a login is safe: one that is made
    /// earlier may be rejected as revoked. The revocation itself is in force in any case.
    ///
    /// A script in a browser reads that header across origins only if the CORS layer exposes it
    /// (`Access-Control-Expose-Headers: Retry-After`). In code,
    /// [`Receipt::settled`](crate::revoker::Receipt::settled) waits for the same.
    ///
    /// # Timeouts around it
    ///
    /// A `TimeoutLayer` or a proxy that waits for less than the
    /// [timeout](crate::LogoutService::timeout) (5 s) and a check's 250 ms can answer the client
    /// with an error although the logout takes effect; tried again, it is rejected as revoked. Let
    /// them wait longer here, or leave this route out of the `TimeoutLayer`.
    Subject,
}
