//! Reads all revocations, for a replica that starts or has lost its cursor.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
};

use futures_core::Stream;
use tokio_postgres::{
    RowStream,
    types::{ToSql, Type},
};

use super::{
    cursor::PostgresCursor,
    error::PostgresError,
    identity::LogIdentity,
    layout::{to_revocation, to_timestamp},
    loss::ExpectedRows,
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
    pub(super) async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<PostgresCursor, StoreError> {
        let (cursor, count) = self.within_timeout("snapshot", self.start_snapshot()).await?;
        if let Some(count) = count {
            into.expect(count);
        }
        let mut session = self.within_timeout("snapshot", self.sessions.acquire()).await?;
        let rows = self.within_timeout("snapshot", async {
            let statements = self.statements().await?;
            let LogIdentity { epoch, started, tables } = &cursor.log;
            let expected = ExpectedRows::default();
            let log = [epoch, started, tables].map(|text| (text as &(dyn ToSql + Sync), Type::TEXT));
            let params = expected.params().into_iter().chain(log);
            Ok(session.begin()?.query_typed_raw(&statements.snapshot, params).await?)
        });
        let mut rows = pin!(rows.await?);
        let mut has_rows = false;
        loop {
            let page = self.within_timeout("snapshot", read_page(rows.as_mut())).await?;
            into.take(&page.revocations);
            into.purged_through(page.purged_through);
            has_rows |= page.rows > 0;
            if page.is_last {
                break;
            }
        }
        // The statement returns at least one row, unless the log is no longer that of the cursor.
        if !has_rows {
            return Err(PostgresError::Replaced.in_operation("snapshot"));
        }
        session.finish();
        Ok(cursor)
    }

    /// Returns the cursor to follow from, and the approximate number of revocations, if known.
    async fn start_snapshot(&self) -> Result<(PostgresCursor, Option<u64>), PostgresError> {
        let statements = self.statements().await?;
        let (rows, _) = self.sessions.query(&statements.snapshot_start, &ExpectedRows::default().params()).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        let status = TableStatus::read(row, self.schema.name())?;
        self.loss.reset(&status);
        let cursor =
            PostgresCursor { log: status.identity, snapshot: status.snapshot, page_end: None, has_more: false };
        let count: i64 = row.try_get("expected")?;
        Ok((cursor, u64::try_from(count).ok().filter(|&count| count > 0)))
    }
}

/// A part of a snapshot.
struct Page {
    rows: usize,
    revocations: Vec<Revocation>,
    purged_through: Timestamp,
    is_last: bool,
}

async fn read_page(mut rows: Pin<&mut RowStream>) -> Result<Page, PostgresError> {
    let revocations = Vec::with_capacity(PAGE);
    let mut page = Page { rows: 0, revocations, purged_through: Timestamp::MIN, is_last: false };
    while page.rows < PAGE {
        let Some(row) = poll_fn(|cx| rows.as_mut().poll_next(cx)).await else {
            page.is_last = true;
            break;
        };
        let row = row?;
        page.rows += 1;
        page.purged_through = to_timestamp(row.try_get(3)?)?;
        // For an empty table, the statement returns one row without a key.
        if row.try_get::<_, Option<&[u8]>>(0)?.is_some() {
            page.revocations.extend(to_revocation(&row, 0)?);
        }
    }
    Ok(page)
}

const PAGE: usize = 5000;
