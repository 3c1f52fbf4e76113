//! [`RevocationLog`] over the feed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::{Pipeline, Value};
use tokio::time::Instant;

use super::{
    RedisStore, Shared,
    check::require_master,
    connection::Connection,
    error::RedisStoreError,
    feed::{Entry, entries_of, entries_read},
    join::both,
    reply::{Reply, array, bytes, exactly, instant, integer, key, optional, text},
    script::{CURSOR, PAGE, new_epoch},
    server::CONFIRMED_JUST_NOW,
    to_wait,
};
use crate::{
    clock::Timestamp,
    revocation::{Revocation, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, Snapshot, StoreError},
};

/// A place in the feed of a [`RedisStore`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedisCursor {
    /// Which life of the store it belongs to.
    epoch: Arc<str>,
    /// The number of the last entry that is known.
    n: u64,
    /// That entry's name in the stream.
    id: String,
}

impl RedisCursor {
    /// Whether the feed still leads from the cursor to its end, and where that is, or how it is known that it does not.
    ///
    /// The number alone does not tell: a server that has lost entries may have counted others since.
    pub(super) fn reaches(&self, place: Value, at_cursor: Value) -> Reply<Result<End, &'static str>> {
        let [epoch, seq, purged_through] = exactly(array(place)?)?;
        let purged_through = optional(purged_through, instant)?.unwrap_or(Timestamp::MIN);
        if optional(epoch, bytes)?.as_deref() != Some(self.epoch.as_bytes()) {
            return Ok(Err("the store was emptied, or replaced by another"));
        }
        let seq = optional(seq, integer)?.unwrap_or(0);
        if seq < self.n {
            return Ok(Err("the server has lost what it had acknowledged"));
        }
        if self.n > 0 {
            let found = entries_of(at_cursor)?;
            if !matches!(&*found, [Entry { n: Some(n), .. }] if *n == self.n) {
                return Ok(Err("the entry at the cursor is gone, or is another one"));
            }
        }
        Ok(Ok(End { seq, purged_through }))
    }
}

/// Where the feed ends.
pub(super) struct End {
    /// The number of the last entry.
    seq: u64,
    purged_through: Timestamp,
}

/// A new snapshot is needed, for this reason, or nothing can be said.
enum Lost {
    Cursor(&'static str),
    Failed(RedisStoreError),
}

impl From<RedisStoreError> for Lost {
    fn from(error: RedisStoreError) -> Self {
        Self::Failed(error)
    }
}

/// Everything is read on a connection of its own, page by page, each within the timeout.
#[async_trait]
impl RevocationLog for RedisStore {
    type Cursor = RedisCursor;

    async fn snapshot(&self, into: &mut Snapshot<'_>) -> Result<Self::Cursor, StoreError> {
        self.shared.snapshot(into).await.map_err(|error| StoreError::new("snapshot", error))
    }

    async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError> {
        self.shared.keep_up();
        self.shared.follow(cursor, wait).await.map_err(|lost| match lost {
            Lost::Cursor(reason) => FollowError::CursorLost(reason),
            Lost::Failed(error) => StoreError::new("follow", error).into(),
        })
    }

    fn reconnect(&self) {
        self.shared.suspect();
        self.shared.idle_readers().clear();
    }

    async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        let answer = self.shared.within(self.shared.is_revoked_since(cursor, token)).await;
        answer.map_err(|error| StoreError::new("check", error))?.map_err(FollowError::CursorLost)
    }
}

impl Shared {
    async fn snapshot(&self, into: &mut Snapshot<'_>) -> Reply<RedisCursor> {
        let result = async {
            let reader = self.reader().await?;
            let cursor = reader.connection.judge(self.read_all(&reader.connection, into).await)?;
            self.give_back(reader);
            Ok(cursor)
        };
        result.await.inspect_err(|_| self.suspect())
    }

