use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use tokio_postgres::{Client, Config, Row};

use super::{connect::Connector, error::PostgresError, sessions::Params};

/// A connection that hears of what is committed.
pub(super) struct Listener {
    client: Client,
    connection: JoinHandle<()>,
    wakeup: Arc<Notify>,
    connector: Connector,
    patience: Duration,
    generation: u64,
    busy: bool,
}

impl Listener {
    /// What is committed once this has returned is heard of.
    pub(super) async fn connect(
        connector: &Connector,
        config: &Config,
        listen: &str,
        patience: Duration,
        generation: u64,
    ) -> Result<Self, PostgresError> {
        let wakeup = Arc::default();
        let connector = connector.waking(&wakeup);
        let (client, connection) = connector.open(config).await?;
        let listener = Self { client, connection, wakeup, connector, patience, generation, busy: false };
        listener.client.batch_execute(listen).await?;
        Ok(listener)
    }

    /// Waits until something was committed, or the connection is lost, or the time is over.
    pub(super) async fn wait(&self, wait: Duration) {
        let _ = timeout(wait, self.wakeup.notified()).await;
    }

    /// Of how many renewals of all connections it knew when it was connected.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn query(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, PostgresError> {
        self.busy = true;
        let rows = self.client.query_typed(sql, params).await;
        self.busy = false;
        Ok(rows?)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.busy {
            self.connector.abandon(&self.client, self.patience);
        }
        self.connection.abort();
    }
}
