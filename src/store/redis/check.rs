use redis::{Cmd, Pipeline, Value};

use super::{
    RedisCursor, Shared,
    connection::{Connection, is_unknown_script},
    error::RedisStoreError,
    join::both,
    reply::{Reply, array, bytes, exactly, instant, optional, text},
    script::CHECK,
    server::{CONFIRMED_FOR, CONFIRMED_JUST_NOW},
};
use crate::{clock::Timestamp, revocation::TokenIdentity};

impl Shared {
    /// Asks the server about all keys of a token, in one round trip.
    pub(super) async fn is_revoked(&self, token: &TokenIdentity) -> Reply<bool> {
        let connection = self.commands.connection().await?;
        let confirm = self.server.confirm(&connection, CONFIRMED_FOR);
        let (replies, confirmed) = both(self.ask(&connection, token, |_| {}), confirm).await;
        confirmed?;
        let [said, role] = replies?;
        connection.judge(require_master(role, &connection).and_then(|()| is_dead(token, said)))
    }

    /// The same, if the store still is the one that the cursor is of, as it was then or later.
    pub(super) async fn is_revoked_since(
        &self,
        cursor: &RedisCursor,
        token: &TokenIdentity,
    ) -> Reply<Result<bool, &'static str>> {
        let connection = self.commands.connection().await?;
        let confirm = self.server.confirm(&connection, CONFIRMED_JUST_NOW);
        let ask = self.ask(&connection, token, |question| self.ask_for_place(question, cursor));
        let (replies, confirmed) = both(ask, confirm).await;
        confirmed?;
        let [said, role, place, at_cursor] = replies?;
        let judge = || {
            require_master(role, &connection)?;
            match cursor.reaches(place, at_cursor)? {
                Ok(_) => is_dead(token, said).map(Ok),
                Err(reason) => Ok(Err(reason)),
            }
        };
        connection.judge(judge())
    }

    /// Asks, and then who it was that answered: what he is now, he was before.
    async fn ask<const N: usize>(
        &self,
        connection: &Connection,
        token: &TokenIdentity,
        then: impl Fn(&mut Pipeline),
    ) -> Reply<[Value; N]> {
        let names = [&*self.layout.live, &self.layout.through, &self.layout.meta];
        let ask = async |mut script: Cmd| {
            for key in token.keys() {
                script.arg(&key.as_bytes()[..]);
            }
            let mut question = redis::pipe();
            question.add_command(script);
            question.cmd("ROLE");
            then(&mut question);
            connection.ask_all(&question).await
        };
        let replies = ask(CHECK.known(&names)).await;
        if is_unknown_script(&replies) {
            return ask(CHECK.whole(&names)).await;
        }
        replies
    }
}

fn is_dead(token: &TokenIdentity, said: Value) -> Reply<bool> {
    let [first, scores, through, fence] = exactly(array(said)?)?;
    if bytes(first)? != token.own_key().as_bytes() {
        return Err(RedisStoreError::Crossed);
    }
    let (scores, through) = (array(scores)?, array(through)?);
    if scores.len() != token.keys().len() || through.len() != scores.len() {
        return Err(RedisStoreError::Garbage("another number of answers than questions"));
    }
    let mut is_dead = false;
    for (score, through) in scores.into_iter().zip(through) {
        let is_live = optional(score, instant)?.is_some();
        let through = optional(through, instant)?.unwrap_or(Timestamp::MAX);
        is_dead |= is_live && token.issued_at() <= through;
    }
    let fence = optional(fence, instant)?.unwrap_or(Timestamp::MIN);
    let is_fenced = fence > Timestamp::MIN && token.retain_until() <= fence;
    Ok(is_dead || is_fenced)
}

/// A master can become a replica while it is connected, and then answers with what it has.
pub(super) fn require_master(role: Value, connection: &Connection) -> Reply<()> {
    let role = array(role)?.into_iter().next().ok_or(RedisStoreError::Garbage("no role"))?;
    if text(role)? == "master" {
        return Ok(());
    }
    Err(RedisStoreError::NotMaster { server: connection.address().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::{Retention, RevocationKey};

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    /// A token with two keys, issued at 100 s and remembered until 231 s, and what is said about it.
    fn judged(scores: Vec<Value>, through: Vec<Value>, fence: Value) -> Option<bool> {
        judged_for("a", scores, through, fence)
    }

    fn judged_for(jti: &str, scores: Vec<Value>, through: Vec<Value>, fence: Value) -> Option<bool> {
        let at = Timestamp::from_unix_seconds;
        let token = TokenIdentity::new(RevocationKey::token_id("i", "a"), at(100), at(200), &Retention::default());
        let first = Value::BulkString(RevocationKey::token_id("i", jti).as_bytes().to_vec());
        is_dead(&token, Value::Array(vec![first, Value::Array(scores), Value::Array(through), fence])).ok()
    }

    #[test]
    fn a_token_is_dead_if_any_key_says_so_or_the_fence() {
        let nil = || Value::Nil;
        for (scores, through, fence, expected) in [
            ([nil(), nil()], [nil(), nil()], nil(), false),
            ([nil(), nil()], [nil(), nil()], text("0"), false),
            ([nil(), nil()], [nil(), nil()], text("230999"), false),
            ([nil(), nil()], [nil(), nil()], text("231000"), true),
            ([text("9"), nil()], [nil(), nil()], nil(), true),
            ([nil(), text("9")], [nil(), text("99999")], nil(), false),
            ([nil(), text("9")], [nil(), text("100000")], nil(), true),
            // Half of what was forgotten.
            ([nil(), nil()], [text("100000"), nil()], nil(), false),
        ] {
            assert_eq!(judged(scores.to_vec(), through.to_vec(), fence), Some(expected), "{scores:?} {through:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_answer() {
        let nil = || Value::Nil;
        assert_eq!(judged(vec![nil(), nil()], vec![nil(), nil()], nil()), Some(false));
        assert_eq!(judged_for("b", vec![nil(), nil()], vec![nil(), nil()], nil()), None, "of another question");
        assert_eq!(judged(vec![nil()], vec![nil()], nil()), None);
        assert_eq!(judged(vec![nil(), nil()], vec![nil()], nil()), None);
        assert_eq!(judged(vec![nil(), text("x")], vec![nil(), nil()], nil()), None);
        assert_eq!(judged(vec![nil(), nil()], vec![nil(), text("x")], nil()), None);
        assert_eq!(judged(vec![nil(), nil()], vec![nil(), nil()], text("x")), None);
        assert_eq!(judged(vec![nil(), Value::Okay], vec![nil(), nil()], nil()), None);
    }
}
