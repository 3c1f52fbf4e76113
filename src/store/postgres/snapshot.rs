//! Reads all revocations, for a replica that starts or has lost its cursor.
//!
//! The cursor and the rows come from one snapshot of the database, in one transaction. The
//! statement that reads the status of the tables locks them, so that nobody can replace, empty or
//! narrow them before their rows are read.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use futures_core::Stream;
use tokio::sync::mpsc;
use tokio_postgres::{Client, CopyOutStream};

use super::{
    copy::Decoder,
    cursor::PostgresCursor,
    error::PostgresError,
    loss::KnownRows,
    session::{Session, query_all},
    shared::Shared,
    status::TableStatus,
};
use crate::{
    clock::Timestamp,
    revocation::Revocation,
    store::{SnapshotSink, StoreError},
};

impl Shared {
    /// Writes all revocations to `into`. The timeout of the store applies to each page.
    pub(super) async fn snapshot(self: &Arc<Self>, into: &mut dyn SnapshotSink) -> Result<PostgresCursor, StoreError> {
        let mut session = self.within_timeout("snapshot", self.sessions.acquire()).await?;
        let start = self.within_timeout("snapshot", self.start_snapshot(&mut session)).await?;
        if let Some(count) = start.expected {
            into.expect(count);
        }
        into.purged_through(start.purged_through);
        // The connection is read, and its rows are decoded, while `into` takes the ones before.
        let (sender, mut pages) = mpsc::channel(PAGES_AHEAD);
        let _reader = Reader(tokio::spawn(read(Arc::clone(self), session, sender)));
        while let Some(page) = pages.recv().await {
            match page? {
                Part::Page(revocations) => into.take(&revocations),
                Part::End => return Ok(start.cursor),
            }
        }
        Err(PostgresError::Replaced.in_operation("snapshot"))
    }

    /// Begins the transaction that reads the snapshot.
    async fn start_snapshot(&self, session: &mut Session) -> Result<Start, PostgresError> {
        let statements = self.statements().await?;
        let expected = KnownRows::default();
        let begin = [(BEGIN, &[][..]), (ERROR_IF_HIDDEN, &[]), (&statements.snapshot_start, &expected.values())];
        let mut results = query_all(session.begin()?, &begin).await;
        let rows = results.pop().ok_or(PostgresError::NoRow)?;
        for result in results {
            result?;
        }
        let rows = rows?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        let status = TableStatus::read(row, self.schema.name())?;
        self.loss.reset(&status);
        let count: i64 = row.try_get("expected")?;
        Ok(Start {
            purged_through: status.purged_through,
            cursor: PostgresCursor { log: status.identity, snapshot: status.snapshot, page_end: None, has_more: false },
            expected: u64::try_from(count).ok().filter(|&count| count > 0),
        })
    }

    async fn copy(&self, client: &Client) -> Result<Pin<Box<CopyOutStream>>, PostgresError> {
        Ok(Box::pin(client.copy_out(&self.statements().await?.snapshot).await?))
    }
}

/// What is known before the first row is read.
struct Start {
    cursor: PostgresCursor,
    /// The approximate number of revocations, if known.
    expected: Option<u64>,
    purged_through: Timestamp,
}

enum Part {
    Page(Vec<Revocation>),
    End,
}

/// The task that reads the connection, which ends with its caller.
struct Reader(tokio::task::JoinHandle<()>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads the rows on the connection whose transaction has begun.
async fn read(shared: Arc<Shared>, session: Session, sender: mpsc::Sender<Result<Part, StoreError>>) {
    if let Err(error) = read_all(&shared, session, &sender).await {
        let _ = sender.send(Err(error)).await;
    }
}

async fn read_all(
    shared: &Shared,
    mut session: Session,
    sender: &mpsc::Sender<Result<Part, StoreError>>,
) -> Result<(), StoreError> {
    let client = session.begin().map_err(|error| error.in_operation("snapshot"))?;
    let client = Arc::clone(client);
    let mut rows = shared.within_timeout("snapshot", shared.copy(&client)).await?;
    let mut decoder = Decoder::new();
    loop {
        let (page, is_last) = shared.within_timeout("snapshot", read_page(rows.as_mut(), &mut decoder)).await?;
        if sender.send(Ok(Part::Page(page))).await.is_err() {
            return Ok(());
        }
        if is_last {
            break;
        }
        // Other tasks of the runtime have their turn.
        tokio::task::yield_now().await;
    }
    drop(rows);
    let commit = async { Ok(client.batch_execute("commit").await?) };
    shared.within_timeout("snapshot", commit).await?;
    session.finish();
    let _ = sender.send(Ok(Part::End)).await;
    Ok(())
}

/// Reads a page, and whether it is the last.
async fn read_page(
    mut rows: Pin<&mut CopyOutStream>,
    decoder: &mut Decoder,
) -> Result<(Vec<Revocation>, bool), PostgresError> {
    let mut page = Vec::with_capacity(PAGE);
    while page.len() < PAGE {
        match poll_fn(|cx| rows.as_mut().poll_next(cx)).await {
            Some(bytes) => decoder.decode(&bytes?, &mut page)?,
            None => return decoder.finish().map(|()| (page, true)),
        }
    }
    Ok((page, false))
}

const PAGE: usize = 5000;
/// How many pages are decoded before they are taken.
const PAGES_AHEAD: usize = 4;
const BEGIN: &str = "begin isolation level repeatable read read only";
/// Makes row-level security an error instead of a filter.
const ERROR_IF_HIDDEN: &str = "set local row_security = off";
