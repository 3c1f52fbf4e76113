//! [`RevocationLog`] for PostgreSQL. `snapshot.rs` reads the snapshots.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::time::sleep;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    cursor::{FollowParams, PageEnd, PostgresCursor},
    error::PostgresError,
    layout::to_revocation,
    listener::{Listener, Wait},
    shared::Shared,
    status::{STATUS_COLUMNS, TableStatus},
};
use crate::{
    revocation::{Revocation, RevocationKey, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError},
};

#[async_trait]
impl RevocationLog for PostgresStore {
    type Cursor = PostgresCursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<PostgresCursor, StoreError> {
        let cursor = self.shared.snapshot(into).await;
        if cursor.is_err() {
            self.shared.invalidate_connections();
        }
        cursor
    }

    async fn follow(&self, cursor: &PostgresCursor, wait: Duration) -> Result<Followed<PostgresCursor>, FollowError> {
        let shared = &self.shared;
        shared.prune_if_due();
        let until = Instant::now() + wait;
        let mut cursor = cursor.clone();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (rows, end) = if shared.is_polling() {
                (shared.poll(&cursor, left).await?, Wait::Over)
            } else {
                shared.listen(&cursor, left).await?
            };
            match followed(&rows, &cursor, shared) {
                // It was woken by what it had already read.
                Ok(followed)
                    if end == Wait::Woken
                        && followed.complete
                        && followed.revocations.is_empty()
                        && Instant::now() < until =>
                {
                    cursor = followed.cursor;
                }
                followed => {
                    if matches!(followed, Err(FollowError::CursorLost(_))) {
                        shared.invalidate_connections();
                    }
                    return followed;
                }
            }
        }
    }

    fn reconnect(&self) {
        self.shared.invalidate_connections();
    }

    async fn check(&self, cursor: &PostgresCursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        let shared = &*self.shared;
        let known = shared.loss.known_rows();
        let (status, revoked) = shared.within_timeout("check", shared.is_revoked_and_status(token, &known)).await?;
        match cursor.lost_reason(&status) {
            Some(reason) => {
                shared.invalidate_connections_rate_limited();
                Err(FollowError::CursorLost(reason))
            }
            None => Ok(revoked),
        }
    }

    async fn look_up(&self, cursor: &PostgresCursor, key: RevocationKey) -> Result<Option<Revocation>, FollowError> {
        let shared = &*self.shared;
        let known = shared.loss.known_rows();
        let (status, found) = shared.within_timeout("find", shared.find_and_status(key, &known)).await?;
        match cursor.lost_reason(&status) {
            Some(reason) => {
                shared.invalidate_connections_rate_limited();
                Err(FollowError::CursorLost(reason))
            }
            None => Ok(found),
        }
    }
}

impl Shared {
    async fn poll(&self, cursor: &PostgresCursor, wait: Duration) -> Result<Vec<Row>, StoreError> {
        if !cursor.has_more {
            sleep(wait.min(POLL_INTERVAL)).await;
        }
        self.within_timeout("follow", self.read_changes(cursor, None)).await
    }

