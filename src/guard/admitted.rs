//! [`Admitted`]: a token that a guard has let pass.

use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{guard::StoreCheck, revocation::TokenIdentity, store::StoreError, token::VerifiedToken};

/// A token that a guard has let pass, and how its store is asked about it again.
///
/// The cache holds it in this form, and a request that passes takes a reference to it. A watch then
/// needs no further reference to the store, whose count all threads share.
pub(crate) struct Admitted<C> {
    pub(crate) token: VerifiedToken<C>,
    pub(super) store: Arc<StoreCheck>,
    /// The number of the generation at which the store has found it not revoked; zero at first.
    valid_at: AtomicU64,
}

impl<C> Admitted<C> {
    pub(super) fn new(token: VerifiedToken<C>, store: Arc<StoreCheck>) -> Self {
        Self { token, store, valid_at: AtomicU64::new(0) }
    }

    /// Whether the store has revoked it; `None` if the store must be waited for.
    pub(super) fn is_revoked_now(&self) -> Option<Result<bool, StoreError>> {
        let (store, identity) = (&*self.store.store, self.token.identity());
        // Before the search: what comes meanwhile is of a later generation.
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

/// The same, whatever the claims.
pub(crate) trait AdmittedToken: Send + Sync {
    fn identity(&self) -> &TokenIdentity;

    fn store(&self) -> &Arc<StoreCheck>;

    /// The name of the [`VerifiedToken`]'s type, for a message to those who look for another.
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
    /// Whether this is the very token that was verified, not one that is equal to it.
    pub(super) fn is<C>(&self, token: &VerifiedToken<C>) -> bool {
        ptr::eq(self.identity(), token.identity())
    }
}
