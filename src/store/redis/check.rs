//! Reads the revocations of some keys: one round trip for all keys of a token and for the state of
//! the store.

use std::slice;

use futures_util::future::join;
use redis::{Cmd, Value};

use super::{
    connection::{Connection, is_unknown_script},
    cursor::Position,
    error::{DAMAGED, RedisStoreError, Result},
    layout::{Layout, requires_issued_through},
    parse::{array, bytes, exactly, instant, optional},
    scripts::CHECK,
    server::{FOLLOW_CONFIRMATION_INTERVAL, MAX_CONFIRMATION_AGE},
    shared::Shared,
    state::{Condition, Proof, StoreState},
};
use crate::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey, TokenIdentity},
};

impl Shared {
    /// Checks a token by those of its keys that this shard has, against a store that must contain
    /// everything that was observed before.
    pub(super) async fn is_revoked(&self, keys: &[RevocationKey], token: &TokenIdentity) -> Result<bool> {
        self.read(keys, |known| known.revoke(token)).await
    }

    /// Looks up a key in a store that must contain everything that was observed before.
    pub(super) async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>> {
        self.read(slice::from_ref(&key), Known::into_first).await
    }

    /// Checks a token by those of its keys that this shard has, against a store that must contain
    /// everything up to the cursor. The inner error is the reason if it does not.
    pub(super) async fn is_revoked_since(
        &self,
        cursor: &Position,
        keys: &[RevocationKey],
        token: &TokenIdentity,
    ) -> Result<Result<bool, &'static str>> {
        self.read_since(cursor, keys, |known| known.revoke(token)).await
    }

    /// Looks up a key in a store that must contain everything up to the cursor. The inner error is
    /// the reason if it does not.
    pub(super) async fn find_since(
        &self,
        cursor: &Position,
        key: RevocationKey,
    ) -> Result<Result<Option<Revocation>, &'static str>> {
        self.read_since(cursor, slice::from_ref(&key), Known::into_first).await
    }

    async fn read<T>(&self, keys: &[RevocationKey], answer: impl FnOnce(Known) -> T) -> Result<T> {
        let connection = self.commands.get().await?;
        let before = self.observation(&connection).await?;
        let confirm = self.server.confirm(&connection, MAX_CONFIRMATION_AGE);
        let (reply, confirmed) = join(self.request(&connection, keys, before.id()), confirm).await;
        confirmed?;
        let CheckReply { entries, state } = reply?;
        let verified = self.observed.verify(&before, &state);
        connection.invalidate_on_error(verified.and_then(|()| Known::read(keys, entries, &state)).map(answer))
    }

    async fn read_since<T>(
        &self,
        cursor: &Position,
        keys: &[RevocationKey],
        answer: impl FnOnce(Known) -> T,
    ) -> Result<Result<T, &'static str>> {
        let connection = self.commands.get().await?;
        let confirm = self.server.confirm(&connection, FOLLOW_CONFIRMATION_INTERVAL);
        let (reply, confirmed) = join(self.request(&connection, keys, &cursor.id), confirm).await;
        confirmed?;
        let CheckReply { entries, state } = reply?;
        let read = || {
            if let Err(loss) = state.contains(cursor, Proof::Entry) {
                return Ok(Err(loss.reason));
            }
            match state.condition()? {
                Condition::Complete => Known::read(keys, entries, &state).map(|known| Ok(answer(known))),
                Condition::Empty | Condition::Damaged(_) => Ok(Err(DAMAGED)),
            }
        };
        connection.invalidate_on_error(read())
    }

    async fn request(&self, connection: &Connection, keys: &[RevocationKey], log_id: &str) -> Result<CheckReply> {
        let check = connection.script(&CHECK);
        let names = self.layout.names();
        let send = async |mut script: Cmd| {
            script.arg(log_id);
            for key in keys {
                script.arg(&key.as_bytes()[..]);
            }
            let mut request = redis::pipe();
            request.add_command(script);
            // Sent after the script: a server that is a primary now was one when the script ran.
            self.requirements.request_role(&mut request);
            connection.send_all(&request).await
        };
        let mut replies = send(check.by_hash(&names)).await;
        if is_unknown_script(&replies) {
            replies = send(check.by_text(&names)).await;
        }
        let [reply, role] = replies?;
        let verified = self.requirements.verify_role(role, connection);
        connection.invalidate_on_error(verified.and_then(|()| CheckReply::parse(reply, &self.layout)))
    }
}

/// The reply of the script.
struct CheckReply {
    entries: EntryReplies,
    state: StoreState,
}

/// The part of the reply about the keys.
struct EntryReplies {
    first_key: Value,
    retain_until: Value,
    issued_through: Value,
}

impl CheckReply {
    fn parse(reply: Value, layout: &Layout) -> Result<Self> {
        let [first_key, retain_until, issued_through, version, meta, live, through, last, at] = exactly(array(reply)?)?;
        let state = StoreState::from_snapshot([version, meta, live, through, last, at], layout)?;
        Ok(Self { entries: EntryReplies { first_key, retain_until, issued_through }, state })
    }
}

