//! The store as a log that replicas follow.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::PoisonError,
    time::Duration,
};

use async_trait::async_trait;
use futures_core::Stream;
use tokio::time::sleep;
use tokio_postgres::{
    Row, RowStream,
    types::{ToSql, Type},
};

use super::{
    PostgresStore, Shared, Token,
    cursor::{Identity, PostgresCursor, Rest},
    error::PostgresError,
    listener::Listener,
    rows::{to_revocation, to_timestamp},
};
use crate::{
    clock::Timestamp,
    revocation::{Revocation, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, Snapshot, StoreError},
};

#[async_trait]
impl RevocationLog for PostgresStore {
    type Cursor = PostgresCursor;

    async fn snapshot(&self, into: &mut Snapshot<'_>) -> Result<PostgresCursor, StoreError> {
        let taken = self.load(into).await;
        if taken.is_err() {
            self.shared.renew();
        }
        taken
    }

    async fn follow(&self, cursor: &PostgresCursor, wait: Duration) -> Result<Followed<PostgresCursor>, FollowError> {
        self.shared.keep_house();
        let rows =
            if self.shared.poll_only { self.poll(cursor, wait).await? } else { self.listen(cursor, wait).await? };
        let news = read_news(&rows, cursor, &self.shared);
        if matches!(news, Err(FollowError::CursorLost(_))) {
            self.shared.renew();
        }
        news
    }

    fn reconnect(&self) {
        self.shared.renew();
    }

    async fn check(&self, cursor: &PostgresCursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        let shared = &*self.shared;
        let (log, revoked) = shared.bounded("check", shared.ask_log(token)).await?;
        match cursor.log.differs(&log) {
            Some(how) => {
                shared.renew_sometimes();
                Err(FollowError::CursorLost(how))
            }
            None => Ok(revoked),
        }
    }
}

impl PostgresStore {
    async fn load(&self, into: &mut Snapshot<'_>) -> Result<PostgresCursor, StoreError> {
        let shared = &*self.shared;
        let (cursor, expected) = shared.bounded("snapshot", shared.begin()).await?;
        if let Some(expected) = expected {
            into.expect(expected);
        }
        let mut lease = shared.bounded("snapshot", shared.sessions.lease()).await?;
        let rows = shared.bounded("snapshot", async {
            let Identity { epoch, started, file } = &cursor.log;
            let params = [&shared.statements.revocation_table, epoch, started, file].map(|text| (text, Type::TEXT));
            Ok(lease.begin()?.query_typed_raw(&shared.statements.entries, params).await?)
        });
        let mut rows = pin!(rows.await?);
        let mut rows_read = false;
        loop {
            let page = shared.bounded("snapshot", read_page(rows.as_mut())).await?;
            into.take(&page.revocations);
            into.purged_through(page.purged_through);
            rows_read |= page.rows > 0;
            if page.last {
                break;
            }
        }
        // There is one at least, unless it is another log.
        if !rows_read {
            return Err(StoreError::new("snapshot", PostgresError::Replaced));
        }
        lease.end();
        Ok(cursor)
    }

    async fn poll(&self, cursor: &PostgresCursor, wait: Duration) -> Result<Vec<Row>, StoreError> {
        if !cursor.behind {
            sleep(wait.min(POLL_INTERVAL)).await;
        }
        let news = self.shared.bounded("follow", async {
            let question = Question::new(cursor, &self.shared);
            Ok(self.shared.sessions.query(&self.shared.statements.follow, &question.params()).await?.0)
        });
        news.await
    }

    async fn listen(&self, cursor: &PostgresCursor, wait: Duration) -> Result<Vec<Row>, StoreError> {
        let shared = &*self.shared;
        // Taken out, so that one that fails, or whose caller goes away, is not used again.
        let listener = shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let listener = listener.filter(|listener| listener.generation() == shared.sessions.generation());
        let was_there = listener.is_some();
        if let Some(listener) = &listener
            && !cursor.behind
        {
            listener.wait(wait).await;
        }
        let listener = listener.filter(|listener| !listener.is_closed());
        if was_there && listener.is_none() {
            shared.renew();
        }
        let asked = shared
            .bounded("follow", async {
                let mut listener = if let Some(listener) = listener {
                    listener
                } else {
                    // Listens first, and then asks at once: nothing falls between.
                    let generation = shared.sessions.generation();
                    let (connector, listen) = (&shared.connector, &shared.statements.listen);
                    Listener::connect(connector, &shared.config, listen, shared.timeout, generation).await?
                };
                let question = Question::new(cursor, shared);
                let rows = listener.query(&shared.statements.follow, &question.params()).await?;
                Ok((rows, listener))
            })
            .await;
        if was_there && asked.is_err() {
            shared.renew();
        }
        let (rows, listener) = asked?;
        shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        Ok(rows)
    }
}

