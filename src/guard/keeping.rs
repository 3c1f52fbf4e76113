//! What of a guard outlives the request: who is asked about a token that was let pass.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    clock::{Clock, Timestamp},
    guard::{
        EndReason, NO_TIMEOUT,
        watch::{BoxFuture, Finding, Keeper, Pass, Token},
    },
    revocation::TokenIdentity,
    set::RevocationSignal,
    store::{RevocationStore, StoreError},
    telemetry,
    token::Mark,
};

/// All that a watch asks. The verifier is not in it: its cache holds tokens, and each of those holds this.
pub(super) struct Keeping<S> {
    pub(super) store: Arc<S>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) check_timeout: Duration,
    pub(super) recheck_interval: Duration,
    pub(super) allow_on_store_failure: bool,
}

impl<S: RevocationStore> Keeping<S> {
    /// What tokens are marked with, so that a watch finds this.
    pub(super) fn mark(self: &Arc<Self>) -> Mark {
        Arc::new(Pass(Arc::clone(self) as _))
    }
}

impl<S: RevocationStore> Keeper for Keeping<S> {
    fn signal(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        self.store.watch(token)
    }

    fn look(&self, token: &TokenIdentity) -> Option<Finding> {
        if self.clock.now() >= token.dead_from() {
            return Some(Finding::Ended(EndReason::Expired));
        }
        Some(self.find(self.store.is_revoked_now(token)?))
    }

    fn ask(&self, token: Token) -> BoxFuture<Result<bool, StoreError>> {
        let (store, check_timeout) = (Arc::clone(&self.store), self.check_timeout.min(NO_TIMEOUT));
        Box::pin(async move {
            let answer = timeout(check_timeout, store.is_revoked((*token).as_ref())).await;
            answer.unwrap_or_else(|late| Err(StoreError::new("check", late)))
        })
    }

    fn find(&self, answer: Result<bool, StoreError>) -> Finding {
        match answer {
            Ok(false) => Finding::Good,
            Ok(true) => Finding::Ended(EndReason::Revoked),
            Err(error) => {
                telemetry::store_failed(error.operation(), &error);
                if self.allow_on_store_failure { Finding::Unproven } else { Finding::Ended(EndReason::Unavailable) }
            }
        }
    }

    fn expiry(&self, token: &TokenIdentity) -> Option<BoxFuture<()>> {
        let dead_from = token.dead_from();
        if dead_from == Timestamp::MAX {
            return None;
        }
        let clock = Arc::clone(&self.clock);
        Some(Box::pin(async move { clock.sleep_until(dead_from).await }))
    }

    fn recheck_interval(&self) -> Duration {
        self.recheck_interval
    }
}

impl<S> Clone for Keeping<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), clock: Arc::clone(&self.clock), ..*self }
    }
}
