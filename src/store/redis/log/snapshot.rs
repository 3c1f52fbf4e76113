//! Reads all live revocations, page by page. The server reads the next page while this process
//! decodes and applies the last one.

use std::sync::atomic::Ordering;

use futures_util::future::join;
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
            layout::requires_issued_through,
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
        // A scan terminates, but a faulty server might never end it.
        let max_pages = begin.live() / 100 + 1000;
        // At most three pages are in memory: one that is read, one whose second half is read in the
        // same round trip, and one that is applied meanwhile.
        let (mut scan, mut scanned, mut read) = (Some("0".to_owned()), Scanned::default(), Page::default());
        for _ in 0..max_pages {
            let request = self.within(self.page(connection, scan.as_deref(), &scanned));
            // The first future sends its request before the second one runs.
            let apply = async { read.revocations().map(|page| into.take(&page)) };
            let (reply, applied) = join(request, apply).await;
            applied?;
            let PageReply { next, instants } = reply?;
            if instants.epoch.as_deref() != Some(&*cursor.epoch) {
                return Err(RedisStoreError::ReplacedDuringRead);
            }
            let is_last = scan.is_none();
            read = Page { entries: scanned.entries, issued_through: instants.issued_through };
            (scan, scanned) = next;
            if is_last {
                into.take(&read.revocations()?);
                self.finish_snapshot(connection, &cursor, into).await?;
                return Ok(cursor);
            }
        }
        Err(RedisStoreError::EndlessScan)
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

    /// Reads the page at this position, if there is one, and the other half of the page before.
    ///
    /// These are plain commands, which cost the server a third of a script. An entry may therefore
    /// be purged between its two halves, which makes no difference: its tokens have expired. The
    /// epoch, which is read last, shows that nothing else was removed.
    async fn page(&self, connection: &Connection, scan: Option<&str>, before: &Scanned) -> Result<PageReply> {
        let mut request = redis::pipe();
        match scan {
            Some(position) => request.cmd("ZSCAN").arg(&self.layout.live).arg(position).arg("COUNT").arg(PAGE_LEN),
            None => request.cmd("ZCARD").arg(&self.layout.live),
        };
        request.cmd("HLEN").arg(&self.layout.issued_through);
        let members = before.members();
        if before.has_instants && members.len() > 0 {
            let instants = request.cmd("HMGET").arg(&self.layout.issued_through);
            for member in members {
                instants.arg(member);
            }
        } else {
            request.cmd("HLEN").arg(&self.layout.issued_through);
        }
        request.cmd("HMGET").arg(&self.layout.meta).arg("epoch");
        let [page, instants_now, issued_through, epoch] = connection.send_all(&request).await?;
        let next = match scan {
            Some(_) => {
                let [scan, entries] = exactly(array(page)?)?;
                let scan = Some(text(scan)?).filter(|scan| scan != "0");
                (scan, Scanned { entries: array(entries)?, has_instants: integer(instants_now)? > 0 })
            }
            None => Default::default(),
        };
        let [epoch] = exactly(array(epoch)?)?;
        let issued_through = if before.has_instants && !before.entries.is_empty() {
            array(issued_through)?
        } else {
            vec![Value::Nil; before.entries.len() / 2]
        };
        Ok(PageReply { next, instants: Instants { issued_through, epoch: optional(epoch, text)? } })
    }
}

/// The first half of a page.
#[derive(Default)]
struct Scanned {
    /// Members and scores of the sorted set.
    entries: Vec<Value>,
    /// Whether some revocations have an `issued_through`.
    has_instants: bool,
}

impl Scanned {
    fn members(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.entries.iter().step_by(2).map(|member| match member {
            Value::BulkString(member) => &**member,
            _ => &[],
        })
    }
}

struct PageReply {
    /// The position of the next page, and the first half of this one.
    next: (Option<String>, Scanned),
    instants: Instants,
}

struct Instants {
    issued_through: Vec<Value>,
    epoch: Option<String>,
}

#[derive(Default)]
struct Page {
    entries: Vec<Value>,
    issued_through: Vec<Value>,
}

impl Page {
    fn revocations(&mut self) -> Result<Vec<Revocation>> {
        let Self { entries, issued_through } = std::mem::take(self);
        if entries.len() != issued_through.len() * 2 {
            return Err(RedisStoreError::UnexpectedReply("the halves of a page have different lengths"));
        }
        let mut entries = entries.into_iter();
        let mut page = Vec::with_capacity(issued_through.len());
        for through in issued_through {
            let (Some(member), Some(score)) = (entries.next(), entries.next()) else { break };
            let (through, until) = (optional(through, instant)?, instant(score)?);
            // An incomplete entry is skipped: a replica that knows the revocation finds it missing
            // and re-sends it.
            let key = key(member)?.filter(|key| through.is_some() || !requires_issued_through(*key));
            page.extend(key.map(|key| Revocation::new(key, through.unwrap_or(Timestamp::MAX), until)));
        }
        Ok(page)
    }
}

/// Approximate number of entries in a page, which occupies the server for about half a millisecond.
const PAGE_LEN: usize = 1000;
