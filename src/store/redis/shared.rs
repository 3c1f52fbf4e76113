//! [`Shared`]: the state of one shard, which the clones of a store share.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;

use super::{
    connection::{Connection, LazyConnection, Readers},
    error::{OptionsError, RedisStoreError, Result},
    layout::{Layout, ShardNumber},
    loss::Observed,
    requirements::Requirements,
    revoke::LIMITS,
    server::Server,
};
use crate::store::{StoreError, batch::Batches, purge_schedule::PurgeSchedule};

/// The settings of a store.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) prefix: String,
    pub(super) timeout: Duration,
    pub(super) wait_replicas: usize,
    /// Whether the server may hide its role and its eviction policy.
    pub(super) allow_unverified: bool,
    pub(super) shards: usize,
}

/// The first shard, whose layout key says how many there are.
///
/// A store with another number of shards must not write to any of them, even if it connects to them
/// one by one.
pub(super) struct FirstShard {
    connection: LazyConnection,
    is_verified: AtomicBool,
}

impl FirstShard {
    pub(super) fn new(first: &Shared) -> Self {
        Self { connection: first.commands.clone(), is_verified: AtomicBool::new(false) }
    }

    /// Verifies the number once. Later, the other shards do not depend on the first one.
    async fn verify(&self) -> Result<()> {
        if !self.is_verified.load(Ordering::Relaxed) {
            self.connection.get().await?;
            self.is_verified.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// How the server of a shard is found.
#[derive(Clone)]
struct Route {
    server: Arc<Server>,
    requirements: Arc<Requirements>,
    /// `None` for the first shard.
    first: Option<Arc<FirstShard>>,
}

impl Route {
    async fn connect(&self) -> Result<Connection> {
        if let Some(first) = &self.first {
            first.verify().await?;
        }
        self.server.connect(&self.requirements).await
    }
}

pub(super) struct Shared {
    route: Route,
    pub(super) server: Arc<Server>,
    pub(super) requirements: Arc<Requirements>,
    pub(super) layout: Arc<Layout>,
    pub(super) timeout: Duration,
    pub(super) wait_replicas: usize,
    /// The connection for checks.
    pub(super) commands: LazyConnection,
    /// The connection for writes. Waiting for replicas, or while writes are paused, delays all
    /// later commands on the same connection.
    pub(super) writes: LazyConnection,
    pub(super) readers: Readers,
    /// The revocations that wait for the next script.
    pub(super) batches: Batches,
    pub(super) purge_schedule: PurgeSchedule,
    pub(super) observed: Observed,
    /// Whether a snapshot was read completely.
    pub(super) is_loaded: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        server: &Arc<Server>,
        settings: &Settings,
        index: usize,
        first: Option<Arc<FirstShard>>,
    ) -> Result<Self, OptionsError> {
        let Settings { ref prefix, timeout, wait_replicas, allow_unverified, shards } = *settings;
        if timeout.is_zero() {
            return Err(OptionsError::ZeroTimeout);
        }
        let layout = Arc::new(Layout::new(prefix, ShardNumber { index, of: shards })?);
        let requirements = Arc::new(Requirements { layout: Arc::clone(&layout), allow_unverified });
        let route = Route { server: Arc::clone(server), requirements: Arc::clone(&requirements), first };
        let connection = || {
            let route = route.clone();
            LazyConnection::new(timeout, move || {
                let route = route.clone();
                async move { route.connect().await }
            })
        };
        Ok(Self {
            commands: connection(),
            writes: connection(),
            server: Arc::clone(server),
            route,
            requirements,
            layout,
            timeout,
            wait_replicas,
            readers: Readers::default(),
            batches: Batches::new(LIMITS),
            purge_schedule: PurgeSchedule::default(),
            observed: Observed::default(),
            is_loaded: AtomicBool::new(false),
        })
    }

    /// Opens a connection for one caller.
    pub(super) async fn connect(&self) -> Result<Connection> {
        self.route.connect().await
    }

    /// Connects, and verifies the server and the rights of the user.
    pub(super) async fn open(&self) -> Result<()> {
        let opened = async {
            let connection = self.commands.get().await?;
            self.observation(&connection).await?;
            self.verify_rights().await
        };
        self.within(opened).await
    }

    /// Limits the time of an operation, and invalidates the connections after an error that another
    /// server may not have.
    pub(super) async fn perform<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T, StoreError> {
        let result = self.within(call).await;
        self.invalidate_on_error(result).map_err(|error| self.store_error(operation, error))
    }

    /// Limits the time of a call to the timeout.
    pub(super) async fn within<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.within_after(Duration::ZERO, call).await
    }

    /// Limits the time of a call during which the server waits for `wait` to the timeout plus
    /// `wait`.
    pub(super) async fn within_after<T>(&self, wait: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = self.timeout.saturating_add(wait);
        timeout(limit, call).await.unwrap_or(Err(RedisStoreError::Timeout { limit }))
    }

    /// Invalidates both connections after an error that another server may not have, because both
    /// lead to the same server.
    pub(super) fn invalidate_on_error<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            if !error.leaves_connection_intact() && !error.is_loss() {
                self.invalidate_connections();
            }
        })
    }

    /// Makes the next check and the next revocation open new connections.
    ///
    /// The host name may lead to another server by now, while the old one still answers on open
    /// connections. Revocations that the old one acknowledges would be lost.
    pub(super) fn invalidate_connections(&self) {
        self.commands.invalidate();
        self.writes.invalidate();
    }

    pub(super) fn store_error(&self, operation: &'static str, error: RedisStoreError) -> StoreError {
        error.into_store_error(operation, Some(&Name(self)))
    }
}

/// Displays the server and the shard in errors.
struct Name<'a>(&'a Shared);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { server, layout, .. } = self.0;
        match layout.shard() {
            ShardNumber { of: 1, .. } => server.fmt(f),
            ShardNumber { index, of } => write!(f, "{server}, shard {index} of {of}"),
        }
    }
}

/// Encodes the time that the server waits, in milliseconds: at least one, because zero means no
/// limit.
pub(super) fn wait_millis(wait: Duration) -> String {
    wait.as_millis().clamp(1, MAX_WAIT_MS).to_string()
}

/// The maximum that Redis accepts: 49 days.
const MAX_WAIT_MS: u128 = u32::MAX as u128;