impl Shared {
    /// Where to follow from, and how many entries there are, if that is known.
    async fn begin(&self) -> Result<(PostgresCursor, Option<u64>), PostgresError> {
        let params = [(&self.statements.revocation_table as _, Type::TEXT)];
        let (rows, _) = self.sessions.query(&self.statements.begin, &params).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        let cursor = PostgresCursor { log: Identity::read(row)?, snapshot: row.try_get(5)?, rest: None, behind: false };
        let expected: i64 = row.try_get(6)?;
        Ok((cursor, u64::try_from(expected).ok().filter(|&expected| expected > 0)))
    }

    /// Whether a token is revoked, and which log says so.
    async fn ask_log(&self, token: &TokenIdentity) -> Result<(Identity, bool), PostgresError> {
        let token = Token::new(token);
        let [keys, issued_at, retain_until] = token.params();
        let table = (&self.statements.revocation_table as _, Type::TEXT);
        let params = [table, keys, issued_at, retain_until];
        let (rows, _) = self.sessions.query(&self.statements.check_log, &params).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        Ok((Identity::read(row)?, row.try_get(5)?))
    }
}

/// What a follower asks.
struct Question<'a> {
    table: &'a str,
    snapshot: &'a str,
    until: Option<&'a str>,
    changed_in: &'a str,
    key: &'a [u8],
}

impl<'a> Question<'a> {
    fn new(cursor: &'a PostgresCursor, shared: &'a Shared) -> Self {
        let rest = cursor.rest.as_ref();
        Self {
            table: &shared.statements.revocation_table,
            snapshot: &cursor.snapshot,
            until: rest.map(|rest| &*rest.until),
            // Before its first number, a snapshot shows everything.
            changed_in: rest.map_or_else(|| cursor.first_unknown(), |rest| &rest.changed_in),
            key: rest.map_or(&[], |rest| &rest.key),
        }
    }

    fn params(&self) -> [(&(dyn ToSql + Sync), Type); 6] {
        [
            (&self.table, Type::TEXT),
            (&self.snapshot, Type::TEXT),
            (&self.until, Type::TEXT),
            (&self.changed_in, Type::TEXT),
            (&self.key, Type::BYTEA),
            (&PAGE, Type::INT8),
        ]
    }
}

fn read_news(rows: &[Row], cursor: &PostgresCursor, shared: &Shared) -> Result<Followed<PostgresCursor>, FollowError> {
    let first = rows.first().ok_or_else(|| failed(shared.not_migrated()))?;
    let log = Identity::read(first).map_err(failed)?;
    if let Some(how) = cursor.log.differs(&log) {
        return Err(FollowError::CursorLost(how));
    }
    read_rows(rows, cursor, log).map_err(failed)
}

fn read_rows(rows: &[Row], cursor: &PostgresCursor, log: Identity) -> Result<Followed<PostgresCursor>, PostgresError> {
    let mut revocations = Vec::with_capacity(rows.len());
    let mut rest = None;
    for row in rows {
        let Some(key) = row.try_get::<_, Option<&[u8]>>(6)? else { break };
        revocations.extend(to_revocation(row, 6)?);
        rest = Some((key, row));
    }
    // What a snapshot leads to was taken when its first page was read.
    let until = match &cursor.rest {
        Some(rest) => rest.until.clone(),
        None => rows.first().map_or(Ok(String::new()), |row| row.try_get(5))?,
    };
    // Every row has it.
    let purged_through = rows.first().map_or(Ok(Timestamp::MIN), |row| to_timestamp(row.try_get(10)?))?;
    let full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= PAGE);
    let complete = cursor.rest.is_none() && !full;
    let cursor = match rest {
        Some((key, row)) if full => PostgresCursor {
            log,
            snapshot: cursor.snapshot.clone(),
            rest: Some(Rest { until, changed_in: row.try_get(9)?, key: key.to_vec() }),
            behind: true,
        },
        _ => PostgresCursor { log, snapshot: until, rest: None, behind: !complete },
    };
    Ok(Followed { revocations, purged_through, cursor, complete })
}

fn failed(error: PostgresError) -> FollowError {
    FollowError::Failed(StoreError::new("follow", error))
}

/// A part of a snapshot.
struct Page {
    rows: usize,
    revocations: Vec<Revocation>,
    purged_through: Timestamp,
    last: bool,
}

async fn read_page(mut rows: Pin<&mut RowStream>) -> Result<Page, PostgresError> {
    let revocations = Vec::with_capacity(SNAPSHOT_PAGE);
    let mut page = Page { rows: 0, revocations, purged_through: Timestamp::MIN, last: false };
    while page.rows < SNAPSHOT_PAGE {
        let Some(row) = poll_fn(|cx| rows.as_mut().poll_next(cx)).await else {
            page.last = true;
            break;
        };
        let row = row?;
        page.rows += 1;
        page.purged_through = to_timestamp(row.try_get(3)?)?;
        // A log that is empty has one row, and nothing in it.
        if row.try_get::<_, Option<&[u8]>>(0)?.is_some() {
            page.revocations.extend(to_revocation(&row, 0)?);
        }
    }
    Ok(page)
}

/// How often those who only poll do so.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// So many rows are read at once by those who follow.
const PAGE: i64 = 10_000;
const SNAPSHOT_PAGE: usize = 5000;
