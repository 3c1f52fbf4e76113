//! The store as a log that replicas follow.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::PoisonError,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_core::Stream;
use tokio::time::sleep;
use tokio_postgres::{
    Row, RowStream,
    types::{ToSql, Type},
};

use super::{
    PostgresStore, Shared,
    cursor::{Identity, PostgresCursor, Rest},
    error::PostgresError,
    failed,
    here::Here,
    listener::Listener,
    rows::{to_revocation, to_timestamp},
    witnesses::Asked,
};
use crate::{
    clock::Timestamp,
    revocation::{Revocation, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError},
};

#[async_trait]
impl RevocationLog for PostgresStore {
    type Cursor = PostgresCursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<PostgresCursor, StoreError> {
        let taken = self.load(into).await;
        if taken.is_err() {
            self.shared.renew();
        }
        taken
    }

    async fn follow(&self, cursor: &PostgresCursor, wait: Duration) -> Result<Followed<PostgresCursor>, FollowError> {
        self.shared.keep_house();
        let shared = &*self.shared;
        let rows = if shared.polls() { self.poll(cursor, wait).await? } else { self.listen(cursor, wait).await? };
        let news = read_news(&rows, cursor, shared);
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
        let known = shared.witnesses.known();
        let (here, revoked) = shared.bounded("check", shared.ask_about(token, &known)).await?;
        match cursor.is_lost(&here) {
            Some(how) => {
                shared.renew_sometimes();
                Err(FollowError::CursorLost(how))
            }
            None => Ok(revoked),
        }
    }
}

impl PostgresStore {
    async fn load(&self, into: &mut dyn SnapshotSink) -> Result<PostgresCursor, StoreError> {
        let shared = &*self.shared;
        let (cursor, expected) = shared.bounded("snapshot", shared.begin()).await?;
        if let Some(expected) = expected {
            into.expect(expected);
        }
        let mut lease = shared.bounded("snapshot", shared.sessions.lease()).await?;
        let rows = shared.bounded("snapshot", async {
            let statements = shared.ready().await?;
            let Identity { epoch, started, tables } = &cursor.log;
            let asked = Asked::default();
            let log = [epoch, started, tables].map(|text| (text as &(dyn ToSql + Sync), Type::TEXT));
            let params = asked.params().into_iter().chain(log);
            Ok(lease.begin()?.query_typed_raw(&statements.entries, params).await?)
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
            return Err(failed("snapshot", PostgresError::Replaced));
        }
        lease.end();
        Ok(cursor)
    }

    async fn poll(&self, cursor: &PostgresCursor, wait: Duration) -> Result<Vec<Row>, StoreError> {
        if !cursor.behind {
            sleep(wait.min(POLL_INTERVAL)).await;
        }
        self.shared.bounded("follow", self.shared.news(cursor, None)).await
    }

    async fn listen(&self, cursor: &PostgresCursor, wait: Duration) -> Result<Vec<Row>, StoreError> {
        let shared = &*self.shared;
        // Taken out, so that one that fails, or whose caller goes away, is not used again.
        let listener = shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut listener = listener.filter(|listener| listener.generation() == shared.sessions.pool().generation());
        let was_there = listener.is_some();
        if let Some(waiting) = &mut listener
            && !cursor.behind
            && !waiting.wait(wait).await
        {
            drop(listener);
            shared.does_not_listen();
            return self.poll(cursor, Duration::ZERO).await;
        }
        let listener = listener.filter(|listener| !listener.is_closed());
        if was_there && listener.is_none() {
            shared.renew();
        }
        let asked = shared
            .bounded("follow", async {
                // Whoever revokes or checks comes first to a connection.
                shared.ready().await?;
                let mut listener = match listener {
                    Some(listener) => Some(listener),
                    // Listens first, and then asks at once: nothing falls between.
                    None => shared.new_listener().await?,
                };
                let rows = shared.news(cursor, listener.as_mut()).await?;
                Ok((rows, listener))
            })
            .await;
        if was_there && asked.is_err() {
            shared.renew();
        }
        let (rows, listener) = asked?;
        shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).extend(listener);
        Ok(rows)
    }
}

impl Shared {
    /// Where to follow from, and how many entries there are, if that is known.
    async fn begin(&self) -> Result<(PostgresCursor, Option<u64>), PostgresError> {
        let statements = self.ready().await?;
        let (rows, _) = self.sessions.query(&statements.begin, &Asked::default().params()).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        let here = Here::read(row, self.schema.name())?;
        self.witnesses.start_over(&here);
        let cursor = PostgresCursor { log: here.identity, snapshot: here.snapshot, rest: None, behind: false };
        let expected: i64 = row.try_get("expected")?;
        Ok((cursor, u64::try_from(expected).ok().filter(|&expected| expected > 0)))
    }

