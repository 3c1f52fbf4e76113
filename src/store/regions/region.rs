//! [`Region`]: a replica with a name.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::RegionMonitor;
use crate::{
    revocation::{Revocation, RevocationKey, TokenIdentity},
    set::RevocationSet,
    store::{Replica, ReplicaMonitor, RevocationLog, RevocationStore, StoreError},
};

pub(super) struct Region {
    replica: Box<dyn Follower>,
    monitor: RegionMonitor,
}

/// A [`Replica`] of any log.
pub(super) trait Follower: RevocationStore {
    fn set(&self) -> &RevocationSet;

    fn monitor(&self) -> ReplicaMonitor;
}

impl<L: RevocationLog> Follower for Replica<L> {
    fn set(&self) -> &RevocationSet {
        self.set()
    }

    fn monitor(&self) -> ReplicaMonitor {
        self.monitor()
    }
}

/// What a region says about a token without waiting.
pub(super) enum Finding {
    Revoked,
    /// Also if checks do without the region.
    NotRevoked,
    MustBeAsked,
    Failed(StoreError),
}

impl Region {
    pub(super) fn new(name: Arc<str>, replica: Box<dyn Follower>, is_accepted_without: bool) -> Self {
        let monitor = RegionMonitor::new(name, is_accepted_without, replica.monitor());
        Self { replica, monitor }
    }

    pub(super) fn monitor(&self) -> &RegionMonitor {
        &self.monitor
    }

    pub(super) fn replica(&self) -> &dyn Follower {
        &*self.replica
    }

    /// Returns what this node knows about the token.
    pub(super) fn look(&self, token: &TokenIdentity) -> Finding {
        match self.replica.is_revoked_now(token) {
            Some(Ok(true)) => Finding::Revoked,
            Some(Ok(false)) => Finding::NotRevoked,
            _ if self.monitor.is_done_without() => Finding::NotRevoked,
            None => Finding::MustBeAsked,
            Some(Err(error)) => Finding::Failed(self.cannot_answer(error)),
        }
    }

    /// Asks the region about the token, unless checks do without it.
    pub(super) async fn ask(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        match self.look(token) {
            Finding::Revoked => Ok(true),
            Finding::NotRevoked => Ok(false),
            Finding::MustBeAsked => self.replica.is_revoked(token).await.map_err(|error| self.cannot_answer(error)),
            Finding::Failed(error) => Err(error),
        }
    }

    /// Returns the revocation of the key according to the region's log, or to this node if checks do
    /// without the region.
    pub(super) async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        if !self.monitor.is_accepted_without() {
            return self.replica.find(key).await.map_err(|error| self.cannot_answer(error));
        }
        if self.monitor.is_done_without() && !self.monitor.health().is_fresh() {
            return Ok(self.known(key));
        }
        match timeout(PATIENCE, self.replica.find(key)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) if self.monitor.is_starting() => Err(self.cannot_answer(error)),
            Ok(Err(_)) | Err(_) => Ok(self.known(key)),
        }
    }

    /// Returns whether this node knows a revocation of the region that covers all tokens of this
    /// one.
    pub(super) fn covers(&self, revocation: &Revocation) -> bool {
        self.known(revocation.key()).is_some_and(|known| known.issued_through() >= revocation.issued_through())
    }

    fn known(&self, key: RevocationKey) -> Option<Revocation> {
        self.replica.set().revocation(key)
    }

    fn cannot_answer(&self, error: StoreError) -> StoreError {
        self.monitor.cannot_answer(error)
    }
}

/// How long a look-up waits for a region that checks can do without.
const PATIENCE: Duration = Duration::from_secs(1);
