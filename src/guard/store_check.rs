//! [`StoreCheck`]: asks the store about a token, for a request and for the re-check of a live
//! stream.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::{
    clock::{Clock, Timestamp},
    guard::{Drain, EndReason},
    revocation::TokenIdentity,
    set::RevocationSignal,
    store::{RevocationStore, StoreError},
    telemetry,
};

/// A store, and the settings for asking it.
#[derive(Clone)]
pub(crate) struct StoreCheck {
    pub(super) store: Arc<dyn RevocationStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(crate) check_timeout: Duration,
    pub(crate) recheck_interval: Duration,
    pub(crate) allow_on_store_failure: bool,
    pub(super) drain: Drain,
}

/// Result of the re-check of a live stream.
pub(super) enum Finding {
    Valid,
    /// The store failed, and the configuration allows that.
    Unproven,
    Ended(EndReason),
}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl StoreCheck {
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.check_timeout.min(NO_TIMEOUT)
    }

    /// Asks the store whether the token is revoked. No answer by the deadline is an error.
    pub(super) async fn ask(&self, token: &TokenIdentity, deadline: Instant) -> Result<bool, StoreError> {
        timeout_at(deadline, self.store.is_revoked(token))
            .await
            .unwrap_or_else(|late| Err(StoreError::new("check", late)))
    }

    /// Re-checks the token of a live stream without waiting; `None` if the store must be waited
    /// for.
    pub(super) fn look(&self, token: &TokenIdentity) -> Option<Finding> {
        if self.drain.has_begun() {
            return Some(Finding::Ended(EndReason::ShuttingDown));
        }
        if self.clock.now() >= token.accepted_until() {
            return Some(Finding::Ended(EndReason::Expired));
        }
        Some(self.finding(self.store.is_revoked_now(token)?))
    }

    /// Applies the store's answer to a live stream.
    pub(super) fn finding(&self, answer: Result<bool, StoreError>) -> Finding {
        match answer {
            Ok(false) => Finding::Valid,
            Ok(true) => Finding::Ended(EndReason::Revoked),
            Err(error) => {
                telemetry::store_failed(error.operation(), &error);
                if self.allow_on_store_failure { Finding::Unproven } else { Finding::Ended(EndReason::Unavailable) }
            }
        }
    }

    /// Returns a signal of the store, if it is notified of revocations.
    pub(super) fn signal(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        self.store.watch(token)
    }

    /// Resolves when the token expires; `None` if it never does.
    pub(super) fn expiry(&self, token: &TokenIdentity) -> Option<BoxFuture<()>> {
        let accepted_until = token.accepted_until();
        if accepted_until == Timestamp::MAX {
            return None;
        }
        let clock = Arc::clone(&self.clock);
        Some(Box::pin(async move { clock.sleep_until(accepted_until).await }))
    }
}

/// A year: practically no timeout. A longer `Duration` could overflow an [`Instant`].
pub(crate) const NO_TIMEOUT: Duration = Duration::from_secs(31_536_000);
