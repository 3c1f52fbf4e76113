//! [`Listener`]: a connection that listens (`LISTEN`) for committed revocations.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_postgres::{Error, Row, Statement, error::SqlState};

use super::{
    connection::{Connection, Connector},
    error::PostgresError,
    pool::Pool,
    session::Params,
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
    follow: Follow,
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

/// How the statement that reads is run.
enum Follow {
    Unprepared,
    Prepared(Statement),
    /// The connection leads through a pooler that changes the server's connection.
    CannotPrepare,
}

impl Listener {
    /// Connects and listens. Revocations that are committed after it has returned are noticed.
    pub(super) async fn connect(pool: &Pool, listen: &str) -> Result<Self, PostgresError> {
        let (generation, exhausted, connector) = (pool.generation(), pool.exhausted(), pool.connector().clone());
        let wakeup = Arc::default();
        // Half of the time is left for polling, in case that no listener can be opened.
        let connection = connector.open(Arc::clone(&wakeup), connector.timeout() / 2).await?;
        let listener =
            Self { connection, wakeup, connector, exhausted, generation, busy: false, follow: Follow::Unprepared };
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

    pub(super) async fn query(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, PostgresError> {
        self.busy = true;
        let rows = self.read(sql, params).await;
        self.busy = false;
        Ok(rows?)
    }

    async fn read(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Error> {
        if !matches!(self.follow, Follow::CannotPrepare) {
            match self.read_prepared(sql, params).await {
                Err(error) if is_unprepared(&error) => self.follow = Follow::CannotPrepare,
                rows => return rows,
            }
        }
        self.connection.client.query_typed(sql, params).await
    }

    /// Runs the statement without planning it, which takes longer than to run it. The plan does not
    /// depend on the parameters; if the server planned for each of them, it would plan each time.
    async fn read_prepared(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Error> {
        let client = &self.connection.client;
        let statement = if let Follow::Prepared(statement) = &self.follow {
            statement.clone()
        } else {
            let types: Vec<_> = params.iter().map(|(_, kind)| kind.clone()).collect();
            let statement = client.prepare_typed(sql, &types).await?;
            self.follow = Follow::Prepared(statement.clone());
            statement
        };
        let values: Vec<_> = params.iter().map(|&(value, _)| value).collect();
        let mut begun = pin!(client.batch_execute(BEGIN));
        let mut read = pin!(client.query(&statement, &values));
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
            (Poll::Ready(Err(error)), ..) | (_, Poll::Ready(Err(error)), _) | (.., Poll::Ready(Err(error))) => {
                Err(error)
            }
            (_, Poll::Ready(rows), _) => rows,
            _ => Ok(Vec::new()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.busy {
            self.connector.cancel_in_background(&self.connection.client);
        }
    }
}

/// Whether the server does not know a statement that was prepared on another connection of a
/// pooler, or knows another one of its name.
fn is_unprepared(error: &Error) -> bool {
    let codes = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT, SqlState::PROTOCOL_VIOLATION];
    error.code().is_some_and(|code| codes.contains(code))
}

/// For the transaction only: the connection may be shared by a pooler.
const BEGIN: &str = "begin; set local plan_cache_mode = force_generic_plan";
const END: &str = "commit -- a follower of tower-logout waits";
