use redis::Value;
use tokio::time::Instant;

use super::{
    RedisCursor, Shared,
    connection::{Connection, is_unknown_script},
    error::RedisStoreError,
    feed::entries_of,
    layout::to_redis,
    memory::Seen,
    reply::{Reply, array, exactly, integer, text},
    script::{REVOKE, new_epoch},
    server::CONFIRMED_FOR,
    to_wait,
};
use crate::revocation::{Outcome, Revocation};

impl Shared {
    /// Has the server join a revocation. Never sent twice: the second time it would be told `Already`.
    pub(super) async fn revoke(&self, revocation: &Revocation) -> Reply<Outcome> {
        let names = self.layout.names();
        let key = revocation.key();
        let through = to_redis(revocation.issued_through()).to_string();
        let until = to_redis(revocation.retain_until()).to_string();
        let epoch = new_epoch();
        let began = Instant::now();
        let connection = self.writes.connection().await?;
        let seen = self.seen(&connection).await?;
        self.server.confirm(&connection, CONFIRMED_FOR).await?;
        let touch = if self.wait_replicas > 0 { "1" } else { "0" };
        let [key, through, until] = [&key.as_bytes()[..], through.as_bytes(), until.as_bytes()];
        let [epoch, expected, at] = [&epoch, seen.epoch(), seen.id()].map(str::as_bytes);
        let arguments = [key, through, until, epoch, expected, at, touch.as_bytes()];
        let reply = if self.wait_replicas > 0 {
            self.revoke_and_wait(&connection, began, &names, &arguments).await?
        } else {
            connection.run(&REVOKE, &names, &arguments).await?
        };
        connection.judge(self.outcome(&seen, reply))
    }

    fn outcome(&self, seen: &Seen, reply: Value) -> Reply<Outcome> {
        let [newly, epoch, n, id, at] = exactly(array(reply)?)?;
        let outcome = match integer(newly)? {
            0 => Outcome::Already,
            1 => Outcome::Newly,
            _ => return Err(RedisStoreError::Garbage("neither new nor known")),
        };
        let end = RedisCursor { epoch: text(epoch)?.into(), n: integer(n)?, id: text(id)? };
        // If something else is missing there, the next check is to notice that.
        let is_there = match seen {
            Seen::End { end, .. } if end.n > 0 => {
                matches!(&*entries_of(at)?, [entry] if entry.id == end.id && entry.n == Some(end.n))
            }
            _ => true,
        };
        if is_there {
            self.memory.reached(Some(end));
        }
        Ok(outcome)
    }

    /// The same, and waits until replicas have it. Also when it was there already: whoever wrote it may not have waited for it.
    async fn revoke_and_wait(
        &self,
        connection: &Connection,
        began: Instant,
        names: &[&str],
        arguments: &[&[u8]],
    ) -> Reply<Value> {
        let wanted = self.wait_replicas;
        let revoke = connection.script(&REVOKE);
        let ask = async |mut script: redis::Cmd| {
            // So that there is time left to hear how many there are.
            let wait = to_wait(self.timeout.saturating_sub(began.elapsed()) / 4 * 3);
            let mut commands = redis::pipe();
            commands.add_command(script.arg(arguments).clone());
            commands.cmd("WAIT").arg(wanted).arg(wait);
            connection.ask_all(&commands).await
        };
        let mut replies = ask(revoke.known(names)).await;
        if is_unknown_script(&replies) {
            replies = ask(revoke.whole(names)).await;
        }
        let [reply, confirmed] = replies?;
        let confirmed = connection.judge(integer(confirmed))?;
        if confirmed < wanted as u64 {
            return Err(RedisStoreError::Unconfirmed { wanted, confirmed });
        }
        Ok(reply)
    }
}
