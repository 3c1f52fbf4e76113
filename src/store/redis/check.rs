use redis::{Pipeline, Value};

use super::{
    RedisCursor, Shared,
    connection::Connection,
    error::RedisStoreError,
    join::both,
    reply::{Reply, array, bytes, instant, optional, text},
    server::{CONFIRMED_FOR, CONFIRMED_JUST_NOW},
};
use crate::{clock::Timestamp, revocation::TokenIdentity};

impl Shared {
    /// Asks the server about all keys of a token, in one round trip, and at one moment: between two, an entry could be forgotten.
    pub(super) async fn is_revoked(&self, token: &TokenIdentity) -> Reply<bool> {
        let connection = self.commands.connection().await?;
        let mut question = self.question(token);
        let confirm = self.server.confirm(&connection, CONFIRMED_FOR);
        let (replies, confirmed) = both(connection.ask_at_once(&mut question), confirm).await;
        confirmed?;
        let replies = replies?;
        connection.judge(is_dead(token, &connection, replies))
    }

    /// The same, if the store still is the one that the cursor is of, as it was then or later.
    pub(super) async fn is_revoked_since(
        &self,
        cursor: &RedisCursor,
        token: &TokenIdentity,
    ) -> Reply<Result<bool, &'static str>> {
        let connection = self.commands.connection().await?;
        let mut question = self.question(token);
        self.ask_for_place(&mut question, cursor);
        let confirm = self.server.confirm(&connection, CONFIRMED_JUST_NOW);
        let (replies, confirmed) = both(connection.ask_at_once(&mut question), confirm).await;
        confirmed?;
        let [echo, role, scores, through, fence, place, at_cursor] = replies?;
        connection.judge(cursor.reaches(place, at_cursor).and_then(|reached| match reached {
            Ok(_) => is_dead(token, &connection, [echo, role, scores, through, fence]).map(Ok),
            Err(reason) => Ok(Err(reason)),
        }))
    }

    fn question(&self, token: &TokenIdentity) -> Pipeline {
        let keys: Vec<&[u8]> = token.keys().iter().map(|key| &key.as_bytes()[..]).collect();
        let layout = &self.layout;
        let mut question = redis::pipe();
        question.cmd("ECHO").arg(keys[0]);
        question.cmd("ROLE");
        question.cmd("ZMSCORE").arg(&layout.live).arg(&keys);
        question.cmd("HMGET").arg(&layout.through).arg(&keys);
        question.cmd("HGET").arg(&layout.meta).arg("purged_through");
        question
    }
}

fn is_dead(token: &TokenIdentity, connection: &Connection, replies: [Value; 5]) -> Reply<bool> {
    let [echo, role, scores, through, fence] = replies;
    if bytes(echo)? != token.own_key().as_bytes() {
        return Err(RedisStoreError::Crossed);
    }
    require_master(role, connection)?;
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
