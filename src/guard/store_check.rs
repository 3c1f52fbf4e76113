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

/// A store, and how it is asked.
#[derive(Clone)]
pub(crate) struct StoreCheck {
    pub(super) store: Arc<dyn RevocationStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(crate) check_timeout: Duration,
    pub(crate) recheck_interval: Duration,
    pub(crate) allow_on_store_failure: bool,
    pub(super) drain: Drain,
}

/// Result of a look at the token of a live stream.
pub(super) enum Finding {
    Valid,
    /// The store could not say, and that is allowed.
    Unproven,
    Ended(EndReason),
}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl StoreCheck {
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.check_timeout.min(NO_TIMEOUT)
    }

    /// Whether the store says that the token is revoked, or an error once the deadline has passed.
    pub(super) async fn ask(&self, token: &TokenIdentity, deadline: Instant) -> Result<bool, StoreError> {
        timeout_at(deadline, self.store.is_revoked(token))
            .await
            .unwrap_or_else(|late| Err(StoreError::new("check", late)))
    }

    /// What is known of the token of a live stream without waiting; `None` if the store must be
    /// waited for.
    pub(super) fn look(&self, token: &TokenIdentity) -> Option<Finding> {
        if self.drain.has_begun() {
            return Some(Finding::Ended(EndReason::ShuttingDown));
        }
        if self.clock.now() >= token.accepted_until() {
            return Some(Finding::Ended(EndReason::Expired));
        }
        Some(self.finding(self.store.is_revoked_now(token)?))
    }

    /// What an answer of the store means for a live stream.
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

    /// A signal from the store, if it learns of revocations as they happen.
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

/// As good as none: an [`Instant`] cannot hold all that a `Duration` can.
pub(crate) const NO_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
