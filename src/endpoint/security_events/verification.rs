//! [`Verifications`]: verification events that were asked for, in the whole fleet.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{revocation::RevocationKey, revoker::Revoker, store::StoreError};

/// Verification events that were asked for. They are kept in the store, because the event may be
/// delivered to another node.
#[derive(Clone, Debug)]
pub(super) struct Verifications {
    pub(super) issuer: Arc<str>,
    pub(super) revoker: Revoker,
    pub(super) arrived: Arc<Notify>,
}

impl Verifications {
    /// Returns a new `state`, which is known to the whole fleet.
    pub(super) async fn request(&self) -> Result<String, StoreError> {
        // It tells events apart, and proves nothing: the transmitter signs them.
        let state = format!("{:032x}", fastrand::u128(..));
        self.revoker.remember(self.key("requested", &state), self.until()).await?;
        Ok(state)
    }

    /// Records that an event with this state has arrived. Returns `false` if nobody has asked for
    /// it.
    pub(super) async fn arrived(&self, state: &str) -> Result<bool, StoreError> {
        if !self.revoker.remembers(self.key("requested", state)).await? {
            return Ok(false);
        }
        self.revoker.remember(self.key("arrived", state), self.until()).await?;
        self.arrived.notify_waiters();
        Ok(true)
    }

    /// Waits until an event with this state has arrived at any node. Returns `false` if that does
    /// not happen in time.
    pub(super) async fn wait(&self, state: &str, deadline: Instant) -> Result<bool, StoreError> {
        loop {
            // Begins to wait before it looks.
            let mut arrived = std::pin::pin!(self.arrived.notified());
            arrived.as_mut().enable();
            if self.revoker.remembers(self.key("arrived", state)).await? {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            let _ = timeout_at(deadline.min(Instant::now() + LOOK_AGAIN), arrived).await;
        }
    }

    /// No signed message has a space in it, so the key is that of none.
    fn key(&self, what: &str, state: &str) -> RevocationKey {
        RevocationKey::signing_input(&format!("ssf verification {what} {} {state}", self.issuer))
    }

    fn until(&self) -> crate::clock::Timestamp {
        self.revoker.own_clock().now().saturating_add(KNOWN_FOR)
    }
}

/// A transmitter may take its time, and deliver the event again.
const KNOWN_FOR: Duration = Duration::from_secs(3600);
/// How often another node's word is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
