//! Reads all live revocations, page by page.

use std::sync::atomic::Ordering;

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
            parse::{array, exactly, instant, key, optional, text},
            repair::Resend,
            scripts::PAGE,
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
        let mut scan = "0".to_owned();
        for _ in 0..max_pages {
            let page;
            (scan, page) = self.within(self.page(connection, &scan)).await?;
            into.take(&page);
            if scan == "0" {
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

    /// Reads one page. Returns the position of the next one, which is `"0"` after the last.
    async fn page(&self, connection: &Connection, scan: &str) -> Result<(String, Vec<Revocation>)> {
        let names = [&*self.layout.live, &self.layout.issued_through];
        let reply = connection.run(&PAGE, &names, &[scan.as_bytes(), PAGE_LEN]).await?;
        let [scan, entries, through] = exactly(array(reply)?)?;
        let (mut entries, through) = (array(entries)?.into_iter(), array(through)?);
        if entries.len() != through.len() * 2 {
            return Err(RedisStoreError::UnexpectedReply("the halves of a page have different lengths"));
        }
        let mut page = Vec::with_capacity(through.len());
        for through in through {
            let (Some(member), Some(score)) = (entries.next(), entries.next()) else { break };
            let (through, until) = (optional(through, instant)?, instant(score)?);
            // An incomplete entry is skipped: a replica that knows the revocation finds it missing
            // and re-sends it.
            let key = key(member)?.filter(|key| through.is_some() || !requires_issued_through(*key));
            page.extend(key.map(|key| Revocation::new(key, through.unwrap_or(Timestamp::MAX), until)));
        }
        Ok((text(scan)?, page))
    }
}

/// Approximate number of entries in a page, which occupies the server for about a millisecond.
const PAGE_LEN: &[u8] = b"1000";
