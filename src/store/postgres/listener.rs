//! [`Listener`]: a connection that listens (`LISTEN`) for committed revocations.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_postgres::Row;

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
    /// Returns whether the connection may be kept; it may not if the pool needs it.
    pub(super) async fn wait(&mut self, wait: Duration) -> bool {
        let mut exhausted = pin!(self.exhausted.changed());
        let mut notified = pin!(timeout(wait, self.wakeup.notified()));
        poll_fn(|cx| match exhausted.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(false),
            Poll::Pending => notified.as_mut().poll(cx).map(|_| true),
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
        let rows = self.connection.client.query_typed(sql, params).await;
        self.busy = false;
        Ok(rows?)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.busy {
            self.connector.cancel_in_background(&self.connection.client);
        }
    }
}