    async fn read_all(&self, reader: &Connection, into: &mut Snapshot<'_>) -> Reply<RedisCursor> {
        let begin = self.place(reader).await?;
        into.expect(begin.live);
        // A scan ends, but a server that is not what it should be could make it last for ever.
        let most_pages = begin.live / 100 + 1000;
        let mut scan = "0".to_owned();
        for _ in 0..most_pages {
            let page;
            (scan, page) = self.within(self.page(reader, &scan)).await?;
            into.take(&page);
            if scan == "0" {
                let end = self.place(reader).await?;
                if end.cursor.epoch != begin.cursor.epoch {
                    return Err(RedisStoreError::Replaced);
                }
                // At the end: what was forgotten while it was read was perhaps not read.
                into.purged_through(end.purged_through);
                let role = self.within(reader.ask(&redis::cmd("ROLE"))).await?;
                require_master(role, reader)?;
                self.within(self.server.confirm(reader, Duration::ZERO)).await?;
                return Ok(begin.cursor);
            }
        }
        Err(RedisStoreError::Endless)
    }

    async fn place(&self, reader: &Connection) -> Reply<Place> {
        let names = [&*self.layout.live, &self.layout.feed, &self.layout.meta];
        let epoch = new_epoch();
        let reply = self.within(reader.run(&CURSOR, &names, &[epoch.as_bytes()])).await?;
        let [epoch, n, id, purged_through, live] = exactly(array(reply)?)?;
        Ok(Place {
            cursor: RedisCursor { epoch: text(epoch)?.into(), n: integer(n)?, id: text(id)? },
            purged_through: instant(purged_through)?,
            live: integer(live)?,
        })
    }

    async fn page(&self, reader: &Connection, scan: &str) -> Reply<(String, Vec<Revocation>)> {
        let names = [&*self.layout.live, &self.layout.through];
        let reply = reader.run(&PAGE, &names, &[scan.as_bytes(), PAGE_LEN]).await?;
        let [scan, entries, through] = exactly(array(reply)?)?;
        let (mut entries, through) = (array(entries)?.into_iter(), array(through)?);
        if entries.len() != through.len() * 2 {
            return Err(RedisStoreError::Garbage("halves of a page that do not match"));
        }
        let mut page = Vec::with_capacity(through.len());
        for through in through {
            let (Some(member), Some(score)) = (entries.next(), entries.next()) else { break };
            let through = optional(through, instant)?.unwrap_or(Timestamp::MAX);
            let until = instant(score)?;
            page.extend(key(member)?.map(|key| Revocation::new(key, through, until)));
        }
        Ok((text(scan)?, page))
    }

    async fn follow(&self, cursor: &RedisCursor, wait: Duration) -> Result<Followed<RedisCursor>, Lost> {
        self.follow_once(cursor, wait).await.inspect_err(|_| self.suspect())
    }

    async fn follow_once(&self, cursor: &RedisCursor, wait: Duration) -> Result<Followed<RedisCursor>, Lost> {
        let mut reader = self.reader().await?;
        let connection = &reader.connection;
        // Who was confirmed to this reader a moment ago is not asked about again. That says nothing of this moment, so more is to be read soon.
        // What was confirmed to others does not count: they ask all the time, and then no moment would ever be spoken of.
        let began = Instant::now();
        let is_spared =
            self.server.has_sentinels() && reader.confirmed.is_some_and(|at| began - at < CONFIRMED_JUST_NOW);
        let wait = if is_spared { wait.min(CONFIRMED_JUST_NOW) } else { wait };
        let read = self.within_after(wait, self.read_after(cursor, wait, connection));
        let within = if is_spared { Duration::MAX } else { Duration::ZERO };
        let (read, confirmed) = both(read, self.server.confirm(connection, within)).await;
        confirmed?;
        let [role, read @ ..] = read?;
        require_master(role, connection)?;
        let mut followed = judge_place(cursor, read)?;
        followed.complete &= !is_spared;
        if !is_spared {
            reader.confirmed = Some(began);
        }
        self.give_back(reader);
        Ok(followed)
    }

