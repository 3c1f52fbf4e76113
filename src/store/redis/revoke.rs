//! Revokes: runs one script, and optionally waits for replicas.

use std::iter;

use redis::Value;
use tokio::time::Instant;

use super::{
    connection::{Connection, is_unknown_script},
    cursor::Position,
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
    /// Sends revocations in as few scripts as possible, usually one. None is ever sent twice,
    /// because the server would then report it as known.
    pub(super) async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(revocations.len());
        for chunk in revocations.chunks(MAX_PER_SCRIPT) {
            outcomes.extend(self.revoke(chunk).await?);
        }
        Ok(outcomes)
    }

    /// Sends one script, for at least one revocation.
    pub(super) async fn revoke(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>> {
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
        let writes_always = if self.wait_replicas > 0 { "1" } else { "0" };
        let keys: Vec<_> = revocations.iter().map(Revocation::key).collect();
        let instant = |instant| encode_instant(instant).to_string();
        let through: Vec<_> = revocations.iter().map(|revocation| instant(revocation.issued_through())).collect();
        let until: Vec<_> = revocations.iter().map(|revocation| instant(revocation.retain_until())).collect();
        let mut arguments = Vec::with_capacity(3 * revocations.len() + 4);
        for ((key, through), until) in keys.iter().zip(&through).zip(&until) {
            arguments.extend([&key.as_bytes()[..], through.as_bytes(), until.as_bytes()]);
        }
        let settings = [epoch.as_bytes(), before.epoch().as_bytes(), before.id().as_bytes(), writes_always.as_bytes()];
        // After the first revocation.
        arguments.splice(3..3, settings);
        let reply = if self.wait_replicas > 0 {
            self.revoke_and_wait(&connection, began, &names, &arguments).await?
        } else {
            connection.run(&REVOKE, &names, &arguments).await?
        };
        connection.invalidate_on_error(self.outcomes(&before, reply, revocations.len()))
    }

    fn outcomes(&self, before: &Observation, reply: Value, expected: usize) -> Result<Vec<Outcome>> {
        let [first, epoch, number, id, entry_before, further] = exactly(array(reply)?)?;
        let outcome = |newly| match integer(newly)? {
            0 => Ok(Outcome::Already),
            1 => Ok(Outcome::Newly),
            _ => Err(RedisStoreError::UnexpectedReply("expected 0 or 1")),
        };
        let outcomes = iter::once(first).chain(array(further)?).map(outcome).collect::<Result<Vec<_>>>()?;
        if outcomes.len() != expected {
            return Err(RedisStoreError::UnexpectedReply("expected one outcome for each revocation"));
        }
        let end = Position { epoch: text(epoch)?.into(), number: integer(number)?, id: text(id)? };
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
        Ok(outcomes)
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

/// Maximum number of revocations in one script. The server does nothing else meanwhile, for about
/// 30 µs each (measured on a busy machine).
const MAX_PER_SCRIPT: usize = 1000;
