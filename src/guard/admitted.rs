//! [`Admitted`]: a token that a guard has accepted.

use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{guard::StoreCheck, revocation::TokenIdentity, store::StoreError, token::VerifiedToken};

/// A token that a guard has accepted, with the store for its re-checks.
///
/// It is cached in this form, and each request clones one reference to it. A watch then needs no
/// reference of its own to the store, whose reference count all threads would contend for.
pub(crate) struct Admitted<C> {
    pub(crate) token: VerifiedToken<C>,
    pub(super) store: Arc<StoreCheck>,
    /// The number of the generation in which the store last found the token not revoked. Initially
    /// zero.
    valid_at: AtomicU64,
}

impl<C> Admitted<C> {
    pub(super) fn new(token: VerifiedToken<C>, store: Arc<StoreCheck>) -> Self {
        Self { token, store, valid_at: AtomicU64::new(0) }
    }

    /// Whether the token is revoked; `None` if the store must be waited for.
    pub(super) fn is_revoked_now(&self) -> Option<Result<bool, StoreError>> {
        let (store, identity) = (&*self.store.store, self.token.identity());
        // Read before the search, so that a revocation during the search has a later generation.
        let generation = store.generation();
        if let Some(generation) = generation
            && self.valid_at.load(Ordering::Relaxed) == generation.number().get()
            && generation.retains(identity)
        {
            return Some(Ok(false));
        }
        let answer = store.is_revoked_now(identity);
        if let (Some(generation), Some(Ok(false))) = (generation, &answer) {
            self.valid_at.store(generation.number().get(), Ordering::Relaxed);
        }
        answer
    }
}

/// An [`Admitted`] with any type of claims.
pub(crate) trait AdmittedToken: Send + Sync {
    fn identity(&self) -> &TokenIdentity;

    fn store(&self) -> &Arc<StoreCheck>;

    /// The name of the [`VerifiedToken`]'s type, for the event `handler misconfigured`.
    #[cfg(feature = "axum")]
    fn type_name(&self) -> &'static str;
}

impl<C: Send + Sync> AdmittedToken for Admitted<C> {
    fn identity(&self) -> &TokenIdentity {
        self.token.identity()
    }

    fn store(&self) -> &Arc<StoreCheck> {
        &self.store
    }

    #[cfg(feature = "axum")]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<VerifiedToken<C>>()
    }
}

impl dyn AdmittedToken {
    /// Whether this is the same verified token, not merely an equal one.
    pub(super) fn is<C>(&self, token: &VerifiedToken<C>) -> bool {
        ptr::eq(self.identity(), token.identity())
    }
}
