//! [`RevocationSignal`]: raised when a key of a token is revoked.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    revocation::TokenIdentity,
    set::{
        registry::{Registry, Watcher},
        sync::Ordering,
    },
};

/// Signal that a [`RevocationSet`](crate::set::RevocationSet) raises when a key of a token is
/// revoked.
///
/// It tells when to check the token again, not the result: the revocation may cover only tokens
/// that were issued before this one. Create the signal *before* checking the token; otherwise a
/// revocation between the check and [`watch`](crate::set::RevocationSet::watch) is missed.
///
/// Dropping the signal unregisters it. [`RevocationWatch`](crate::RevocationWatch) combines it with
/// the expiry of the token.
#[must_use = "dropping the signal unregisters it"]
pub struct RevocationSignal {
    registry: Arc<Registry>,
    watcher: Arc<Watcher>,
    number: u64,
}

impl RevocationSignal {
    pub(super) fn of(token: &TokenIdentity, registry: &Arc<Registry>) -> Self {
        let (watcher, number) = registry.add(token);
        Self { registry: Arc::clone(registry), watcher, number }
    }

    /// Resolves once a key of the token has been revoked since the signal was created, or since
    /// this method last resolved.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect. The next call resolves if the signal was raised
    /// meanwhile.
    pub async fn raised(&mut self) {
        poll_fn(|cx| self.poll_raised(cx)).await;
    }

    /// Polls for the same as [`raised`](Self::raised). Only the waker of the last call is woken.
    pub fn poll_raised(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.watcher.alarm.lower_or_wake(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Returns the token that the signal was created for, without copying it.
    pub(crate) fn identified(&self) -> Arc<dyn AsRef<TokenIdentity> + Send + Sync> {
        Arc::clone(&self.watcher) as _
    }

    /// Returns whether a revocation has raised the signal since the last call, rather than
    /// [`signal_all`](crate::set::RevocationSet::signal_all).
    pub(crate) fn take_revoked(&mut self) -> bool {
        self.watcher.revoked.swap(false, Ordering::AcqRel)
    }
}

impl Drop for RevocationSignal {
    fn drop(&mut self) {
        self.registry.remove(&self.watcher, self.number);
    }
}

impl fmt::Debug for RevocationSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSignal").field("raised", &self.watcher.alarm.is_raised()).finish_non_exhaustive()
    }
}
