use redis::{Cmd, Pipeline, Value};

use super::{
    RedisCursor, Shared,
    connection::{Connection, is_unknown_script},
    error::RedisStoreError,
    join::both,
    layout::has_instant,
    reply::{Reply, array, bytes, exactly, instant, optional, text},
    script::CHECK,
    server::{CONFIRMED_FOR, CONFIRMED_JUST_NOW},
    state::{Condition, DAMAGED, Proof, State},
};
use crate::{clock::Timestamp, revocation::TokenIdentity};

impl Shared {
    /// Asks the server about all keys of a token, in one round trip.
    pub(super) async fn is_revoked(&self, token: &TokenIdentity) -> Reply<bool> {
        let connection = self.commands.connection().await?;
        let seen = self.seen(&connection).await?;
        let confirm = self.server.confirm(&connection, CONFIRMED_FOR);
        let (answer, confirmed) = both(self.ask(&connection, token, seen.id()), confirm).await;
        confirmed?;
        let Answer { said, state } = answer?;
        connection.judge(self.memory.judge(&seen, &state).and_then(|()| is_dead(token, said, state.purged_through())))
    }

    /// The same, if the store still is the one that the cursor is of, as it was then or later.
    pub(super) async fn is_revoked_since(
        &self,
        cursor: &RedisCursor,
        token: &TokenIdentity,
    ) -> Reply<Result<bool, &'static str>> {
        let connection = self.commands.connection().await?;
        let confirm = self.server.confirm(&connection, CONFIRMED_JUST_NOW);
        let (answer, confirmed) = both(self.ask(&connection, token, &cursor.id), confirm).await;
        confirmed?;
        let Answer { said, state } = answer?;
        let judge = || {
            if let Err(gone) = state.reaches(cursor, Proof::Entry) {
                return Ok(Err(gone.reason));
            }
            match state.condition()? {
                Condition::Whole => is_dead(token, said, state.purged_through()).map(Ok),
                Condition::Empty | Condition::Damaged(_) => Ok(Err(DAMAGED)),
            }
        };
        connection.judge(judge())
    }

    /// Asks, and then who it was that answered: what he is now, he was before.
    async fn ask(&self, connection: &Connection, token: &TokenIdentity, at: &str) -> Reply<Answer> {
        let check = connection.script(&CHECK);
        let names = self.layout.names();
        let ask = async |mut script: Cmd| {
            script.arg(at);
            for key in token.keys() {
                script.arg(&key.as_bytes()[..]);
            }
            let mut question = redis::pipe();
            question.add_command(script);
            self.ask_for_role(&mut question);
            connection.ask_all(&question).await
        };
        let mut replies = ask(check.known(&names)).await;
        if is_unknown_script(&replies) {
            replies = ask(check.whole(&names)).await;
        }
        let [answer, role] = replies?;
        connection.judge(self.require_master(role, connection).and_then(|()| Answer::read(answer)))
    }

    /// Asks for the role of a server, where that can be known.
    pub(super) fn ask_for_role(&self, question: &mut Pipeline) {
        if self.behind_proxy {
            question.cmd("GET").arg(&self.layout.version);
        } else {
            question.cmd("ROLE");
        }
    }

    /// A master can become a replica while it is connected, and then answers with what it has.
    pub(super) fn require_master(&self, role: Value, connection: &Connection) -> Reply<()> {
        if self.behind_proxy {
            return Ok(());
        }
        let role = array(role)?.into_iter().next().ok_or(RedisStoreError::Garbage("no role"))?;
        if text(role)? == "master" {
            return Ok(());
        }
        Err(RedisStoreError::NotMaster { server: connection.address().to_string() })
    }
}

/// What the script has replied.
struct Answer {
    said: Said,
    state: State,
}

/// What is said about the keys of a token.
struct Said {
    first: Value,
    scores: Value,
    through: Value,
}

