//! Tries all commands when the store connects, so that a missing right is reported then and not by
//! the first logout.

use std::time::Duration;

use redis::Value;

use super::{
    connection::Connection,
    error::{NO_WRITES, RedisStoreError, Result, is_forbidden},
    parse::{array, text},
    scripts::{CHECK, PROBE},
    shared::{Shared, wait_millis},
    state::LOG_START,
};

impl Shared {
    /// Tries every command on the keys of the layout, inside and outside of scripts, and changes
    /// nothing.
    pub(super) async fn verify_rights(&self) -> Result<()> {
        let connection = self.writes.get().await?;
        let names = self.layout.names();
        // Sent as text, so that `EVAL` is tried too.
        let failures = connection.send(&connection.script(&PROBE).by_text(&names)).await?;
        evaluate_failures(array(failures)?)?;
        // Sent by hash, with a key that no token has.
        let no_token = [LOG_START.as_bytes(), b""];
        connection.run(&CHECK, &names, &no_token).await?;
        self.try_commands(&connection).await
    }

    /// Tries the commands that are sent outside of scripts.
    async fn try_commands(&self, connection: &Connection) -> Result<()> {
        let mut request = redis::pipe();
        self.requirements.request_role(&mut request);
        request.cmd("XREAD").arg("COUNT").arg(1).arg("BLOCK").arg(1);
        request.arg("STREAMS").arg(&self.layout.log).arg(LOG_START);
        request.cmd("ZRANGE").arg(&self.layout.live).arg(0).arg(0).arg("REV").arg("WITHSCORES");
        request.cmd("HMGET").arg(&self.layout.issued_through).arg("");
        connection.send_all::<4>(&request).await?;
        if self.wait_replicas > 0 {
            connection.send(redis::cmd("WAIT").arg(0).arg(wait_millis(Duration::ZERO))).await?;
        }
        Ok(())
    }
}

/// Evaluates the reply of the script: each failed command, followed by its error.
fn evaluate_failures(failures: Vec<Value>) -> Result<()> {
    let mut missing: Vec<String> = Vec::new();
    let mut failures = failures.into_iter();
    while let (Some(command), Some(error)) = (failures.next(), failures.next()) {
        let (command, error) = (text(command)?, text(error)?);
        if is_forbidden(&error) {
            if !missing.contains(&command) {
                missing.push(command);
            }
        } else if NO_WRITES.iter().any(|&code| error.contains(code)) {
            return Err(RedisStoreError::NoWrites { text: error });
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(RedisStoreError::ForbiddenInScripts { commands: missing.join(", ") }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluated(failures: &[&str]) -> String {
        let failures = failures.iter().map(|text| Value::BulkString(text.as_bytes().to_vec())).collect();
        evaluate_failures(failures).err().map(|error| error.to_string()).unwrap_or_default()
    }

    /// The texts are those of Redis 6.2, Redis 7.0 and Valkey 9.1.
    #[test]
    fn missing_rights_are_named_whatever_the_server() {
        for error in [
            "@user_script: 1: The user executing the script can't run this command or subcommand",
            "ERR The user executing the script can't run this command or subcommand",
            "ERR ACL failure in script: User u has no permissions to run the 'zadd' command",
            "@user_script: 1: Unknown Redis command called from Lua script",
            "ERR Unknown Redis command called from script",
            "ERR Unknown command called from script",
        ] {
            let error = evaluated(&["ZADD", error, "HLEN", error, "ZADD", error]);
            assert!(error.contains("run ZADD, HLEN in scripts") && error.contains("+zadd"), "{error}");
        }
        assert!(
            evaluated(&["ZREM", "NOREPLICAS Not enough good replicas to write."]).contains("min-replicas-to-write")
        );
        assert!(evaluated(&["ZREM", "-READONLY You can't write against a read only replica."]).contains("READONLY"));
        let id = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
        assert_eq!(evaluated(&["XADD", id]), "");
        assert_eq!(evaluated(&[]), "");
    }
}
