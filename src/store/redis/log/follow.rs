//! Follows the log: reads the entries after a cursor.

use std::time::Duration;

use futures_util::future::join;
use redis::Value;
use tokio::time::Instant;

use crate::store::{
    Followed,
    redis::{
        connection::Connection,
        cursor::Position,
        entry::entries_of_xread,
        error::{DAMAGED, RedisStoreError, Result},
        server::FOLLOW_CONFIRMATION_INTERVAL,
        shared::{Shared, wait_millis},
        state::{Condition, Proof, STATE_REPLIES, StoreState, request_state},
    },
};

/// Error of following.
pub(super) enum FollowFailure {
    /// A new snapshot is needed; the text names the evidence.
    CursorLost(&'static str),
    Store(RedisStoreError),
}

impl From<RedisStoreError> for FollowFailure {
    fn from(error: RedisStoreError) -> Self {
        Self::Store(error)
    }
}

impl Shared {
    pub(super) async fn follow(&self, cursor: &Position, wait: Duration) -> Result<Followed<Position>, FollowFailure> {
        self.follow_once(cursor, wait).await.inspect_err(|_| self.invalidate_connections())
    }

    async fn follow_once(&self, cursor: &Position, wait: Duration) -> Result<Followed<Position>, FollowFailure> {
        let mut reader = self.take_reader().await?;
        let connection = &reader.connection;
        // Soon after a confirmation, the Sentinels are not asked again. The result is then
        // incomplete, so that the next call follows at once. Only confirmations requested by this
        // reader count: checks request them all the time, and no result would ever be complete.
        let began = Instant::now();
        let skips_confirmation =
            self.server.has_sentinels() && reader.confirmed.is_some_and(|at| began - at < FOLLOW_CONFIRMATION_INTERVAL);
        let (wait, max_age) = if skips_confirmation {
            (wait.min(FOLLOW_CONFIRMATION_INTERVAL), Duration::MAX)
        } else {
            (wait, Duration::ZERO)
        };
        let read = self.within_after(wait, self.read_after(cursor, wait, connection));
        let (read, confirmed) = join(read, self.server.confirm(connection, max_age)).await;
        confirmed?;
        let [role, version, meta, live, through, last, at, meta_after, appended] = read?;
        self.requirements.verify_role(role, connection)?;
        let (state, is_consistent) =
            StoreState::from_replies([version, meta, live, through, last, at, meta_after], &self.layout)?;
        let mut followed = followed_from(cursor, &state, is_consistent, appended)?;
        if skips_confirmation {
            followed.complete = false;
        } else {
            reader.confirmed = Some(began);
        }
        self.readers.put_back(reader, self.timeout);
        Ok(followed)
    }

    /// Sends the commands of one round trip. The last one waits for new entries.
    async fn read_after(
        &self,
        cursor: &Position,
        wait: Duration,
        connection: &Connection,
    ) -> Result<[Value; FOLLOW_REPLIES]> {
        let mut request = redis::pipe();
        self.requirements.request_role(&mut request);
        request_state(&mut request, &self.layout, &cursor.id);
        request.cmd("XREAD").arg("COUNT").arg(MAX_ENTRIES).arg("BLOCK").arg(wait_millis(wait));
        request.arg("STREAMS").arg(&self.layout.log).arg(&cursor.id);
        connection.send_all(&request).await
    }
}

/// Returns the entries after the cursor, if the state and their numbers prove that none is missing.
fn followed_from(
    cursor: &Position,
    state: &StoreState,
    is_consistent: bool,
    appended: Value,
) -> Result<Followed<Position>, FollowFailure> {
    state.contains(cursor, Proof::Entry).map_err(|loss| FollowFailure::CursorLost(loss.reason))?;
    let (seq, purged_through) = (state.seq(), state.purged_through());
    let mut cursor = cursor.clone();
    let mut revocations = Vec::new();
    let entries = entries_of_xread(appended)?;
    if entries.is_empty() && cursor.number < seq {
        return Err(FollowFailure::CursorLost("all log entries after the cursor are missing"));
    }
    for entry in entries {
        match (entry.number, cursor.number.checked_add(1)) {
            (Some(number), Some(expected)) if number == expected => cursor.number = number,
            _ => return Err(FollowFailure::CursorLost("log entries after the cursor are missing")),
        }
        cursor.id.clone_from(&entry.id);
        entry.append_to(&mut revocations)?;
    }
    if is_consistent && state.condition()? != Condition::Complete {
        return Err(FollowFailure::CursorLost(DAMAGED));
    }
    let complete = is_consistent && cursor.number >= seq;
    Ok(Followed::new(revocations, purged_through, cursor, complete))
}

/// The number of replies: the role, the state, and the entries after the cursor.
const FOLLOW_REPLIES: usize = 1 + STATE_REPLIES + 1;

/// Maximum number of entries in a reply. Each has at most 250 revocations, of 50 bytes.
const MAX_ENTRIES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        store::redis::layout::{Layout, ShardNumber},
    };

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn entries(numbers: &[&str]) -> Value {
        let entry = |n: &&str| Value::Array(vec![text("1-1"), Value::Array(vec![text("n"), text(n)])]);
        Value::Array(numbers.iter().map(entry).collect())
    }

    /// Follows from this number, where the log ends at `seq` and the server returned `appended`.
    fn followed(
        number: u64,
        seq: &str,
        purged_through: &Value,
        appended: &[&str],
    ) -> Result<Followed<Position>, FollowFailure> {
        let cursor = Position { epoch: "e".into(), number, id: "1-1".to_owned() };
        let meta =
            || Value::Array(vec![text("e"), text(seq), purged_through.clone(), text("0"), text("0"), text("1-1")]);
        let at = entries(&[&number.to_string()]);
        let last = entries(&[seq]);
        let layout = Layout::new("a", ShardNumber::ONLY).map_err(RedisStoreError::from)?;
        let (state, is_consistent) =
            StoreState::from_replies([text("1"), meta(), Value::Int(0), Value::Int(0), last, at, meta()], &layout)?;
        let appended = Value::Array(vec![Value::Array(vec![text("feed"), entries(appended)])]);
        followed_from(&cursor, &state, is_consistent, appended)
    }

    #[test]
    fn the_purge_watermark_is_passed_on() {
        for (purged_through, expected) in [(Value::Nil, 0), (text("0"), 0), (text("231000"), 231_000)] {
            let followed = followed(1, "2", &purged_through, &["2"]).ok().expect("it is followed");
            assert_eq!(followed.purged_through, Timestamp::from_unix_millis(expected));
            assert_eq!((followed.cursor.number, followed.complete), (2, true));
        }
        assert!(matches!(followed(1, "2", &text("soon"), &["2"]), Err(FollowFailure::Store(_))));
    }

    #[test]
    fn no_number_comes_after_the_greatest() {
        let end = u64::MAX.to_string();
        for number in ["0", "1", &end] {
            let result = followed(u64::MAX, &end, &Value::Nil, &[number]);
            assert!(matches!(result, Err(FollowFailure::CursorLost(_))), "{number}");
        }
        let last = followed(u64::MAX - 1, &end, &Value::Nil, &[&end]).ok().expect("it is followed");
        assert_eq!(last.cursor.number, u64::MAX);
    }
}
