//! Reads all live revocations, page by page. The server reads the next pages while this process
//! decodes and applies the last one.
//!
//! Pages begin with the revocations that are retained longest. What is removed meanwhile has
//! expired and comes last, so that no rank before it changes. What is added or retained longer
//! moves others to a later page, where they are read again; it is itself in the log, after the
//! position at which the snapshot began.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt, future::join, stream::FuturesOrdered};
use redis::Value;

use crate::{
    clock::Timestamp,
    revocation::Revocation,
    store::{
        SnapshotSink,
        redis::{
            connection::Connection,
            cursor::Position,
            error::{RedisStoreError, Result},
            layout::{Layout, requires_issued_through},
            parse::{array, exactly, instant, integer, key, optional, text},
            repair::Resend,
            shared::Shared,
            state::Condition,
        },
    },
};

impl Shared {
    pub(super) async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Position> {
        let result = async {
            let reader = self.take_reader().await?;
            let cursor = reader.connection.invalidate_on_error(self.read_all(&reader.connection, into).await)?;
            self.readers.put_back(reader, self.timeout);
            Ok(cursor)
        };
        result.await.inspect_err(|_| self.invalidate_connections())
    }

    async fn read_all(&self, connection: &Connection, into: &mut dyn SnapshotSink) -> Result<Position> {
        // A replica that was loaded before compares the snapshot with the revocations it knows, and
        // re-sends missing ones.
        let resend = if self.is_loaded.load(Ordering::Relaxed) { Resend::Yes } else { Resend::No };
        let begin = self.within(self.repaired(connection, resend)).await?;
        let cursor = begin.log_end().ok_or(RedisStoreError::ReplacedDuringRead)?;
        into.expect(begin.live());
        // The entries that are added meanwhile do not reach this, unless the server is faulty.
        let max_entries = begin.live().saturating_mul(2).saturating_add(1_000_000);
        let (mut pages, mut first, mut is_last, mut read) = (FuturesOrdered::new(), 0, false, Vec::new());
        loop {
            while pages.len() < PAGES_AHEAD && !is_last {
                pages.push_back(self.page(connection, first));
                first += PAGE_LEN;
            }
            if first > max_entries {
                return Err(RedisStoreError::EndlessScan);
            }
            // The first future sends the requests before the second one runs.
            let (page, ()) = join(pages.next(), async { into.take(&read) }).await;
            let Some(page) = page.transpose()? else { break };
            if page.epoch.as_deref() != Some(&*cursor.epoch) {
                return Err(RedisStoreError::ReplacedDuringRead);
            }
            is_last |= page.is_last;
            read = page.revocations;
        }
        self.finish_snapshot(connection, &cursor, into).await?;
        Ok(cursor)
    }

    /// Verifies that all pages were read from one store, which stayed complete.
    async fn finish_snapshot(
        &self,
        connection: &Connection,
        cursor: &Position,
        into: &mut dyn SnapshotSink,
    ) -> Result<()> {
        // The state is read at the end, because revocations may be purged or lost before their page
        // is read.
        let (state, condition) = self.within(self.state(connection)).await?;
        if condition != Condition::Complete || state.log_end().is_none_or(|end| end.epoch != cursor.epoch) {
            return Err(RedisStoreError::ReplacedDuringRead);
        }
        into.purged_through(state.purged_through());
        let mut request = redis::pipe();
        self.requirements.request_role(&mut request);
        let [role] = self.within(connection.send_all(&request)).await?;
        self.requirements.verify_role(role, connection)?;
        self.within(self.server.confirm(connection, std::time::Duration::ZERO)).await?;
        self.observed.restart_at(cursor.clone());
        self.is_loaded.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Reads a page, beginning with this rank, within the timeout.
    ///
    /// These are plain commands, which cost the server a third of a script. An entry may therefore
    /// be purged between its two halves, which makes no difference: its tokens have expired. The
    /// epoch, which is read last, shows that nothing else was removed.
    async fn page(&self, connection: &Connection, first: u64) -> Result<Page> {
        self.within(async {
            let Layout { live, issued_through, meta, .. } = &*self.layout;
            let mut request = redis::pipe();
            request.cmd("ZRANGE").arg(live).arg(first).arg(first + PAGE_LEN - 1).arg("REV").arg("WITHSCORES");
            request.cmd("HLEN").arg(issued_through);
            request.cmd("HMGET").arg(meta).arg("epoch");
            let [entries, instants, mut epoch] = connection.send_all(&request).await?;
            let entries =
                array(entries)?.into_iter().map(|entry| exactly(array(entry)?)).collect::<Result<Vec<_>>>()?;
            let mut halves = vec![Value::Nil; entries.len()];
            if integer(instants)? > 0 && !entries.is_empty() {
                let mut request = redis::pipe();
                let command = request.cmd("HMGET").arg(issued_through);
                for [member, _] in &entries {
                    command.arg(member_bytes(member));
                }
                request.cmd("HMGET").arg(meta).arg("epoch");
                let instants;
                [instants, epoch] = connection.send_all(&request).await?;
                halves = array(instants)?;
            }
            let is_last = (entries.len() as u64) < PAGE_LEN;
            let [epoch] = exactly(array(epoch)?)?;
            Ok(Page { revocations: revocations(entries, halves)?, is_last, epoch: optional(epoch, text)? })
        })
        .await
    }
}

/// What is not a string is rejected when the page is decoded.
fn member_bytes(member: &Value) -> &[u8] {
    match member {
        Value::BulkString(member) => member,
        _ => &[],
    }
}

struct Page {
    revocations: Vec<Revocation>,
    /// Whether nothing follows.
    is_last: bool,
    epoch: Option<String>,
}

/// Joins the halves of entries: their keys with their `retain_until`, and their `issued_through`.
fn revocations(entries: Vec<[Value; 2]>, issued_through: Vec<Value>) -> Result<Vec<Revocation>> {
    if entries.len() != issued_through.len() {
        return Err(RedisStoreError::UnexpectedReply("the halves of a page have different lengths"));
    }
    let mut page = Vec::with_capacity(entries.len());
    for ([member, score], through) in entries.into_iter().zip(issued_through) {
        let (through, until) = (optional(through, instant)?, instant(score)?);
        // An incomplete entry is skipped: a replica that knows the revocation finds it missing and
        // re-sends it.
        let key = key(member)?.filter(|key| through.is_some() || !requires_issued_through(*key));
        page.extend(key.map(|key| Revocation::new(key, through.unwrap_or(Timestamp::MAX), until)));
    }
    Ok(page)
}

/// Number of entries in a page, for which the server does nothing else for about a millisecond. With
/// fewer, loading takes longer and a check of another node hardly waits less.
const PAGE_LEN: u64 = 1000;
/// How many pages are requested or read before one is applied.
const PAGES_AHEAD: usize = 3;
