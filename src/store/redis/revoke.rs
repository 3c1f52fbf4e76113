use tokio::time::Instant;

use super::{
    Shared,
    connection::is_unknown_script,
    error::RedisStoreError,
    layout::to_redis,
    link::Link,
    reply::{Reply, integer},
    script::{REVOKE, new_epoch},
    server::CONFIRMED_FOR,
    to_wait,
};
use crate::revocation::{Outcome, Revocation};

impl Shared {
    /// Has the server join a revocation. Never sent twice: the second time it would be told `Already`.
    pub(super) async fn revoke(&self, revocation: &Revocation) -> Reply<Outcome> {
        let names = [&*self.layout.live, &self.layout.through, &self.layout.feed, &self.layout.meta];
        let key = revocation.key();
        let through = to_redis(revocation.issued_through()).to_string();
        let until = to_redis(revocation.retain_until()).to_string();
        let epoch = new_epoch();
        let touch = if self.writes.is_some() { "1" } else { "0" };
        let arguments = [&key.as_bytes()[..], through.as_bytes(), until.as_bytes(), epoch.as_bytes(), touch.as_bytes()];
        let (connection, reply) = match &self.writes {
            None => {
                let connection = self.commands.connection().await?;
                self.server.confirm(&connection, CONFIRMED_FOR).await?;
                let reply = connection.run(&REVOKE, &names, &arguments).await?;
                (connection, reply)
            }
            Some(link) => self.revoke_and_wait(link, &names, &arguments).await?,
        };
        connection.judge(match integer(reply)? {
            0 => Ok(Outcome::Already),
            1 => Ok(Outcome::Newly),
            _ => Err(RedisStoreError::Garbage("neither new nor known")),
        })
    }

    /// The same, and waits until replicas have it. Also when it was there already: whoever wrote it may not have waited for it.
    async fn revoke_and_wait(
        &self,
        link: &Link,
        names: &[&str],
        arguments: &[&[u8]],
    ) -> Reply<(super::Connection, redis::Value)> {
        let wanted = self.wait_replicas;
        let began = Instant::now();
        let connection = link.connection().await?;
        self.server.confirm(&connection, CONFIRMED_FOR).await?;
        let ask = async |mut script: redis::Cmd| {
            // So that there is time left to hear how many there are.
            let wait = to_wait(self.timeout.saturating_sub(began.elapsed()) / 4 * 3);
            let mut commands = redis::pipe();
            commands.add_command(script.arg(arguments).clone());
            commands.cmd("WAIT").arg(wanted).arg(wait);
            connection.ask_all(&commands).await
        };
        let mut replies = ask(REVOKE.known(names)).await;
        if is_unknown_script(&replies) {
            replies = ask(REVOKE.whole(names)).await;
        }
        let [reply, confirmed] = replies?;
        let confirmed = connection.judge(integer(confirmed))?;
        if confirmed < wanted as u64 {
            return Err(RedisStoreError::Unconfirmed { wanted, confirmed });
        }
        Ok((connection, reply))
    }
}
