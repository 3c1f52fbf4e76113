//! The pool, and what is done with one of its connections.

use std::{fmt, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
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
        Ok(Self { pool, connector: Arc::new(connector), timeout })
    }

    pub(super) async fn lease(&self) -> Result<Lease, PostgresError> {
        let object = self.pool.get().await?;
        let connector = Arc::clone(&self.connector);
        Ok(Lease { object: Some(object), connector, timeout: self.timeout, busy: false, writes: false })
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
        let Some(object) = self.object.take().filter(|_| self.busy) else { return };
        let client = Object::take(object);
        if !self.writes {
            self.connector.abandon(&client, self.timeout);
        }
    }
}
