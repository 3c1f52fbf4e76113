//! [`Session`]: runs statements on a connection of the pool.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use tokio::time::timeout;
use tokio_postgres::{Client, Error, Row};

use super::{
    connection::{Connection, Connector},
    error::{PostgresError, is_connection_usable_after},
    notify::Notification,
    pool::{Pool, PooledConnection},
    prepared::{Prepared, PreparedSql, is_unprepared},
    value::Value,
};

/// Creates [`Session`]s on the connections of a pool.
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

    pub(super) async fn acquire(&self) -> Result<Session, PostgresError> {
        let connection = self.pool.acquire().await?;
        let connector = self.pool.connector().clone();
        Ok(Session { connection: Some(connection), connector, busy: false, writes: false })
    }

    /// Runs a statement, and repeats it while it conflicts with other transactions. The caller
    /// limits the time.
    pub(super) async fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, PostgresError> {
        loop {
            match self.acquire().await?.query(sql, values).await {
                Err(error) if error.is_conflict() => {}
                result => return result,
            }
        }
    }

    /// Runs a statement that writes, as [`write_once`](Self::write_once) does, and repeats it while
    /// it conflicts with other transactions.
    pub(super) async fn write(
        &self,
        statement: &PreparedSql,
        values: &[Value<'_>],
        channel: &Arc<str>,
    ) -> Result<Vec<Row>, PostgresError> {
        loop {
            match self.write_once(statement, values, channel).await {
                Err(error) if error.is_conflict() => {}
                result => return result,
            }
        }
    }

    /// Runs a statement that writes, and notifies the followers once it has committed. The
    /// statement is not cancelled if the future is dropped, because its commit may be on the way to
    /// a standby.
    pub(super) async fn write_once(
        &self,
        statement: &PreparedSql,
        values: &[Value<'_>],
        channel: &Arc<str>,
    ) -> Result<Vec<Row>, PostgresError> {
        let mut session = self.acquire().await?;
        session.writes = true;
        session.write(statement, values, channel).await
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, idle) = self.pool.size();
        f.debug_struct("Sessions").field("open", &open).field("idle", &idle).finish_non_exhaustive()
    }
}

/// A connection of the pool in use. It returns to the pool only if no statement is running on it.
pub(super) struct Session {
    /// `None` only while it is being dropped.
    connection: Option<PooledConnection>,
    connector: Connector,
    busy: bool,
    writes: bool,
}

impl Session {
    /// Runs one statement in a transaction of its own, in one round trip.
    pub(super) async fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, PostgresError> {
        let client = self.begin()?;
        let rows = client.query_typed(sql, &Value::params(values)).await;
        self.busy = !is_usable_after(&rows);
        Ok(rows?)
    }

    /// Runs a statement in a transaction of its own, and a notification in the next one. Both are
    /// sent in one round trip, and only the statement is awaited.
    async fn write(
        mut self,
        statement: &PreparedSql,
        values: &[Value<'_>],
        channel: &Arc<str>,
    ) -> Result<Vec<Row>, PostgresError> {
        let client = Arc::clone(self.begin()?);
        let mut written = None;
        if self.prepared()?.has(&client, statement).await {
            let executed = write(&client, &statement.execute(values), &[], channel).await;
            match &executed.0 {
                // Nothing was stored.
                Err(error) if is_unprepared(error) => self.prepared()?.give_up(),
                _ => written = Some(executed),
            }
        }
        let (rows, notification) =
            if let Some(written) = written { written } else { write(&client, statement.text(), values, channel).await };
        if is_usable_after(&rows) {
            self.finish_in_background(notification);
        }
        Ok(rows?)
    }

    /// Returns the connection once the notification was sent.
    fn finish_in_background(mut self, notification: Notification) {
        let limit = self.connector.timeout();
        tokio::spawn(async move {
            if matches!(timeout(limit, notification).await, Ok(result) if is_usable_after(&result)) {
                self.finish();
            }
        });
    }

    /// Returns the connection, which is closed unless [`finish`](Self::finish) is called.
    pub(super) fn begin(&mut self) -> Result<&Arc<Client>, PostgresError> {
        self.busy = true;
        Ok(&self.connection()?.client)
    }

    fn prepared(&mut self) -> Result<&mut Prepared, PostgresError> {
        Ok(&mut self.connection()?.prepared)
    }

    fn connection(&mut self) -> Result<&mut Connection, PostgresError> {
        self.connection.as_mut().and_then(PooledConnection::connection).ok_or(PostgresError::Returned)
    }

    /// Declares that no statement and no transaction is open any more.
    pub(super) fn finish(&mut self) {
        self.busy = false;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(mut pooled) = self.connection.take()
            && self.busy
        {
            if let Some(connection) = pooled.connection().filter(|_| !self.writes) {
                self.connector.cancel_in_background(&connection.client);
            }
            pooled.close();
        }
    }
}

/// Sends a statement and the notification behind it. Returns the rows of the statement.
async fn write(
    client: &Arc<Client>,
    sql: &str,
    values: &[Value<'_>],
    channel: &Arc<str>,
) -> (Result<Vec<Row>, Error>, Notification) {
    let mut notification = Notification::new(Arc::clone(client), Arc::clone(channel));
    let params = Value::params(values);
    let mut statement = pin!(client.query_typed(sql, &params));
    let rows = poll_fn(|cx| {
        // The first poll sends.
        let rows = statement.as_mut().poll(cx);
        notification.advance(cx);
        rows
    })
    .await;
    (rows, notification)
}

fn is_usable_after<T>(result: &Result<T, Error>) -> bool {
    result.as_ref().err().is_none_or(is_connection_usable_after)
}

/// Sends all statements at once, in one round trip, and returns their results in the same order.
pub(super) async fn query_all(client: &Client, statements: &[(&str, &[Value<'_>])]) -> Vec<Result<Vec<Row>, Error>> {
    let mut sent: Vec<Pin<Box<dyn Future<Output = _> + Send + '_>>> = Vec::new();
    for &(sql, values) in statements {
        sent.push(Box::pin(async move { client.query_typed(sql, &Value::params(values)).await }));
    }
    let mut results: Vec<Option<_>> = sent.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (statement, result) in sent.iter_mut().zip(&mut results).filter(|(_, result)| result.is_none()) {
            if let Poll::Ready(rows) = statement.as_mut().poll(cx) {
                *result = Some(rows);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}
