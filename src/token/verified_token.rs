//! [`VerifiedToken`]: the claims and the identity of a verified token.

use std::{fmt, ops::Deref, sync::Arc};

use crate::{clock::Timestamp, revocation::TokenIdentity, token::Claims};

/// A verified bearer token: its claims, and the identity that it can be revoked by.
///
/// The middleware puts it into the request's extensions. It dereferences to the claims. Clones
/// share one allocation, and `Debug` shows none of the claims.
pub struct VerifiedToken<C = Claims> {
    shared: Arc<Shared<C>>,
    cached_until: Timestamp,
}

struct Shared<C> {
    identity: TokenIdentity,
    claims: C,
}

impl<C> VerifiedToken<C> {
    /// Creates a verified token. The caller must have verified it.
    #[must_use]
    pub fn new(identity: TokenIdentity, claims: C) -> Self {
        Self { shared: Arc::new(Shared { identity, claims }), cached_until: Timestamp::MAX }
    }

    /// Sets the instant from which the token must be verified again, although it has not expired,
    /// by the clock of its verifier. Default: none, so [`Caching`](crate::token::Caching) alone
    /// determines how long it is cached.
    ///
    /// A verifier calls it if what it knows about this token becomes outdated, such as the answer
    /// of a server. It never makes a token cached for longer; of several calls, the earliest
    /// instant counts. What the token has opened goes on: a stream ends when the token is revoked
    /// or expires.
    #[must_use]
    pub fn cache_until(self, until: Timestamp) -> Self {
        Self { cached_until: self.cached_until.min(until), ..self }
    }

    pub(crate) fn cached_until(&self) -> Timestamp {
        self.cached_until
    }

    /// Returns the token's claims.
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.shared.claims
    }

    /// Returns the identity that the token can be revoked by.
    #[must_use]
    pub fn identity(&self) -> &TokenIdentity {
        &self.shared.identity
    }
}

impl<C> Clone for VerifiedToken<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), cached_until: self.cached_until }
    }
}

impl<C> Deref for VerifiedToken<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.claims()
    }
}

impl<C> fmt::Debug for VerifiedToken<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken").field("identity", self.identity()).finish_non_exhaustive()
    }
}
