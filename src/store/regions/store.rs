//! [`RevocationStore`] for regions: the home region takes revocations, and all of them answer
//! checks.

use std::ops::ControlFlow;

use async_trait::async_trait;

use super::{
    Regions,
    concurrently::{BoxFuture, concurrently},
    region::Finding,
};
use crate::{
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::{Generation, RevocationSignal},
    store::{RevocationStore, StoreError},
};

#[async_trait]
impl RevocationStore for Regions {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let is_known = self.is_known_elsewhere(revocation);
        let outcome = self.home.replica().revoke(revocation).await?;
        Ok(if is_known { Outcome::Already } else { outcome })
    }

    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        let are_known: Vec<_> = revocations.iter().map(|revocation| self.is_known_elsewhere(revocation)).collect();
        let outcomes = self.home.replica().revoke_all(revocations).await?;
        let outcomes = are_known.into_iter().zip(outcomes);
        Ok(outcomes.map(|(is_known, outcome)| if is_known { Outcome::Already } else { outcome }).collect())
    }

    /// Asks the logs of all regions, except of those that checks do without.
    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        let asked = self.all().map(|region| Box::pin(region.find(key)) as BoxFuture<'_, _>).collect();
        let mut found: Option<Revocation> = None;
        let failed = concurrently(asked, |answer: Result<Option<Revocation>, StoreError>| match answer {
            Ok(here) => {
                found = found.zip(here).and_then(|(found, here)| found.join(&here)).or(found).or(here);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        })
        .await;
        failed.map_or(Ok(found), Err)
    }

    /// Asks, at the same time, every region whose view is too old, except those that checks do
    /// without. One that has revoked the token decides.
    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        if let Some(answer) = self.is_revoked_now(token) {
            return answer;
        }
        let asked = self.all().map(|region| Box::pin(region.ask(token)) as BoxFuture<'_, _>).collect();
        let mut failed = None;
        let revoked = concurrently(asked, |answer| {
            match answer {
                Ok(true) => return ControlFlow::Break(()),
                Ok(false) => {}
                Err(error) => failed = Some(error),
            }
            ControlFlow::Continue(())
        })
        .await;
        match (revoked, failed) {
            (Some(()), _) => Ok(true),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(false),
        }
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        let (mut must_be_asked, mut failed) = (false, None);
        for region in self.all() {
            match region.look(token) {
                // Whatever the others say: a revoked token remains revoked.
                Finding::Revoked => return Some(Ok(true)),
                Finding::NotRevoked => {}
                Finding::MustBeAsked => must_be_asked = true,
                Finding::Failed(error) => failed = Some(error),
            }
        }
        match (failed, must_be_asked) {
            // The others are not asked: the request is rejected in any case.
            (Some(error), _) => Some(Err(error)),
            (None, true) => None,
            (None, false) => Some(Ok(false)),
        }
    }

    /// `None` while the view of any region is too old, also of one that checks do without: the
    /// number may not become smaller when the region is back.
    fn generation(&self) -> Option<Generation> {
        let home = self.home.replica().generation()?;
        self.others.iter().try_fold(home, |all, region| Some(all.with(region.replica().generation()?)))
    }

    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        let others = self.others.iter().map(|region| region.replica().set());
        Some(self.home.replica().set().watch_with(others, token))
    }
}

impl Regions {
    fn is_known_elsewhere(&self, revocation: &Revocation) -> bool {
        self.others.iter().any(|region| region.covers(revocation))
    }
}
