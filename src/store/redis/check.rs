//! Checks tokens: one round trip for all keys of a token and for the state of the store.

use futures_util::future::join;
use redis::{Cmd, Value};

use super::{
    connection::{Connection, is_unknown_script},
    cursor::RedisCursor,
    error::{DAMAGED, RedisStoreError, Result},
    layout::requires_issued_through,
    parse::{array, bytes, exactly, instant, optional},
    scripts::CHECK,
    server::{FOLLOW_CONFIRMATION_INTERVAL, MAX_CONFIRMATION_AGE},
    shared::Shared,
    state::{Condition, Proof, StoreState},
};
use crate::{clock::Timestamp, revocation::TokenIdentity};

impl Shared {
    /// Checks a token against a store that must contain everything that was observed before.
    pub(super) async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool> {
        let connection = self.commands.get().await?;
        let before = self.observation(&connection).await?;
        let confirm = self.server.confirm(&connection, MAX_CONFIRMATION_AGE);
        let (reply, confirmed) = join(self.request_check(&connection, token, before.id()), confirm).await;
        confirmed?;
        let CheckReply { keys, state } = reply?;
        let verified = self.observed.verify(&before, &state);
        connection.invalidate_on_error(verified.and_then(|()| is_revoked(token, keys, state.purged_through())))
    }

    /// Checks a token against a store that must contain everything up to the cursor. The inner
    /// error is the reason if it does not.
    pub(super) async fn is_revoked_since(
        &self,
        cursor: &RedisCursor,
        token: &TokenIdentity,
    ) -> Result<Result<bool, &'static str>> {
        let connection = self.commands.get().await?;
        let confirm = self.server.confirm(&connection, FOLLOW_CONFIRMATION_INTERVAL);
        let (reply, confirmed) = join(self.request_check(&connection, token, &cursor.id), confirm).await;
        confirmed?;
        let CheckReply { keys, state } = reply?;
        let answer = || {
            if let Err(loss) = state.contains(cursor, Proof::Entry) {
                return Ok(Err(loss.reason));
            }
            match state.condition()? {
                Condition::Complete => is_revoked(token, keys, state.purged_through()).map(Ok),
                Condition::Empty | Condition::Damaged(_) => Ok(Err(DAMAGED)),
            }
        };
        connection.invalidate_on_error(answer())
    }

    async fn request_check(&self, connection: &Connection, token: &TokenIdentity, log_id: &str) -> Result<CheckReply> {
        let check = connection.script(&CHECK);
        let names = self.layout.names();
        let send = async |mut script: Cmd| {
            script.arg(log_id);
            for key in token.keys() {
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
        connection.invalidate_on_error(verified.and_then(|()| CheckReply::parse(reply)))
    }
}

/// The reply of the script.
struct CheckReply {
    keys: KeyReplies,
    state: StoreState,
}

/// The part of the reply about the keys of the token.
struct KeyReplies {
    first_key: Value,
    retain_until: Value,
    issued_through: Value,
}

impl CheckReply {
    fn parse(reply: Value) -> Result<Self> {
        let [first_key, retain_until, issued_through, version, meta, live, through, last, at] = exactly(array(reply)?)?;
        let state = StoreState::from_snapshot([version, meta, live, through, last, at])?;
        Ok(Self { keys: KeyReplies { first_key, retain_until, issued_through }, state })
    }
}

fn is_revoked(token: &TokenIdentity, keys: KeyReplies, purged_through: Timestamp) -> Result<bool> {
    if bytes(keys.first_key)? != token.own_key().as_bytes() {
        return Err(RedisStoreError::WrongReply);
    }
    let (retain_until, issued_through) = (array(keys.retain_until)?, array(keys.issued_through)?);
    if retain_until.len() != token.keys().len() || issued_through.len() != retain_until.len() {
        return Err(RedisStoreError::UnexpectedReply("expected one answer for each key"));
    }
    let mut is_revoked = false;
    for ((key, until), through) in token.keys().iter().zip(retain_until).zip(issued_through) {
        let is_live = optional(until, instant)?.is_some();
        let through = match optional(through, instant)? {
            None if is_live && requires_issued_through(*key) => {
                return Err(RedisStoreError::UnexpectedReply("a revocation is incomplete"));
            }
            through => through.unwrap_or(Timestamp::MAX),
        };
        is_revoked |= is_live && token.issued_at() <= through;
    }
    let may_be_purged = purged_through > Timestamp::MIN && token.retain_until() <= purged_through;
    Ok(is_revoked || may_be_purged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::{Retention, RevocationKey};

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
        let keys = KeyReplies {
            first_key: Value::BulkString(RevocationKey::token_id("i", jti).as_bytes().to_vec()),
            retain_until: Value::Array(retain_until),
            issued_through: Value::Array(issued_through),
        };
        is_revoked(&token, keys, Timestamp::from_unix_millis(purged_through)).ok()
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
