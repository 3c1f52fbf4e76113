//! Revokes: runs one script, and optionally waits for replicas.

use redis::Value;
use tokio::time::Instant;

use super::{
    connection::{Connection, is_unknown_script},
    cursor::RedisCursor,
    entry::entries_of,
    error::{RedisStoreError, Result},
    layout::{encode_instant, new_epoch},
    loss::Observation,
    parse::{array, exactly, integer, text},
    scripts::REVOKE,
    server::MAX_CONFIRMATION_AGE,
    shared::{Shared, wait_millis},
};
use crate::revocation::{Outcome, Revocation};

impl Shared {
    /// Sends a revocation once. It is never repeated, because the server would then report it as
    /// known.
    pub(super) async fn revoke(&self, revocation: &Revocation) -> Result<Outcome> {
        let began = Instant::now();
        let connection = self.writes.get().await?;
        let before = self.observation(&connection).await?;
        self.server.confirm(&connection, MAX_CONFIRMATION_AGE).await?;
        // The script creates the store only if any epoch is allowed.
        let epoch = match before.epoch() {
            "" => new_epoch()?,
            known => known.to_owned(),
        };
        let names = self.layout.names();
        let key = revocation.key();
        let through = encode_instant(revocation.issued_through()).to_string();
        let until = encode_instant(revocation.retain_until()).to_string();
        let writes_always = if self.wait_replicas > 0 { "1" } else { "0" };
        let arguments = [
            &key.as_bytes()[..],
            through.as_bytes(),
            until.as_bytes(),
            epoch.as_bytes(),
            before.epoch().as_bytes(),
            before.id().as_bytes(),
            writes_always.as_bytes(),
        ];
        let reply = if self.wait_replicas > 0 {
            self.revoke_and_wait(&connection, began, &names, &arguments).await?
        } else {
            connection.run(&REVOKE, &names, &arguments).await?
        };
        connection.invalidate_on_error(self.outcome(&before, reply))
    }

    fn outcome(&self, before: &Observation, reply: Value) -> Result<Outcome> {
        let [newly, epoch, number, id, entry_before] = exactly(array(reply)?)?;
        let outcome = match integer(newly)? {
            0 => Outcome::Already,
            1 => Outcome::Newly,
            _ => return Err(RedisStoreError::UnexpectedReply("expected 0 or 1")),
        };
        let end = RedisCursor { epoch: text(epoch)?.into(), number: integer(number)?, id: text(id)? };
        let is_complete = match before {
            Observation::LogEnd { end, .. } if end.number > 0 => {
                matches!(&*entries_of(entry_before)?, [entry] if entry.id == end.id && entry.number == Some(end.number))
            }
            _ => true,
        };
        // Otherwise the observation is unchanged, so that the next check detects the loss.
        if is_complete {
            self.observed.advance(Some(end));
        }
        Ok(outcome)
    }

    /// Revokes and waits for replicas. It also waits for a known revocation, because its first
    /// sender may not have waited.
    async fn revoke_and_wait(
        &self,
        connection: &Connection,
        began: Instant,
        names: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Value> {
        let wanted = self.wait_replicas;
        let revoke = connection.script(&REVOKE);
        let send = async |mut script: redis::Cmd| {
            // A quarter of the remaining time is left for the reply.
            let wait = wait_millis(self.timeout.saturating_sub(began.elapsed()) / 4 * 3);
            let mut commands = redis::pipe();
            commands.add_command(script.arg(arguments).clone());
            commands.cmd("WAIT").arg(wanted).arg(wait);
            connection.send_all(&commands).await
        };
        let mut replies = send(revoke.by_hash(names)).await;
        if is_unknown_script(&replies) {
            replies = send(revoke.by_text(names)).await;
        }
        let [reply, confirmed] = replies?;
        let confirmed = connection.invalidate_on_error(integer(confirmed))?;
        if confirmed < wanted as u64 {
            return Err(RedisStoreError::Unconfirmed { wanted, confirmed });
        }
        Ok(reply)
    }
}
