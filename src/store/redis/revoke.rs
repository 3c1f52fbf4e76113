//! Revokes: runs one script, and optionally waits for replicas.

use std::sync::Arc;

use redis::Value;
use tokio::time::{Instant, timeout};

use super::{
    connection::{Connection, is_unknown_script},
    cursor::Position,
    entry::encode_batch,
    error::{RedisStoreError, Result},
    layout::new_epoch,
    loss::Observation,
    parse::{array, bytes, exactly, integer, optional, text},
    scripts::REVOKE,
    server::MAX_CONFIRMATION_AGE,
    shared::{Shared, wait_millis},
};
use crate::{
    revocation::{Outcome, Revocation},
    store::batch::{self, Answer, Batches, Carrier, Limits},
};

/// Concurrent calls share scripts, and with `wait_replicas` also the wait.
impl Carrier for Shared {
    fn batches(&self) -> &Batches {
        &self.batches
    }

    async fn carry(self: Arc<Self>, revocations: Vec<Revocation>) -> Answer {
        self.perform("revoke", self.revoke_all(&revocations)).await
    }
}

impl Shared {
    /// Revokes, together with other callers if there are any. Many revocations travel alone, so
    /// that others do not wait for them.
    ///
    /// None is ever sent twice, because the server would then report it as known.
    pub(super) async fn revoke_in_batch(self: &Arc<Self>, revocations: &[Revocation]) -> Answer {
        if revocations.is_empty() || revocations.len() >= LIMITS.revocations {
            return self.perform("revoke", self.revoke_all(revocations)).await;
        }
        let limit = self.timeout;
        match timeout(limit, batch::revoke(self, revocations)).await {
            Ok(answer) => answer,
            Err(_) => self.perform("revoke", async { Err(RedisStoreError::Timeout { limit }) }).await,
        }
    }

    /// Sends revocations in as few scripts as possible, usually one.
    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(revocations.len());
        for chunk in revocations.chunks(MAX_PER_SCRIPT) {
            outcomes.extend(self.revoke(chunk).await?);
        }
        Ok(outcomes)
    }

    /// Sends one script, for at least one revocation.
    async fn revoke(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>> {
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
        let records = encode_batch(revocations);
        let arguments: [&[u8]; 5] =
            [&records, epoch.as_bytes(), before.epoch().as_bytes(), before.id().as_bytes(), writes_always.as_bytes()];
        let reply = if self.wait_replicas > 0 {
            self.revoke_and_wait(&connection, began, &names, &arguments).await?
        } else {
            connection.run(&REVOKE, &names, &arguments).await?
        };
        connection.invalidate_on_error(self.outcomes(&before, reply, revocations.len()))
    }

    fn outcomes(&self, before: &Observation, reply: Value, expected: usize) -> Result<Vec<Outcome>> {
        let Reply { outcomes, end, entry_before } = Reply::parse(reply)?;
        if outcomes.len() != expected {
            return Err(RedisStoreError::UnexpectedReply("expected one outcome for each revocation"));
        }
        let is_complete = match before {
            Observation::LogEnd { end, .. } if end.number > 0 => {
                entry_before.is_some_and(|(id, number)| id == end.id && number == end.number)
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

/// The reply of the script.
struct Reply {
    outcomes: Vec<Outcome>,
    /// The end of the log.
    end: Position,
    /// The id and the number of the last log entry at or before the observed one, as it was before.
    entry_before: Option<(String, u64)>,
}

impl Reply {
    fn parse(reply: Value) -> Result<Self> {
        let mut reply = array(reply)?;
        // Lua ends a list at the first value that is missing.
        reply.resize(6, Value::Nil);
        let [outcomes, epoch, number, id, id_before, number_before] = exactly(reply)?;
        let outcome = |digit| match digit {
            b'0' => Ok(Outcome::Already),
            b'1' => Ok(Outcome::Newly),
            _ => Err(RedisStoreError::UnexpectedReply("expected 0 or 1")),
        };
        Ok(Self {
            outcomes: bytes(outcomes)?.into_iter().map(outcome).collect::<Result<_>>()?,
            end: Position { epoch: text(epoch)?.into(), number: integer(number)?, id: text(id)? },
            // An entry without a number was written by another program, and is not the observed one.
            entry_before: optional(id_before, text)?.zip(optional(number_before, integer).ok().flatten()),
        })
    }
}

/// Two, so that the client prepares one while the server runs the other.
pub(super) const LIMITS: Limits = Limits { flights: 2, revocations: 250 };

/// Maximum number of revocations in one script. The server does nothing else meanwhile, for about
/// 8 µs each (measured on a busy machine).
const MAX_PER_SCRIPT: usize = 1000;
