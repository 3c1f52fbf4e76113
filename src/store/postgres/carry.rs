//! Revocations of concurrent callers travel to the server together.

use std::sync::Arc;

use super::shared::Shared;
use crate::{
    revocation::{Outcome, Revocation},
    store::{
        StoreError,
        batch::{self, Answer, Batches, Carrier, Limits},
    },
};

impl Shared {
    /// Stores revocations, together with those of the callers that wait already. All of it takes at
    /// most the store's timeout.
    pub(super) async fn revoke_with_others(self: &Arc<Self>, revocations: &[Revocation]) -> Answer {
        let answer = tokio::time::timeout(self.timeout, batch::revoke(self, revocations)).await;
        answer.unwrap_or_else(|_| Err(self.timed_out(self.timeout).in_operation("revoke")))
    }
}

impl Carrier for Shared {
    fn batches(&self) -> &Batches {
        &self.batches
    }

    async fn carry(self: Arc<Self>, revocations: Vec<Revocation>) -> Answer {
        let outcomes = self.within_timeout("revoke", async {
            match &revocations[..] {
                [one] => Ok(vec![self.revoke(one).await?]),
                all => self.revoke_all(all).await,
            }
        });
        let outcomes = outcomes.await?;
        self.prune_if_due();
        Ok(outcomes)
    }

    async fn carry_together(self: Arc<Self>, revocations: Vec<Revocation>) -> Result<Vec<Option<Outcome>>, StoreError> {
        let outcomes = self.within_timeout("revoke", self.revoke_together(&revocations)).await?;
        self.prune_if_due();
        Ok(outcomes)
    }
}

/// Two, so that the client and the server work on one while the other waits for the disk.
pub(super) const LIMITS: Limits = Limits { flights: 2, revocations: 1000 };
