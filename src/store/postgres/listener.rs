//! [`Listener`]: a connection that listens (`LISTEN`) for committed revocations.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_postgres::{Client, Error, Row};

use super::{
    connection::{Connection, Connector},
    error::PostgresError,
    pool::Pool,
    prepared::{PreparedSql, is_unprepared},
    value::Value,
};

/// A listening connection, which is not one of the pool.
pub(super) struct Listener {
    connection: Connection,
    wakeup: Arc<Notify>,
    connector: Connector,
    /// Changes when the pool cannot open a single connection.
    exhausted: watch::Receiver<()>,
    generation: u64,
    busy: bool,
}

/// What ends the wait for revocations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wait {
    /// A revocation was committed, or the connection has ended.
    Woken,
    Over,
    /// The pool needs the connection.
    MustClose,
}

impl Listener {
    /// Connects and listens. Revocations that are committed after it has returned are noticed.
    pub(super) async fn connect(pool: &Pool, listen: &str) -> Result<Self, PostgresError> {
        let (generation, exhausted, connector) = (pool.generation(), pool.exhausted(), pool.connector().clone());
        let wakeup = Arc::default();
        // Half of the time is left for polling, in case that no listener can be opened.
        let connection = connector.open(Arc::clone(&wakeup), connector.timeout() / 2).await?;
        let listener = Self { connection, wakeup, connector, exhausted, generation, busy: false };
        listener.connection.client.batch_execute(listen).await?;
        Ok(listener)
    }

    /// Waits until a revocation was committed, the connection has ended, or `wait` has passed.
    pub(super) async fn wait(&mut self, wait: Duration) -> Wait {
        let mut exhausted = pin!(self.exhausted.changed());
        let mut notified = pin!(timeout(wait, self.wakeup.notified()));
        poll_fn(|cx| match exhausted.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(Wait::MustClose),
            Poll::Pending => notified.as_mut().poll(cx).map(|woken| woken.map_or(Wait::Over, |()| Wait::Woken)),
        })
        .await
    }

    /// The [generation](Pool::generation) of the pool at the time when the listener was connected.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn is_closed(&self) -> bool {
        self.connection.client.is_closed()
    }

    pub(super) async fn query(
        &mut self,
        statement: &PreparedSql,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, PostgresError> {
        self.busy = true;
        let rows = self.read(statement, values).await;
        self.busy = false;
        Ok(rows?)
    }

    async fn read(&mut self, statement: &PreparedSql, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let Connection { client, prepared, .. } = &mut self.connection;
        if prepared.has(client, statement).await {
            match execute(client, &statement.execute(values)).await {
                Err(error) if is_unprepared(&error) => prepared.give_up(),
                rows => return rows,
            }
        }
        client.query_typed(statement.text(), &Value::params(values)).await
    }
}

/// Runs a prepared statement without planning it, which takes longer than to run it. The plan does
/// not depend on the parameters; if the server planned for each of them, it would plan each time.
async fn execute(client: &Client, sql: &str) -> Result<Vec<Row>, Error> {
    let mut begun = pin!(client.batch_execute(BEGIN));
    let mut read = pin!(client.query_typed(sql, &[]));
    let mut ended = pin!(client.batch_execute(END));
    let (mut begin, mut rows, mut end) = (Poll::Pending, Poll::Pending, Poll::Pending);
    // All three are sent at once.
    poll_fn(|cx| {
        if begin.is_pending() {
            begin = begun.as_mut().poll(cx);
        }
        if rows.is_pending() {
            rows = read.as_mut().poll(cx);
        }
        if end.is_pending() {
            end = ended.as_mut().poll(cx);
        }
        if begin.is_ready() && rows.is_ready() && end.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    match (begin, rows, end) {
        (Poll::Ready(Err(error)), ..) | (_, Poll::Ready(Err(error)), _) | (.., Poll::Ready(Err(error))) => Err(error),
        (_, Poll::Ready(rows), _) => rows,
        _ => Ok(Vec::new()),
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.busy {
            self.connector.cancel_in_background(&self.connection.client);
        }
    }
}

/// For the transaction only: the connection may be shared by a pooler.
const BEGIN: &str = "begin; set local plan_cache_mode = force_generic_plan";
const END: &str = "commit -- a follower of tower-logout waits";
