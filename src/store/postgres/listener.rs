use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_postgres::Row;

use super::{
    connect::{Connection, Connector},
    error::PostgresError,
    pool::Pool,
    sessions::Params,
};

/// A connection that hears of what is committed.
pub(super) struct Listener {
    connection: Connection,
    wakeup: Arc<Notify>,
    connector: Connector,
    /// Changes when those who revoke and check can have no connection.
    starved: watch::Receiver<()>,
    generation: u64,
    busy: bool,
}

impl Listener {
    /// What is committed once this has returned is heard of.
    pub(super) async fn connect(pool: &Pool, listen: &str) -> Result<Self, PostgresError> {
        let (generation, starved, connector) = (pool.generation(), pool.starved(), pool.connector().clone());
        let wakeup = Arc::default();
        // Whoever follows without a listener needs a part of the time.
        let connection = connector.open(Arc::clone(&wakeup), connector.patience() / 2).await?;
        let listener = Self { connection, wakeup, connector, starved, generation, busy: false };
        listener.connection.client.batch_execute(listen).await?;
        Ok(listener)
    }

    /// Waits until something was committed, or the connection is lost, or the time is over, and says whether it may be kept.
    pub(super) async fn wait(&mut self, wait: Duration) -> bool {
        let mut starved = pin!(self.starved.changed());
        let mut over = pin!(timeout(wait, self.wakeup.notified()));
        poll_fn(|cx| match starved.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(false),
            Poll::Pending => over.as_mut().poll(cx).map(|_| true),
        })
        .await
    }

    /// Of how many renewals of all connections it knew when it was connected.
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
            self.connector.abandon(&self.connection.client);
        }
    }
}
