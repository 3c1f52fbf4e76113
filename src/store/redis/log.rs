//! [`RevocationLog`] over the feed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use redis::Value;
use tokio::time::Instant;

use super::{
    RedisStore, Shared,
    connection::Connection,
    error::RedisStoreError,
    feed::entries_read,
    join::both,
    layout::has_instant,
    reply::{Reply, array, exactly, instant, key, optional, text},
    script::PAGE,
    server::CONFIRMED_JUST_NOW,
    state::{Condition, DAMAGED, Proof, STATE_REPLIES, State, ask_for_state},
    to_wait,
};
use crate::{
    clock::Timestamp,
    revocation::{Revocation, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError},
};

/// A place in the feed of a [`RedisStore`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedisCursor {
    /// Which life of the store it belongs to.
    pub(super) epoch: Arc<str>,
    /// The number of the last entry that is known.
    pub(super) n: u64,
    /// That entry's name in the stream.
    pub(super) id: String,
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

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Self::Cursor, StoreError> {
        self.shared.snapshot(into).await.map_err(|error| self.shared.failed("snapshot", error))
    }

    async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError> {
        self.shared.keep_up();
        self.shared.follow(cursor, wait).await.map_err(|lost| match lost {
            Lost::Cursor(reason) => FollowError::CursorLost(reason),
            Lost::Failed(error) => self.shared.failed("follow", error).into(),
        })
    }

    fn reconnect(&self) {
        self.shared.suspect();
        self.shared.idle_readers().clear();
    }

    async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        let answer = self.shared.within(self.shared.is_revoked_since(cursor, token)).await;
        answer.map_err(|error| self.shared.failed("check", error))?.map_err(FollowError::CursorLost)
    }
}

impl Shared {
    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Reply<RedisCursor> {
        let result = async {
            let reader = self.reader().await?;
            let cursor = reader.connection.judge(self.read_all(&reader.connection, into).await)?;
            self.give_back(reader);
            Ok(cursor)
        };
        result.await.inspect_err(|_| self.suspect())
    }

    async fn read_all(&self, reader: &Connection, into: &mut dyn SnapshotSink) -> Reply<RedisCursor> {
        // A node that knows what there was compares it with what there is, and tells what is missing. Another one cannot.
        let tells_what_is_missing = self.is_loaded.load(Ordering::Relaxed);
        let begin = self.within(self.repaired(reader, tells_what_is_missing)).await?;
        let cursor = begin.end().ok_or(RedisStoreError::Replaced)?;
        into.expect(begin.live());
        // A scan ends, but a server that is not what it should be could make it last for ever.
        let most_pages = begin.live() / 100 + 1000;
        let mut scan = "0".to_owned();
        for _ in 0..most_pages {
            let page;
            (scan, page) = self.within(self.page(reader, &scan)).await?;
            into.take(&page);
            if scan == "0" {
                // At the end: what was forgotten or lost while it was read was perhaps not read.
                let (end, condition) = self.within(self.look(reader)).await?;
                if condition != Condition::Whole || end.end().is_none_or(|end| end.epoch != cursor.epoch) {
                    return Err(RedisStoreError::Replaced);
                }
                into.purged_through(end.purged_through());
                let mut question = redis::pipe();
                self.ask_for_role(&mut question);
                let [role] = self.within(reader.ask_all(&question)).await?;
                self.require_master(role, reader)?;
                self.within(self.server.confirm(reader, Duration::ZERO)).await?;
                self.memory.begin_at(cursor.clone());
                self.is_loaded.store(true, Ordering::Relaxed);
                return Ok(cursor);
            }
        }
        Err(RedisStoreError::Endless)
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
            let (through, until) = (optional(through, instant)?, instant(score)?);
            // Without its instant it is half of what was there. Whoever knows the rest finds it missing and tells it.
            let key = key(member)?.filter(|key| through.is_some() || !has_instant(*key));
            page.extend(key.map(|key| Revocation::new(key, through.unwrap_or(Timestamp::MAX), until)));
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
        let [role, version, noted, live, through, last, at, noted_after, after] = read?;
        self.require_master(role, connection)?;
        let (state, is_settled) = State::read_asked([version, noted, live, through, last, at, noted_after])?;
        let mut followed = judge_place(cursor, &state, is_settled, after)?;
        followed.complete &= !is_spared;
        if !is_spared {
            reader.confirmed = Some(began);
        }
        self.give_back(reader);
        Ok(followed)
    }

    /// One round trip, at the end of which the server waits for what comes.
    async fn read_after(&self, cursor: &RedisCursor, wait: Duration, reader: &Connection) -> Reply<[Value; FOLLOWED]> {
        let mut question = redis::pipe();
        self.ask_for_role(&mut question);
        ask_for_state(&mut question, &self.layout, &cursor.id);
        question.cmd("XREAD").arg("COUNT").arg(MOST_READ).arg("BLOCK").arg(to_wait(wait));
        question.arg("STREAMS").arg(&self.layout.feed).arg(&cursor.id);
        reader.ask_all(&question).await
    }
}

/// What was found out, taken at its word only where it fits to the cursor.
fn judge_place(
    cursor: &RedisCursor,
    state: &State,
    is_settled: bool,
    after: Value,
) -> Result<Followed<RedisCursor>, Lost> {
    state.reaches(cursor, Proof::Entry).map_err(|gone| Lost::Cursor(gone.reason))?;
    let (seq, purged_through) = (state.seq(), state.purged_through());
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
    if is_settled && state.condition()? != Condition::Whole {
        return Err(Lost::Cursor(DAMAGED));
    }
    let complete = is_settled && cursor.n >= seq;
    Ok(Followed::new(revocations, purged_through, cursor, complete))
}

/// The role, the state, and what comes after the cursor.
const FOLLOWED: usize = 1 + STATE_REPLIES + 1;

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
    fn followed(n: u64, seq: &str, fence: &Value, after: &[&str]) -> Result<Followed<RedisCursor>, Lost> {
        let cursor = RedisCursor { epoch: "e".into(), n, id: "1-1".to_owned() };
        let noted = || Value::Array(vec![text("e"), text(seq), fence.clone(), text("0"), text("0"), text("1-1")]);
        let at = entries(&[&n.to_string()]);
        let last = entries(&[seq]);
        let (state, is_settled) =
            State::read_asked([text("1"), noted(), Value::Int(0), Value::Int(0), last, at, noted()])?;
        let after = Value::Array(vec![Value::Array(vec![text("feed"), entries(after)])]);
        judge_place(&cursor, &state, is_settled, after)
    }

    #[test]
    fn what_was_forgotten_is_passed_on() {
        for (fence, expected) in [(Value::Nil, 0), (text("0"), 0), (text("231000"), 231_000)] {
            let followed = followed(1, "2", &fence, &["2"]).ok().expect("it is followed");
            assert_eq!(followed.purged_through, Timestamp::from_unix_millis(expected));
            assert_eq!((followed.cursor.n, followed.complete), (2, true));
        }
        assert!(matches!(followed(1, "2", &text("soon"), &["2"]), Err(Lost::Failed(_))));
    }

    #[test]
    fn no_number_comes_after_the_greatest() {
        let end = u64::MAX.to_string();
        for after in ["0", "1", &end] {
            assert!(matches!(followed(u64::MAX, &end, &Value::Nil, &[after]), Err(Lost::Cursor(_))), "{after}");
        }
        assert_eq!(followed(u64::MAX - 1, &end, &Value::Nil, &[&end]).ok().expect("it is followed").cursor.n, u64::MAX);
    }
}
