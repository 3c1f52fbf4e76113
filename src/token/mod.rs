//! What arrives: where a token is found in a request, and what is known of it once it is verified.

mod cached;
mod fault;
mod flight;
#[cfg(feature = "jwt")]
pub mod jwt;
mod revocable;
mod source;
mod verify;

use std::{
    any::Any,
    fmt,
    ops::Deref,
    ptr,
    sync::{Arc, OnceLock},
};

pub use cached::CachedVerifier;
pub(crate) use fault::Fault;
pub use flight::{FlightError, SingleFlight};
pub use revocable::Revocable;
pub(crate) use source::Candidate;
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
    claims: Said<C>,
    mark: OnceLock<Mark>,
}

enum Said<C> {
    Here(C),
    By(VerifiedToken<C>),
}

/// What a higher room leaves in a token that it has let pass, to find it there again. So whoever gets the token need not count one more reference, at a count that
/// all threads share.
pub(crate) type Mark = Arc<dyn Any + Send + Sync>;

/// A token that somebody has let pass, whatever its claims.
pub(crate) trait Marked: Send + Sync {
    fn identity(&self) -> &TokenIdentity;

    fn mark(&self) -> Option<&Mark>;

    /// The name of the [`VerifiedToken`]'s type, for those who look for another.
    #[cfg(feature = "axum")]
    fn type_name(&self) -> &'static str;
}

impl<C> VerifiedToken<C> {
    /// A token that the caller has verified.
    pub fn new(identity: TokenIdentity, claims: C) -> Self {
        Self { shared: Arc::new(Shared { identity, claims: Said::Here(claims), mark: OnceLock::new() }) }
    }

    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &C {
        match &self.shared.claims {
            Said::Here(claims) => claims,
            Said::By(token) => token.claims(),
        }
    }

    /// What a store must know of the token.
    #[must_use]
    pub fn identity(&self) -> &TokenIdentity {
        &self.shared.identity
    }

    /// The token with this mark. Whoever is first leaves it in the token; where two share a cache of tokens, the other has the token apart.
    pub(crate) fn marked(self, mark: &Mark) -> Self {
        let first = self.shared.mark.get_or_init(|| Arc::clone(mark));
        if ptr::addr_eq(Arc::as_ptr(first), Arc::as_ptr(mark)) {
            return self;
        }
        let identity = self.identity().clone();
        let shared = Shared { identity, claims: Said::By(self), mark: OnceLock::from(Arc::clone(mark)) };
        Self { shared: Arc::new(shared) }
    }
}

impl<C: Send + Sync + 'static> VerifiedToken<C> {
    /// The identity and the mark alone, for those who do not know the claims. It keeps them alive.
    pub(crate) fn shared(&self) -> Arc<dyn Marked> {
        Arc::clone(&self.shared) as _
    }
}

impl<C: Send + Sync> Marked for Shared<C> {
    fn identity(&self) -> &TokenIdentity {
        &self.identity
    }

    fn mark(&self) -> Option<&Mark> {
        self.mark.get()
    }

    #[cfg(feature = "axum")]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<VerifiedToken<C>>()
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