impl Answer {
    fn read(reply: Value) -> Reply<Self> {
        let [first, scores, through, version, noted, live, entries_through, last, at] = exactly(array(reply)?)?;
        let state = State::read([version, noted, live, entries_through, last, at])?;
        Ok(Self { said: Said { first, scores, through }, state })
    }
}

fn is_dead(token: &TokenIdentity, said: Said, fence: Timestamp) -> Reply<bool> {
    if bytes(said.first)? != token.own_key().as_bytes() {
        return Err(RedisStoreError::Crossed);
    }
    let (scores, through) = (array(said.scores)?, array(said.through)?);
    if scores.len() != token.keys().len() || through.len() != scores.len() {
        return Err(RedisStoreError::Garbage("another number of answers than questions"));
    }
    let mut is_dead = false;
    for ((key, score), through) in token.keys().iter().zip(scores).zip(through) {
        let is_live = optional(score, instant)?.is_some();
        let through = match optional(through, instant)? {
            None if is_live && has_instant(*key) => return Err(RedisStoreError::Garbage("half a revocation")),
            through => through.unwrap_or(Timestamp::MAX),
        };
        is_dead |= is_live && token.issued_at() <= through;
    }
    let is_fenced = fence > Timestamp::MIN && token.retain_until() <= fence;
    Ok(is_dead || is_fenced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::{Retention, RevocationKey};

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    /// A token with two keys, issued at 100 s and remembered until 231 s, and what is said about it.
    fn judged(scores: Vec<Value>, through: Vec<Value>, fence: u64) -> Option<bool> {
        judged_for("a", scores, through, fence)
    }

    fn judged_for(jti: &str, scores: Vec<Value>, through: Vec<Value>, fence: u64) -> Option<bool> {
        let at = Timestamp::from_unix_seconds;
        let token = TokenIdentity::new(RevocationKey::token_id("i", "a"), at(100), at(200), &Retention::default());
        let first = Value::BulkString(RevocationKey::token_id("i", jti).as_bytes().to_vec());
        let said = Said { first, scores: Value::Array(scores), through: Value::Array(through) };
        is_dead(&token, said, Timestamp::from_unix_millis(fence)).ok()
    }

    #[test]
    fn a_token_is_dead_if_any_key_says_so_or_the_fence() {
        let nil = || Value::Nil;
        for (scores, through, fence, expected) in [
            ([nil(), nil()], [nil(), nil()], 0, false),
            ([nil(), nil()], [nil(), nil()], 230_999, false),
            ([nil(), nil()], [nil(), nil()], 231_000, true),
            ([text("9"), nil()], [nil(), nil()], 0, true),
            ([nil(), text("9")], [nil(), text("99999")], 0, false),
            ([nil(), text("9")], [nil(), text("100000")], 0, true),
            // Half of what was forgotten.
            ([nil(), nil()], [text("100000"), nil()], 0, false),
        ] {
            assert_eq!(judged(scores.to_vec(), through.to_vec(), fence), Some(expected), "{scores:?} {through:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_answer() {
        let nil = || Value::Nil;
        assert_eq!(judged(vec![nil(), nil()], vec![nil(), nil()], 0), Some(false));
        assert_eq!(judged_for("b", vec![nil(), nil()], vec![nil(), nil()], 0), None, "of another question");
        assert_eq!(judged(vec![nil()], vec![nil()], 0), None);
        assert_eq!(judged(vec![nil(), nil()], vec![nil()], 0), None);
        assert_eq!(judged(vec![nil(), text("x")], vec![nil(), nil()], 0), None);
        assert_eq!(judged(vec![nil(), nil()], vec![nil(), text("x")], 0), None);
        assert_eq!(judged(vec![nil(), Value::Okay], vec![nil(), nil()], 0), None);
        // What concerns more than one token always says through when.
        assert_eq!(judged(vec![nil(), text("9")], vec![nil(), nil()], 0), None);
    }
}
