//! [`RevocationStore`] for a replica: the log takes revocations and look-ups, and the set answers
//! checks.

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Replica, Shared, error::NotReady, view::Freshness};
use crate::{
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::{Generation, RevocationSignal},
    store::{FollowError, RevocationLog, RevocationStore, StoreError},
    telemetry,
};

#[async_trait]
impl<L: RevocationLog> RevocationStore for Replica<L> {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let before = self.shared.known(revocation.key());
        let sent_at = Instant::now();
        let outcome = self.shared.log.revoke(revocation).await?;
        let outcome = self.shared.acknowledged(revocation, before, outcome, sent_at);
        telemetry::live_revocations(self.len());
        Ok(outcome)
    }

    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        let known = |revocation: &Revocation| self.shared.known(revocation.key());
        let before: Vec<_> = revocations.iter().map(known).collect();
        let sent_at = Instant::now();
        let outcomes = self.shared.log.revoke_all(revocations).await?;
        let acknowledged = revocations.iter().zip(before).zip(outcomes);
        let outcomes = acknowledged
            .map(|((revocation, before), outcome)| self.shared.acknowledged(revocation, before, outcome, sent_at))
            .collect();
        telemetry::live_revocations(self.len());
        Ok(outcomes)
    }

    /// Asks the log, whatever the age of this node's view, and adds what this node knows.
    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        if let Freshness::Loading = self.shared.view.freshness() {
            return Err(self.shared.loading("find"));
        }
        let cursor = self.shared.trusted("find")?;
        let found = self.shared.log.look_up(&cursor, key).await;
        let found = found.map_err(|error| not_answered("find", error))?;
        let known = self.shared.known(key);
        Ok(found.zip(known).and_then(|(found, known)| found.join(&known)).or(found).or(known))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        if let Some(answer) = self.is_revoked_now(token) {
            return answer;
        }
        let cursor = self.shared.trusted("check")?;
        self.shared.log.check(&cursor, token).await.map_err(|error| not_answered("check", error))
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        // Determined before the set is read: a view that is too old now must not count as fresh
        // later.
        let freshness = self.shared.view.freshness();
        if let Freshness::Loading = freshness {
            return Some(Err(self.shared.loading("check")));
        }
        // A revoked token remains revoked, however old the view is.
        if self.shared.knowledge.set().is_revoked(token) {
            return Some(Ok(true));
        }
        match freshness {
            Freshness::Stale(_) if self.shared.ask_when_stale => None,
            Freshness::Stale(staleness) => {
                let max_staleness = self.shared.max_staleness;
                let because = self.shared.view.last_error().clone();
                Some(Err(NotReady::Stale { staleness, max_staleness, because }.in_operation("check")))
            }
            Freshness::Loading | Freshness::Fresh(_) => Some(Ok(false)),
        }
    }

    fn generation(&self) -> Option<Generation> {
        match self.shared.view.freshness() {
            Freshness::Fresh(_) => self.shared.knowledge.set().generation(),
            Freshness::Loading | Freshness::Stale(_) => None,
        }
    }

    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        Some(self.shared.knowledge.set().watch(token))
    }
}

impl<L: RevocationLog> Shared<L> {
    /// Returns the position for a question to the log, unless the log may lack revocations that
    /// nodes are about to re-send.
    fn trusted(&self, operation: &'static str) -> Result<L::Cursor, StoreError> {
        let reason = "the nodes are re-sending the revocations that they know";
        self.cursor().clone().ok_or_else(|| NotReady::LogReplaced { reason }.in_operation(operation))
    }

    fn loading(&self, operation: &'static str) -> StoreError {
        NotReady::Loading { because: self.view.last_error().clone() }.in_operation(operation)
    }

    /// Records what the log has acknowledged. Returns the outcome for the caller: the log may have
    /// lost a revocation that this node knew `before`, and has then taken it for a new one.
    fn acknowledged(
        &self,
        revocation: &Revocation,
        before: Option<Revocation>,
        outcome: Outcome,
        sent_at: Instant,
    ) -> Outcome {
        self.knowledge.acknowledged(revocation, outcome, sent_at);
        match before {
            Some(before) if before.issued_through() >= revocation.issued_through() => Outcome::Already,
            _ => outcome,
        }
    }

    fn known(&self, key: RevocationKey) -> Option<Revocation> {
        self.knowledge.set().revocation(key)
    }
}

fn not_answered(operation: &'static str, error: FollowError) -> StoreError {
    match error {
        FollowError::Failed(error) => error,
        FollowError::CursorLost(reason) => NotReady::LogReplaced { reason }.in_operation(operation),
    }
}