    /// What there is after a cursor, asked on a connection that listens or on one of the pool.
    async fn news(&self, cursor: &PostgresCursor, listener: Option<&mut Listener>) -> Result<Vec<Row>, PostgresError> {
        let statements = self.ready().await?;
        let (known, question) = (self.witnesses.known(), Question::new(cursor));
        let asked = known.asked();
        let params: Vec<_> = asked.params().into_iter().chain(question.params()).collect();
        match listener {
            Some(listener) => listener.query(&statements.follow, &params).await,
            None => Ok(self.sessions.query(&statements.follow, &params).await?.0),
        }
    }

    /// A connection to listen on, unless there are too few.
    async fn new_listener(&self) -> Result<Option<Listener>, PostgresError> {
        match Listener::connect(self.sessions.pool(), &self.setup.listen).await {
            Err(PostgresError::Unreachable(error)) if error.may_be_for_want_of_connections() => {
                self.does_not_listen();
                Ok(None)
            }
            listener => listener.map(Some),
        }
    }

    /// Whether those who follow poll, by choice or for want of a connection to listen on.
    fn polls(&self) -> bool {
        let until = *self.no_listener_until.lock().unwrap_or_else(PoisonError::into_inner);
        self.poll_only || until.is_some_and(|until| Instant::now() < until)
    }

    /// Leaves the connection to those who need one.
    fn does_not_listen(&self) {
        let until = Instant::now() + NO_LISTENER;
        *self.no_listener_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

/// What a follower asks.
pub(super) struct Question<'a> {
    pub(super) snapshot: &'a str,
    pub(super) until: Option<&'a str>,
    pub(super) changed_in: &'a str,
    pub(super) key: &'a [u8],
}

impl<'a> Question<'a> {
    fn new(cursor: &'a PostgresCursor) -> Self {
        let rest = cursor.rest.as_ref();
        Self {
            snapshot: &cursor.snapshot,
            until: rest.map(|rest| &*rest.until),
            // Before its first number, a snapshot shows everything.
            changed_in: rest.map_or_else(|| cursor.first_unknown(), |rest| &rest.changed_in),
            key: rest.map_or(&[], |rest| &rest.key),
        }
    }

    pub(super) fn params(&self) -> [(&(dyn ToSql + Sync), Type); 5] {
        [
            (&self.snapshot, Type::TEXT),
            (&self.until, Type::TEXT),
            (&self.changed_in, Type::TEXT),
            (&self.key, Type::BYTEA),
            (&PAGE, Type::INT8),
        ]
    }
}

fn read_news(rows: &[Row], cursor: &PostgresCursor, shared: &Shared) -> Result<Followed<PostgresCursor>, FollowError> {
    let first = rows.first().ok_or_else(|| follow_failed(shared.not_migrated()))?;
    let here = Here::read(first, shared.schema.name()).map_err(follow_failed)?;
    if let Some(how) = cursor.is_lost(&here) {
        return Err(FollowError::CursorLost(how));
    }
    read_rows(rows, cursor, here).map_err(follow_failed)
}

fn read_rows(rows: &[Row], cursor: &PostgresCursor, here: Here) -> Result<Followed<PostgresCursor>, PostgresError> {
    let mut revocations = Vec::with_capacity(rows.len());
    let mut rest = None;
    for row in rows {
        let Some(key) = row.try_get::<_, Option<&[u8]>>(FIRST_NEW)? else { break };
        revocations.extend(to_revocation(row, FIRST_NEW)?);
        rest = Some((key, row));
    }
    let Here { identity: log, snapshot, purged_through, .. } = here;
    // What a snapshot leads to was taken when its first page was read.
    let until = match &cursor.rest {
        Some(rest) => rest.until.clone(),
        None => snapshot,
    };
    let full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= PAGE);
    let complete = cursor.rest.is_none() && !full;
    let cursor = match rest {
        Some((key, row)) if full => PostgresCursor {
            log,
            snapshot: cursor.snapshot.clone(),
            rest: Some(Rest { until, changed_in: row.try_get("changed_in")?, key: key.to_vec() }),
            behind: true,
        },
        _ => PostgresCursor { log, snapshot: until, rest: None, behind: !complete },
    };
    Ok(Followed::new(revocations, purged_through, cursor, complete))
}

fn follow_failed(error: PostgresError) -> FollowError {
    FollowError::Failed(failed("follow", error))
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
/// How long they poll who could not listen, before they try again.
const NO_LISTENER: Duration = Duration::from_secs(30);
/// The column at which the rows begin in what a follower is told: it is the first after those of `sql/here.sql`.
const FIRST_NEW: usize = 12;
/// So many rows are read at once by those who follow.
const PAGE: i64 = 10_000;
const SNAPSHOT_PAGE: usize = 5000;
