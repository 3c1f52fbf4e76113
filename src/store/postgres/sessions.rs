//! The pool, and what is done with one of its connections.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::{
    Client, Config, Row,
    types::{ToSql, Type},
};

use super::{
    connect::Connector,
    error::{PostgresError, leaves_connection_in_order},
};

pub(super) type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

pub(super) struct Sessions {
    pool: Pool,
    connector: Arc<Connector>,
    timeout: Duration,
    generation: Arc<AtomicU64>,
}

impl Sessions {
    pub(super) fn new(
        config: Config,
        connector: Connector,
        connections: usize,
        timeout: Duration,
    ) -> Result<Self, PostgresError> {
        if connections == 0 {
            return Err(PostgresError::NoConnections);
        }
        let manager =
            Manager::from_connect(config, connector.clone(), ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(connections)
            .timeouts(Timeouts { wait: Some(timeout), create: Some(timeout), recycle: Some(timeout) })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| PostgresError::NoConnection(error.to_string()))?;
        Ok(Self { pool, connector: Arc::new(connector), timeout, generation: Arc::default() })
    }

    pub(super) async fn lease(&self) -> Result<Lease, PostgresError> {
        let lent_in = self.generation();
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(_) => {
                self.suspect();
                PostgresError::TimedOut(self.timeout)
            }
            other => other.into(),
        })?;
        let (connector, generation) = (Arc::clone(&self.connector), Arc::clone(&self.generation));
        let timeout = self.timeout;
        Ok(Lease { object: Some(object), connector, timeout, generation, lent_in, busy: false, writes: false })
    }

    /// Asks once more while others are in the way. The caller bounds it.
    pub(super) async fn query(&self, sql: &str, params: Params<'_>) -> Result<(Vec<Row>, Lease), PostgresError> {
        self.ask(sql, params, false).await
    }

    /// The same for what is not to be stopped halfway: its caller has gone, but a commit may be on its way to a standby.
    pub(super) async fn write(&self, sql: &str, params: Params<'_>) -> Result<(Vec<Row>, Lease), PostgresError> {
        self.ask(sql, params, true).await
    }

    async fn ask(&self, sql: &str, params: Params<'_>, writes: bool) -> Result<(Vec<Row>, Lease), PostgresError> {
        loop {
            let mut lease = self.lease().await?;
            lease.writes = writes;
            match lease.query(sql, params).await {
                Ok(rows) => return Ok((rows, lease)),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes the connections that nobody uses: one did not answer, so these may be as dead.
    pub(super) fn suspect(&self) {
        let _ = self.pool.retain(|_, _| false);
    }

    /// The same, and those that are in use are closed once they are given back: they may lead to another server than new ones do.
    pub(super) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.suspect();
    }

    /// How often all connections were renewed.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("pool", &self.pool.status()).finish_non_exhaustive()
    }
}

/// A connection of the pool. It goes back only if nothing is under way on it.
pub(super) struct Lease {
    /// `None` once it is being dropped.
    object: Option<Object>,
    connector: Arc<Connector>,
    timeout: Duration,
    generation: Arc<AtomicU64>,
    /// When it was lent. It may be older, but not than the last renewal before that.
    lent_in: u64,
    busy: bool,
    writes: bool,
}

impl Lease {
    /// One statement, in a transaction of its own, in one round trip.
    pub(super) async fn query(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, PostgresError> {
        let client = self.begin()?;
        let rows = client.query_typed(sql, params).await;
        self.busy = rows.as_ref().is_err_and(|error| !leaves_connection_in_order(error));
        Ok(rows?)
    }

    /// The connection, which is thrown away unless [`end`](Self::end) is called.
    pub(super) fn begin(&mut self) -> Result<&mut Client, PostgresError> {
        self.busy = true;
        match &mut self.object {
            Some(object) => Ok(object),
            None => Err(PostgresError::NoConnection("it was given back".to_owned())),
        }
    }

    /// Nothing is under way any more.
    pub(super) fn end(&mut self) {
        self.busy = false;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let outdated = self.generation.load(Ordering::Acquire) != self.lent_in;
        let Some(object) = self.object.take().filter(|_| self.busy || outdated) else { return };
        let client = Object::take(object);
        if self.busy && !self.writes {
            self.connector.abandon(&client, self.timeout);
        }
    }
}
