//! [`Shared`]: the state that the clones of a store and its background tasks share.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use super::{
    address::PostgresAddress,
    carry,
    connection::Connector,
    error::PostgresError,
    listener::Listener,
    loss::LossDetector,
    options::PostgresStoreOptions,
    schema::Schema,
    session::Sessions,
    statements::{CrashMarker, SetupStatements, Statements},
};
use crate::store::{StoreError, batch::Batches, purge_schedule::PurgeSchedule};

pub(super) struct Shared {
    pub(super) sessions: Sessions,
    pub(super) setup: SetupStatements,
    pub(super) statements_by_replay: Statements,
    pub(super) statements_by_statistics: Statements,
    /// The variant of the statements that works on the server, once they were tried on the tables.
    pub(super) verified: OnceLock<CrashMarker>,
    pub(super) verifying: tokio::sync::Mutex<()>,
    pub(super) loss: LossDetector,
    pub(super) schema: Schema,
    pub(super) channel: Arc<str>,
    pub(super) timeout: Duration,
    pub(super) poll_only: bool,
    /// The idle listeners, one for each replica.
    pub(super) listeners: Mutex<Vec<Listener>>,
    /// The time until which followers poll, because no listening connection was available.
    pub(super) polling_until: Mutex<Option<Instant>>,
    last_invalidated: Mutex<Option<Instant>>,
    pub(super) batches: Batches,
    pub(super) purge_schedule: PurgeSchedule,
}

impl Shared {
    pub(super) fn new(address: &PostgresAddress, options: &PostgresStoreOptions) -> Result<Self, PostgresError> {
        let schema = Schema::new(&options.schema)?;
        Ok(Self {
            sessions: Sessions::new(Connector::new(address, options)?, options.connections)?,
            setup: SetupStatements::new(&schema),
            statements_by_replay: Statements::new(&schema, CrashMarker::ReplayedThrough),
            statements_by_statistics: Statements::new(&schema, CrashMarker::StatisticsReset),
            verified: OnceLock::new(),
            verifying: tokio::sync::Mutex::default(),
            loss: LossDetector::default(),
            channel: schema.name().into(),
            schema,
            timeout: options.timeout,
            poll_only: options.poll_only,
            listeners: Mutex::default(),
            polling_until: Mutex::default(),
            last_invalidated: Mutex::default(),
            batches: Batches::new(carry::LIMITS),
            purge_schedule: PurgeSchedule::default(),
        })
    }

    /// Runs an operation within the store's timeout.
    pub(super) async fn within_timeout<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, PostgresError>>,
    ) -> Result<T, StoreError> {
        self.within(self.timeout, operation, work).await
    }

    /// Runs an operation within a time limit, and explains its error.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        operation: &'static str,
        work: impl Future<Output = Result<T, PostgresError>>,
    ) -> Result<T, StoreError> {
        let result = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(self.timed_out(limit)));
        result.map_err(|error| error.explained(self.schema.name()).in_operation(operation))
    }

    pub(super) fn timed_out(&self, limit: Duration) -> PostgresError {
        let pool = self.sessions.pool();
        pool.close_idle();
        match pool.last_error() {
            Some(source) if source.is_connection_limit() => PostgresError::NoConnectionAvailable { limit, source },
            _ => PostgresError::TimedOut { target: pool.connector().target().clone(), limit },
        }
    }

    /// Invalidates all connections. After a failover behind a host name, some may lead to the old
    /// server and some to the new one.
    pub(super) fn invalidate_connections(&self) {
        self.sessions.pool().invalidate();
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Invalidates all connections, at most once per interval: until a replica has read the new
    /// log, each check finds that the log has changed.
    pub(super) fn invalidate_connections_rate_limited(&self) {
        let mut last = self.last_invalidated.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= INVALIDATION_INTERVAL) {
            *last = Some(Instant::now());
            self.invalidate_connections();
        }
    }

    pub(super) fn not_migrated(&self) -> PostgresError {
        PostgresError::NotMigrated(self.schema.name().to_owned())
    }

    /// The time for which a statement waits for a lock, as a value of PostgreSQL's `lock_timeout`.
    pub(super) fn lock_timeout(limit: Duration) -> String {
        format!("{}ms", limit.as_millis().clamp(1, i32::MAX as u128))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .field("poll_only", &self.poll_only)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

const INVALIDATION_INTERVAL: Duration = Duration::from_secs(1);