    /// One round trip, at the end of which the server waits for what comes.
    async fn read_after(&self, cursor: &RedisCursor, wait: Duration, reader: &Connection) -> Reply<[Value; 4]> {
        let mut question = redis::pipe();
        question.cmd("ROLE");
        self.ask_for_place(&mut question, cursor);
        question.cmd("XREAD").arg("COUNT").arg(MOST_READ).arg("BLOCK").arg(to_wait(wait));
        question.arg("STREAMS").arg(&self.layout.feed).arg(&cursor.id);
        reader.ask_all(&question).await
    }

    /// What [`RedisCursor::reaches`] judges by.
    pub(super) fn ask_for_place(&self, question: &mut Pipeline, cursor: &RedisCursor) {
        question.cmd("HMGET").arg(&self.layout.meta).arg("epoch").arg("seq").arg("purged_through");
        question.cmd("XRANGE").arg(&self.layout.feed).arg(&cursor.id).arg(&cursor.id);
    }
}

/// What was found out, taken at its word only where it fits to the cursor.
fn judge_place(cursor: &RedisCursor, replies: [Value; 3]) -> Result<Followed<RedisCursor>, Lost> {
    let [place, at_cursor, after] = replies;
    let End { seq, purged_through } = cursor.reaches(place, at_cursor)?.map_err(Lost::Cursor)?;
    let mut cursor = cursor.clone();
    let mut revocations = Vec::new();
    let entries = entries_read(after)?;
    if entries.is_empty() && cursor.n < seq {
        return Err(Lost::Cursor("all entries after the cursor are gone"));
    }
    for entry in entries {
        match (entry.n, cursor.n.checked_add(1)) {
            (Some(n), Some(next)) if n == next => cursor.n = n,
            _ => return Err(Lost::Cursor("entries after the cursor are gone")),
        }
        cursor.id = entry.id;
        revocations.extend(entry.revocation);
    }
    let complete = cursor.n >= seq;
    Ok(Followed { revocations, purged_through, cursor, complete })
}

/// Where the feed ends, and what there is.
struct Place {
    cursor: RedisCursor,
    purged_through: Timestamp,
    live: u64,
}

/// About so many entries are in a page, which takes the server about a millisecond.
const PAGE_LEN: &[u8] = b"1000";
const MOST_READ: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn entries(numbers: &[&str]) -> Value {
        let entry = |n: &&str| Value::Array(vec![text("1-1"), Value::Array(vec![text("n"), text(n)])]);
        Value::Array(numbers.iter().map(entry).collect())
    }

    /// Followed from this number, where the feed ends at `seq`, by a server that read these after it.
    fn followed(n: u64, seq: &str, fence: Value, after: &[&str]) -> Result<Followed<RedisCursor>, Lost> {
        let cursor = RedisCursor { epoch: "e".into(), n, id: "1-1".to_owned() };
        let after = Value::Array(vec![Value::Array(vec![text("feed"), entries(after)])]);
        judge_place(&cursor, [Value::Array(vec![text("e"), text(seq), fence]), entries(&[&n.to_string()]), after])
    }

    #[test]
    fn what_was_forgotten_is_passed_on() {
        for (fence, expected) in [(Value::Nil, 0), (text("0"), 0), (text("231000"), 231_000)] {
            let followed = followed(1, "2", fence, &["2"]).ok().expect("it is followed");
            assert_eq!(followed.purged_through, Timestamp::from_unix_millis(expected));
            assert_eq!((followed.cursor.n, followed.complete), (2, true));
        }
        assert!(matches!(followed(1, "2", text("soon"), &["2"]), Err(Lost::Failed(_))));
    }

    #[test]
    fn no_number_comes_after_the_greatest() {
        let end = u64::MAX.to_string();
        for after in ["0", "1", &end] {
            assert!(matches!(followed(u64::MAX, &end, Value::Nil, &[after]), Err(Lost::Cursor(_))), "{after}");
        }
        assert_eq!(followed(u64::MAX - 1, &end, Value::Nil, &[&end]).ok().expect("it is followed").cursor.n, u64::MAX);
    }
}
