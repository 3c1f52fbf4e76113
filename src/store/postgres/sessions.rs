//! What is done with a connection of the pool.

use std::{fmt, sync::Arc};

use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};

use super::{
    connect::Connector,
    error::{PostgresError, leaves_connection_in_order},
    pool::{Loan, Pool},
};

pub(super) type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

pub(super) struct Sessions {
    pool: Arc<Pool>,
}

impl Sessions {
    pub(super) fn new(connector: Connector, connections: usize) -> Result<Self, PostgresError> {
        if connections == 0 {
            return Err(PostgresError::NoConnections);
        }
        Ok(Self { pool: Pool::new(connector, connections) })
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) async fn lease(&self) -> Result<Lease, PostgresError> {
        let loan = self.pool.lend().await?;
        let connector = self.pool.connector().clone();
        Ok(Lease { loan: Some(loan), connector, busy: false, writes: false })
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
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, idle) = self.pool.size();
        f.debug_struct("Sessions").field("open", &open).field("idle", &idle).finish_non_exhaustive()
    }
}

/// A connection of the pool. It goes back only if nothing is under way on it.
pub(super) struct Lease {
    /// `None` once it is being dropped.
    loan: Option<Loan>,
    connector: Connector,
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
        let connection = self.loan.as_mut().and_then(Loan::connection);
        connection.map(|connection| &mut connection.client).ok_or(PostgresError::GivenBack)
    }

    /// Whether others wait for a connection.
    pub(super) fn is_awaited(&self) -> bool {
        self.loan.as_ref().is_some_and(Loan::is_awaited)
    }

    /// Nothing is under way any more.
    pub(super) fn end(&mut self) {
        self.busy = false;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut loan) = self.loan.take()
            && self.busy
        {
            if let Some(connection) = loan.connection().filter(|_| !self.writes) {
                self.connector.abandon(&connection.client);
            }
            loan.close();
        }
    }
}
