//! [`Regions`]: a store of several regions, each with its own log.

mod builder;
mod concurrently;
mod error;
mod monitor;
mod region;
mod report;
mod store;

use std::fmt;

use tokio::task::JoinSet;

pub use builder::RegionsBuilder;
pub use monitor::{RegionMonitor, RegionsMonitor};
use region::Region;

use crate::store::{Replica, RevocationLog};

/// Store of several regions: logouts are written to the log of the home region, and a token is
/// rejected if any region has revoked it.
///
/// Each region has a log of its own, such as a Redis, and a [`Replica`] of each of them is on every
/// node. Nothing is copied from one log to another, and no region is the primary of another:
/// revocations join, so there is no conflict that a rule would have to decide. A logout is answered
/// once the home region has it. It reaches the nodes of other regions as it reaches those of its own:
/// usually after the latency of the link, and within the `max_staleness` of the replica that follows
/// this region there. Each replica has [its own](crate::store::ReplicaOptions::max_staleness).
///
/// # When a region cannot be reached
///
/// Checks are answered from memory until the replica's view of the region is older than its
/// `max_staleness`. From then on, tokens that are known to be revoked are still rejected. For the
/// others:
///
/// * By default, the log of the region is asked for each check, or none is, as
///   [configured](crate::store::ReplicaOptions::reject_when_stale). If there is no answer, the
///   request is rejected with 503. So is every request on a node that starts and has not loaded the
///   region's revocations yet.
/// * For a region named with [`insecure_accept_without`](RegionsBuilder::insecure_accept_without),
///   the answer of the others counts, also on a node that starts. Tokens that were revoked in that
///   region are then accepted, until it is back.
///
/// If the home region cannot be reached, logouts are rejected with 503 as well.
///
/// The events `region unavailable` and `region available` report each change, and
/// [`monitor`](Self::monitor) returns the state of each region. What was revoked on both sides of a
/// link that was cut is known to all nodes once they follow all logs again. There is nothing to do.
///
/// # What is decided in one region
///
/// Of several logouts with one token, exactly one gets [`Outcome::Newly`] in each region. A logout
/// in another region gets `Newly` as well if it begins before the first has reached it.
///
/// [`Outcome::Newly`]: crate::revocation::Outcome::Newly
///
/// # When a log is lost
///
/// Each node re-sends to a log, of whichever region, what it knows to be missing there, as a
/// [`Replica`] does. If a log is destroyed, start an empty one at its address: the nodes of all
/// regions fill it. Until then, the revocations of that region are only in the memory of running
/// nodes.
///
/// # Moving to another log
///
/// Regions also move a fleet to another log without a gap, such as to one with more shards or from
/// Redis to PostgreSQL: the new log becomes another region, then the home region, and the old one
/// is removed when its last revocation has expired. The chapter `several_regions` of the guide has
/// the steps.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "redis")]
/// # async fn start() -> Result<(), tower_logout::store::StoreError> {
/// use std::time::Duration;
///
/// use tower_logout::{
///     RedisStore, Replica,
///     store::{Regions, ReplicaOptions},
/// };
///
/// let here = Replica::start(RedisStore::connect("redis://redis.eu.internal").await?);
/// let us = RedisStore::connect_lazily("redis://redis.us.internal")?;
/// let us = ReplicaOptions::new().max_staleness(Duration::from_secs(15)).start(us);
///
/// let regions = Regions::home(here).and("us", us).build()?;
/// let monitor = regions.monitor();
/// // … the regions become the store of the application …
/// monitor.ready().await?;
/// assert!(monitor.is_fresh());
/// # Ok(())
/// # }
/// ```
#[must_use = "the replicas stop when the regions are dropped"]
pub struct Regions {
    home: Region,
    others: Box<[Region]>,
    monitor: RegionsMonitor,
    /// Reports changes until it is dropped.
    _reporting: JoinSet<()>,
}

impl Regions {
    /// Begins with the replica of this region's log, to which logouts are written. In reports, this
    /// region is named `home`.
    pub fn home<L: RevocationLog>(replica: Replica<L>) -> RegionsBuilder {
        RegionsBuilder::new(replica)
    }

    /// Returns a handle that reports the readiness and health of each region. It remains usable
    /// after the regions were passed on as the store of an application.
    #[must_use]
    pub fn monitor(&self) -> RegionsMonitor {
        self.monitor.clone()
    }

    fn all(&self) -> impl Iterator<Item = &Region> {
        std::iter::once(&self.home).chain(&self.others)
    }
}

impl fmt::Debug for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Regions").field(&self.monitor.regions()).finish()
    }
}

/// The name of the home region.
const HOME: &str = "home";
