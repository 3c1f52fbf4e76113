//! Remembers the messages that receivers have taken.

use crate::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
    revoker::Revoker,
    store::StoreError,
    telemetry,
};

impl Revoker {
    /// Remembers a message until this time, in the store and therefore in the whole fleet.
    pub(crate) async fn remember(&self, message: RevocationKey, until: Timestamp) -> Result<(), StoreError> {
        let remembered = self.store.revoke(&Revocation::new(message, Timestamp::MAX, until)).await;
        remembered.map(drop).inspect_err(|error| telemetry::store_failed(error.operation(), error))
    }

    /// Whether the message is remembered by any process of the fleet.
    pub(crate) async fn remembers(&self, message: RevocationKey) -> Result<bool, StoreError> {
        let found = self.store.find(message).await;
        found.map(|found| found.is_some()).inspect_err(|error| telemetry::store_failed(error.operation(), error))
    }
}
