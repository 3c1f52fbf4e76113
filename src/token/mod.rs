//! What arrives: where a token is found in a request, and what is known of it once it is verified.

mod cached;
#[cfg(feature = "jwt")]
pub mod jwt;
mod source;
mod verify;

use std::{fmt, ops::Deref, sync::Arc};

pub use cached::CachedVerifier;
use source::is_token68;
pub use source::{InvalidRequest, RequestHead, TokenSource};
pub use verify::{TokenVerifier, VerifyError};

use crate::revocation::TokenIdentity;

/// A bearer token that was verified: its claims, and what a store must know of it.
///
/// The middleware puts it into the request's extensions. Clones share one allocation. It dereferences to the claims, and its `Debug` shows
/// none of them.
pub struct VerifiedToken<C> {
    shared: Arc<Shared<C>>,
}

struct Shared<C> {
    identity: TokenIdentity,
    claims: C,
}

impl<C> VerifiedToken<C> {
    /// A token that the caller has verified.
    pub fn new(identity: TokenIdentity, claims: C) -> Self {
        Self { shared: Arc::new(Shared { identity, claims }) }
    }

    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.shared.claims
    }

    /// What a store must know of the token.
    #[must_use]
    pub fn identity(&self) -> &TokenIdentity {
        &self.shared.identity
    }
}

impl<C: Send + Sync + 'static> VerifiedToken<C> {
    /// The identity alone, for those who do not know the claims. It keeps them alive.
    pub(crate) fn identified(&self) -> Arc<dyn AsRef<TokenIdentity> + Send + Sync> {
        Arc::clone(&self.shared) as _
    }
}

impl<C> AsRef<TokenIdentity> for Shared<C> {
    fn as_ref(&self) -> &TokenIdentity {
        &self.identity
    }
}

impl<C> Clone for VerifiedToken<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
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