    /// Returns the changes, and what ended the wait for them.
    async fn listen(&self, cursor: &PostgresCursor, wait: Duration) -> Result<(Vec<Row>, Wait), StoreError> {
        // Taken out, so that a listener is not used again after an error or after its caller was
        // dropped.
        let listener = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut listener = listener.filter(|listener| listener.generation() == self.sessions.pool().generation());
        let was_listening = listener.is_some();
        let mut end = Wait::Over;
        if let Some(waiting) = &mut listener
            && !cursor.has_more
        {
            end = waiting.wait(wait).await;
        }
        if end == Wait::MustClose {
            drop(listener);
            self.stop_listening();
            return Ok((self.poll(cursor, Duration::ZERO).await?, end));
        }
        let listener = listener.filter(|listener| !listener.is_closed());
        if was_listening && listener.is_none() {
            self.invalidate_connections();
        }
        let read = self
            .within_timeout("follow", async {
                // Revocations and checks take precedence over a listener.
                self.statements().await?;
                let mut listener = match listener {
                    Some(listener) => Some(listener),
                    // Listening begins before reading, so that no revocation is missed in between.
                    None => self.new_listener().await?,
                };
                let rows = self.read_changes(cursor, listener.as_mut()).await?;
                Ok((rows, listener))
            })
            .await;
        if was_listening && read.is_err() {
            self.invalidate_connections();
        }
        let (rows, listener) = read?;
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).extend(listener);
        Ok((rows, end))
    }

    /// Reads the changes after a cursor, on the connection of a listener or on one of the pool.
    async fn read_changes(
        &self,
        cursor: &PostgresCursor,
        listener: Option<&mut Listener>,
    ) -> Result<Vec<Row>, PostgresError> {
        let statements = self.statements().await?;
        let known = self.loss.known_rows();
        let values: Vec<_> = known.values().into_iter().chain(FollowParams::new(cursor).into_values()).collect();
        match listener {
            Some(listener) => listener.query(&statements.follow, &values).await,
            None => self.sessions.query(statements.follow.text(), &values).await,
        }
    }

    /// Opens a listening connection. Returns `None` if too few connections are available.
    async fn new_listener(&self) -> Result<Option<Listener>, PostgresError> {
        match Listener::connect(self.sessions.pool(), &self.setup.listen).await {
            Err(PostgresError::Connect(error)) if error.may_be_connection_limit() => {
                self.stop_listening();
                Ok(None)
            }
            listener => listener.map(Some),
        }
    }

    /// Whether followers poll, by configuration or for lack of a listening connection.
    fn is_polling(&self) -> bool {
        let until = *self.polling_until.lock().unwrap_or_else(PoisonError::into_inner);
        self.poll_only || until.is_some_and(|until| Instant::now() < until)
    }

    /// Stops listening for a while, to leave the connection to revocations and checks.
    fn stop_listening(&self) {
        let until = Instant::now() + POLLING_PERIOD;
        *self.polling_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

fn followed(rows: &[Row], cursor: &PostgresCursor, shared: &Shared) -> Result<Followed<PostgresCursor>, FollowError> {
    let failed =
        |error: PostgresError| FollowError::Failed(error.explained(shared.schema.name()).in_operation("follow"));
    let first = rows.first().ok_or_else(|| failed(shared.not_migrated()))?;
    let status = TableStatus::read(first, shared.schema.name()).map_err(failed)?;
    if let Some(reason) = cursor.lost_reason(&status) {
        return Err(FollowError::CursorLost(reason));
    }
    read_page(rows, cursor, status).map_err(failed)
}

fn read_page(
    rows: &[Row],
    cursor: &PostgresCursor,
    status: TableStatus,
) -> Result<Followed<PostgresCursor>, PostgresError> {
    let mut revocations = Vec::with_capacity(rows.len());
    let mut last = None;
    for row in rows {
        let Some(key) = row.try_get::<_, Option<&[u8]>>(STATUS_COLUMNS)? else { break };
        revocations.extend(to_revocation(row, STATUS_COLUMNS)?);
        last = Some((key, row));
    }
    let TableStatus { identity: log, snapshot, purged_through, .. } = status;
    // All pages end at the snapshot that was taken with the first one.
    let until = match &cursor.page_end {
        Some(page_end) => page_end.until.clone(),
        None => snapshot,
    };
    let page = FollowParams::new(cursor).page();
    let is_full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= page);
    let is_complete = cursor.page_end.is_none() && !is_full;
    let cursor = match last {
        Some((key, row)) if is_full => PostgresCursor {
            log,
            snapshot: cursor.snapshot.clone(),
            page_end: Some(PageEnd { until, changed_in: row.try_get("changed_in")?, key: key.to_vec() }),
            has_more: true,
        },
        _ => PostgresCursor { log, snapshot: until, page_end: None, has_more: !is_complete },
    };
    Ok(Followed::new(revocations, purged_through, cursor, is_complete))
}

/// Interval at which followers poll if they do not listen.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long followers poll before they try to listen again, after no connection was available.
const POLLING_PERIOD: Duration = Duration::from_secs(30);
