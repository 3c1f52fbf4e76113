//! [`Server`]: finds the server that has the revocations.

use std::{fmt, time::Duration};

#[cfg(feature = "redis-cluster")]
use super::cluster::Cluster;
#[cfg(feature = "redis-sentinel")]
use super::sentinel::Sentinels;
use super::{address::Address, connection::Connection, error::Result, requirements::Requirements};

#[derive(Debug)]
pub(super) enum Server {
    Single(Address),
    /// The primary that a majority of the Sentinels names.
    #[cfg(feature = "redis-sentinel")]
    Sentinel(Sentinels),
    /// The node that owns the slot of the prefix.
    #[cfg(feature = "redis-cluster")]
    Cluster(Cluster),
}

impl Server {
    /// Finds the server, connects and verifies it.
    pub(super) async fn connect(&self, requirements: &Requirements) -> Result<Connection> {
        match self {
            Self::Single(address) => requirements.open(address, false).await,
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(sentinels) => requirements.open(&sentinels.primary().await?, false).await,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.connect(requirements).await,
        }
    }

    pub(super) fn has_sentinels(&self) -> bool {
        match self {
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(_) => true,
            _ => false,
        }
    }

    /// Verifies that a majority of the Sentinels, if there are any, has named this server within
    /// `max_age`.
    #[cfg_attr(
        not(feature = "redis-sentinel"),
        expect(clippy::unused_async, reason = "it waits if the feature is enabled")
    )]
    pub(super) async fn confirm(&self, connection: &Connection, max_age: Duration) -> Result<()> {
        match self {
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(sentinels) if !sentinels.have_confirmed(connection.address(), max_age) => {
                // Boxed because it is rare, so that the future of a check stays small.
                connection.invalidate_on_error(Box::pin(sentinels.confirm(connection.address())).await)
            }
            _ => {
                let _ = (connection, max_age);
                Ok(())
            }
        }
    }
}

/// Displays the name of the server in errors.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(address) => address.fmt(f),
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(sentinels) => sentinels.fmt(f),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.fmt(f),
        }
    }
}

/// Maximum age of the Sentinels' confirmation for a check or a revocation.
pub(super) const MAX_CONFIRMATION_AGE: Duration = Duration::from_secs(1);

/// Minimum interval between two confirmations of the server while following.
pub(super) const FOLLOW_CONFIRMATION_INTERVAL: Duration = Duration::from_millis(50);
