//! [`Consumed`]: tokens that are good for one use.

use crate::{
    revocation::{Outcome, TokenIdentity},
    revoker::{RevokeError, Revoker},
};

/// Whether a token was used for the first time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use = "a token that was used before must be rejected"]
pub enum Consumed {
    /// This call has used the token. No other call receives this for the same token.
    First,
    /// The token was used before, or was revoked by itself, as by a logout.
    Again,
}

impl Revoker {
    /// Uses a token that is good for one use, such as a refresh token, an invitation or a link by
    /// which a password is reset: revokes it, and returns whether this is its first use.
    ///
    /// Of any number of concurrent callers in all processes that share the store, exactly one
    /// receives [`Consumed::First`]. With [`Regions`](crate::store::Regions), that is one in each
    /// region, if another one calls before the first use has reached it: use a single-use token in
    /// the region that issued it.
    ///
    /// Verify the token before. A session or a user that has been logged out does not make it
    /// [`Consumed::Again`]: ask [`revoked`](Self::revoked) as well, before the token is used. That
    /// also fails if the tables of a `PostgresStore` that is used directly were emptied, which its
    /// writes do not notice.
    ///
    /// From its use on, the token is revoked, and a layer rejects it: do not guard the route that
    /// uses it with one that accepts such tokens.
    ///
    /// # Errors
    ///
    /// [`RevokeError::Store`] if the store failed or did not answer. The token may have been used:
    /// a retry may return `Again` although no call has returned `First`. For refresh tokens, that
    /// is a client that must log in again.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the token is either used or not.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::{
    ///     Revoker,
    ///     revocation::TokenIdentity,
    ///     revoker::{Consumed, RevokeError},
    /// };
    ///
    /// /// Returns whether the invitation is valid. `token` was verified.
    /// async fn accept(revoker: &Revoker, token: &TokenIdentity) -> Result<bool, RevokeError> {
    ///     Ok(revoker.consume(token).await? == Consumed::First)
    /// }
    /// ```
    pub async fn consume(&self, token: &TokenIdentity) -> Result<Consumed, RevokeError> {
        self.asks_the_store();
        Ok(match self.own_key_of(token).await?.outcome() {
            Outcome::Newly => Consumed::First,
            Outcome::Already => Consumed::Again,
        })
    }
}
