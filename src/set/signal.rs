//! [`RevocationSignal`]: raised when a key of a token is revoked.

use std::{
    fmt,
    future::poll_fn,
    iter,
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
    watcher: Arc<Watcher>,
    registered: Registered,
    /// Further registries, for a signal of several sets.
    elsewhere: Box<[Registered]>,
}

/// A registry in which the watcher is, and its number there.
struct Registered {
    registry: Arc<Registry>,
    number: u64,
}

impl RevocationSignal {
    /// Creates a signal that any of these registries raises.
    pub(super) fn of<'a>(
        token: &TokenIdentity,
        registry: &Arc<Registry>,
        others: impl Iterator<Item = &'a Arc<Registry>>,
    ) -> Self {
        let watcher = Watcher::of(token);
        let register =
            |registry: &Arc<Registry>| Registered { registry: Arc::clone(registry), number: registry.add(&watcher) };
        let (registered, elsewhere) = (register(registry), others.map(register).collect());
        Self { watcher, registered, elsewhere }
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
        for Registered { registry, number } in iter::once(&self.registered).chain(&self.elsewhere) {
            registry.remove(&self.watcher, *number);
        }
    }
}

impl fmt::Debug for RevocationSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSignal").field("raised", &self.watcher.alarm.is_raised()).finish_non_exhaustive()
    }
}
