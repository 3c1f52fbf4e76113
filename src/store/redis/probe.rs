//! Trying at the start what the store will need, so that rights that are missing are told then, and not to the first who logs out.

use redis::Value;

use super::{
    Shared,
    connection::Connection,
    error::{NO_WRITES, RedisStoreError, is_forbidden},
    reply::{Reply, array, text},
    script::{CHECK, PAGE, PROBE},
    state::START,
    to_wait,
};

impl Shared {
    /// Tries every command on the keys of the layout, as clients and as scripts send it, and changes nothing.
    pub(super) async fn probe(&self) -> Reply<()> {
        let connection = self.writes.connection().await?;
        let names = self.layout.names();
        // By its text, since a server forgets scripts.
        let failed = connection.ask(&connection.script(&PROBE).whole(&names)).await?;
        judge(array(failed)?)?;
        // By its hash. The keys are those of no token.
        let nobody = [START.as_bytes(), b""];
        connection.run(&CHECK, &names, &nobody).await?;
        connection.run(&PAGE, &names[..2], &[b"0", b"1"]).await?;
        self.probe_commands(&connection).await
    }

    /// What is sent beside scripts, as it is sent.
    async fn probe_commands(&self, connection: &Connection) -> Reply<()> {
        let mut question = redis::pipe();
        self.ask_for_role(&mut question);
        question.cmd("XREAD").arg("COUNT").arg(1).arg("BLOCK").arg(1);
        question.arg("STREAMS").arg(&self.layout.feed).arg(START);
        connection.ask_all::<2>(&question).await?;
        if self.wait_replicas > 0 {
            connection.ask(redis::cmd("WAIT").arg(0).arg(to_wait(std::time::Duration::ZERO))).await?;
        }
        Ok(())
    }
}

/// What the script could not do.
fn judge(failed: Vec<Value>) -> Reply<()> {
    let mut missing: Vec<String> = Vec::new();
    let mut failed = failed.into_iter();
    while let (Some(command), Some(said)) = (failed.next(), failed.next()) {
        let (command, said) = (text(command)?, text(said)?);
        if is_forbidden(&said) {
            if !missing.contains(&command) {
                missing.push(command);
            }
        } else if NO_WRITES.iter().any(|&code| said.contains(code)) {
            return Err(RedisStoreError::TakesNoWrites { said });
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(RedisStoreError::Missing { missing: missing.join(", ") }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(failed: &[&str]) -> String {
        let failed = failed.iter().map(|text| Value::BulkString(text.as_bytes().to_vec())).collect();
        judge(failed).err().map(|error| error.to_string()).unwrap_or_default()
    }

    /// In the words of Redis 6.2, Redis 7.0 and Valkey 9.1.
    #[test]
    fn what_is_missing_is_named_in_the_words_of_every_server() {
        for said in [
            "@user_script: 1: The user executing the script can't run this command or subcommand",
            "ERR The user executing the script can't run this command or subcommand",
            "ERR ACL failure in script: User u has no permissions to run the 'zadd' command",
            "@user_script: 1: Unknown Redis command called from Lua script",
            "ERR Unknown Redis command called from script",
            "ERR Unknown command called from script",
        ] {
            let error = judged(&["ZADD", said, "HLEN", said, "ZADD", said]);
            assert!(error.contains("run ZADD, HLEN in scripts") && error.contains("+zadd"), "{error}");
        }
        assert!(judged(&["ZREM", "NOREPLICAS Not enough good replicas to write."]).contains("min-replicas-to-write"));
        assert!(judged(&["ZREM", "-READONLY You can't write against a read only replica."]).contains("READONLY"));
        let id = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
        assert_eq!(judged(&["XADD", id]), "");
        assert_eq!(judged(&[]), "");
    }
}
