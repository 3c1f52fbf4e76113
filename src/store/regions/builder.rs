//! [`RegionsBuilder`]: names regions, and says which of them are required.

use std::fmt;

use tokio::task::JoinSet;

use super::{HOME, Regions, RegionsMonitor, error::InvalidRegions, region::Region, report};
use crate::store::{Replica, RevocationLog, StoreError, StoreErrorKind, regions::region::Follower};

/// Builder of [`Regions`]: the other regions, and those that checks can do without.
#[must_use = "call `build`"]
pub struct RegionsBuilder {
    home: Box<dyn Follower>,
    others: Vec<(String, Box<dyn Follower>)>,
    accepted_without: Vec<String>,
}

impl RegionsBuilder {
    pub(super) fn new<L: RevocationLog>(home: Replica<L>) -> Self {
        Self { home: Box::new(home), others: Vec::new(), accepted_without: Vec::new() }
    }

    /// Adds a region, by its name and the replica of its log. Tokens that it has revoked are
    /// rejected; nothing is written to it, apart from what its log has lost.
    ///
    /// Let the store connect lazily, so that a node can start while the region cannot be reached.
    pub fn and<L: RevocationLog>(mut self, name: impl Into<String>, replica: Replica<L>) -> Self {
        self.others.push((name.into(), Box::new(replica)));
        self
    }

    /// Answers checks without this region while the replica's view of it is too old.
    ///
    /// A token that was revoked there is then accepted, unless this node has learned of it before:
    /// for as long as the region cannot be reached, and on a node that is started meanwhile also if
    /// it was revoked long ago. Choose this only where a rejected request does more harm than a
    /// revoked token that is accepted, and watch the event `region unavailable` and the metric
    /// `tower_logout_region_fresh`.
    ///
    /// The region never delays a check. A node that starts waits for its revocations until the first
    /// attempt to load them has failed, and for ten seconds at most; until then, requests are
    /// rejected with 503.
    pub fn insecure_accept_without(mut self, name: impl Into<String>) -> Self {
        self.accepted_without.push(name.into());
        self
    }

    /// Creates the store.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the kind [`Misconfigured`](StoreErrorKind::Misconfigured) if a name is
    /// empty, longer than 64 bytes, `home`, or has control characters; if two regions have the same
    /// name; or if checks are to do without a region that there is not, or without `home`.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime with time enabled.
    pub fn build(self) -> Result<Regions, StoreError> {
        self.check().map_err(|error| StoreError::new("open", error).with_kind(StoreErrorKind::Misconfigured))?;
        let Self { home, others, accepted_without } = self;
        let home = Region::new(HOME.into(), home, false);
        let others: Box<[_]> = others
            .into_iter()
            .map(|(name, replica)| {
                let is_accepted_without = accepted_without.contains(&name);
                Region::new(name.into(), replica, is_accepted_without)
            })
            .collect();
        let monitors = std::iter::once(&home).chain(&others).map(|region| region.monitor().clone());
        let monitor = RegionsMonitor::new(monitors.collect());
        let reporting: JoinSet<()> = monitor.regions().iter().map(|region| report::report(region.clone())).collect();
        Ok(Regions { home, others, monitor, _reporting: reporting })
    }

    fn check(&self) -> Result<(), InvalidRegions> {
        let names = || self.others.iter().map(|(name, _)| name);
        for (index, name) in names().enumerate() {
            if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
                return Err(InvalidRegions::Name);
            }
            if name == HOME {
                return Err(InvalidRegions::Home);
            }
            if names().take(index).any(|earlier| earlier == name) {
                return Err(InvalidRegions::Twice { name: name.clone() });
            }
        }
        for name in &self.accepted_without {
            if name == HOME {
                return Err(InvalidRegions::WithoutHome);
            }
            if !names().any(|known| known == name) {
                return Err(InvalidRegions::Unknown { name: name.clone() });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RegionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<_> = self.others.iter().map(|(name, _)| name).collect();
        f.debug_struct("RegionsBuilder")
            .field("others", &others)
            .field("accepted_without", &self.accepted_without)
            .finish_non_exhaustive()
    }
}

/// In bytes. Names are labels of metrics.
const LONGEST_NAME: usize = 64;
