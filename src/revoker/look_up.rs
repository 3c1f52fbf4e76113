//! Looks up revocations.

use std::sync::atomic::Ordering;

#[cfg(feature = "receivers")]
use crate::store::StoreError;
use crate::{
    revocation::{Revocation, RevocationKey, TokenIdentity},
    revoker::{RevokeError, Revoker, StoreUse, by_key::failed},
};

impl Revoker {
    /// Returns whether a token is revoked by any of its keys, as the layer asks for each request.
    ///
    /// It does not verify the token, and a token that is not revoked may have expired. A
    /// [`Replica`](crate::Replica) answers from memory, and knows a revocation by another node
    /// within milliseconds, and after `max_staleness` at the latest.
    ///
    /// # Errors
    ///
    /// [`RevokeError::Store`] if the store cannot answer for certain. The token must be rejected
    /// then.
    pub async fn revoked(&self, token: &TokenIdentity) -> Result<bool, RevokeError> {
        self.asks_the_store();
        Ok(self.store.is_revoked(token).await.map_err(failed)?)
    }

    /// Returns the revocation of a key, or `None` if there is none. Once its `retain_until` has
    /// passed, it may be gone.
    ///
    /// Unlike [`revoked`](Self::revoked), it asks the shared store itself, also behind a
    /// [`Replica`](crate::Replica): what any node has revoked is found. It tells nothing about
    /// other keys of the same tokens.
    ///
    /// # Errors
    ///
    /// [`RevokeError::Store`] if the store cannot answer for certain, or has no
    /// [`find`](crate::RevocationStore::find).
    pub async fn revocation(&self, key: RevocationKey) -> Result<Option<Revocation>, RevokeError> {
        Ok(self.store.find(key).await.map_err(failed)?)
    }

    /// Returns whether a token is revoked, for an endpoint that rejects no request by it.
    #[cfg(feature = "receivers")]
    pub(crate) async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.store.is_revoked(token).await.map_err(failed)
    }

    /// Records that this process asks the store about tokens, though no layer may do so.
    pub(super) fn asks_the_store(&self) {
        if let Some(StoreUse { is_asked, .. }) = &self.store_use {
            is_asked.store(true, Ordering::Relaxed);
        }
    }
}