/// The revocations of the keys that were asked for, at one moment.
struct Known {
    revocations: Vec<Option<Revocation>>,
    purged_through: Timestamp,
}

impl Known {
    fn read(keys: &[RevocationKey], entries: EntryReplies, state: &StoreState) -> Result<Self> {
        Self::from_replies(keys, entries, state.purged_through())
    }

    fn from_replies(keys: &[RevocationKey], entries: EntryReplies, purged_through: Timestamp) -> Result<Self> {
        let first_key = bytes(entries.first_key)?;
        if keys.first().is_none_or(|key| key.as_bytes()[..] != first_key) {
            return Err(RedisStoreError::WrongReply);
        }
        let (retain_until, issued_through) = (array(entries.retain_until)?, array(entries.issued_through)?);
        if retain_until.len() != keys.len() || issued_through.len() != keys.len() {
            return Err(RedisStoreError::UnexpectedReply("expected one answer for each key"));
        }
        let mut revocations = Vec::with_capacity(keys.len());
        for ((key, until), through) in keys.iter().zip(retain_until).zip(issued_through) {
            let (until, through) = (optional(until, instant)?, optional(through, instant)?);
            if until.is_some() && through.is_none() && requires_issued_through(*key) {
                return Err(RedisStoreError::UnexpectedReply("a revocation is incomplete"));
            }
            revocations.push(until.map(|until| Revocation::new(*key, through.unwrap_or(Timestamp::MAX), until)));
        }
        Ok(Self { revocations, purged_through })
    }

    /// Whether they revoke the token whose keys were asked for.
    fn revoke(self, token: &TokenIdentity) -> bool {
        let may_be_purged = self.purged_through > Timestamp::MIN && token.retain_until() <= self.purged_through;
        let revokes = |revocation: &Revocation| token.issued_at() <= revocation.issued_through();
        may_be_purged || self.revocations.iter().flatten().any(revokes)
    }

    fn into_first(self) -> Option<Revocation> {
        self.revocations.into_iter().next().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::Retention;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    /// Checks a token with two keys, issued at 100 s and retained until 231 s.
    fn checked(retain_until: Vec<Value>, issued_through: Vec<Value>, purged_through: u64) -> Option<bool> {
        checked_for("a", retain_until, issued_through, purged_through)
    }

    fn checked_for(
        jti: &str,
        retain_until: Vec<Value>,
        issued_through: Vec<Value>,
        purged_through: u64,
    ) -> Option<bool> {
        let at = Timestamp::from_unix_seconds;
        let token = TokenIdentity::new(RevocationKey::token_id("i", "a"), at(100), at(200), &Retention::default());
        let entries = EntryReplies {
            first_key: Value::BulkString(RevocationKey::token_id("i", jti).as_bytes().to_vec()),
            retain_until: Value::Array(retain_until),
            issued_through: Value::Array(issued_through),
        };
        let purged_through = Timestamp::from_unix_millis(purged_through);
        Known::from_replies(token.keys(), entries, purged_through).ok().map(|known| known.revoke(&token))
    }

    #[test]
    fn a_token_is_revoked_by_any_key_or_by_the_purge_watermark() {
        let nil = || Value::Nil;
        for (until, through, purged_through, expected) in [
            ([nil(), nil()], [nil(), nil()], 0, false),
            ([nil(), nil()], [nil(), nil()], 230_999, false),
            ([nil(), nil()], [nil(), nil()], 231_000, true),
            ([text("9"), nil()], [nil(), nil()], 0, true),
            ([nil(), text("9")], [nil(), text("99999")], 0, false),
            ([nil(), text("9")], [nil(), text("100000")], 0, true),
            // A remainder of a revocation that was removed.
            ([nil(), nil()], [text("100000"), nil()], 0, false),
        ] {
            let answer = checked(until.to_vec(), through.to_vec(), purged_through);
            assert_eq!(answer, Some(expected), "{until:?} {through:?}");
        }
    }

    #[test]
    fn an_unexpected_reply_is_no_answer() {
        let nil = || Value::Nil;
        assert_eq!(checked(vec![nil(), nil()], vec![nil(), nil()], 0), Some(false));
        assert_eq!(checked_for("b", vec![nil(), nil()], vec![nil(), nil()], 0), None, "of another check");
        assert_eq!(checked(vec![nil()], vec![nil()], 0), None);
        assert_eq!(checked(vec![nil(), nil()], vec![nil()], 0), None);
        assert_eq!(checked(vec![nil(), text("x")], vec![nil(), nil()], 0), None);
        assert_eq!(checked(vec![nil(), nil()], vec![nil(), text("x")], 0), None);
        assert_eq!(checked(vec![nil(), Value::Okay], vec![nil(), nil()], 0), None);
        // A revocation that can apply to several tokens always has an `issued_through`.
        assert_eq!(checked(vec![nil(), text("9")], vec![nil(), nil()], 0), None);
    }
}
