//! Interpretation of a server's error text: its code, and whether a right is missing.

use std::fmt;

use redis::{ErrorKind, RedisError};

/// Displays the error of a server or of the operating system, without the duplicate name that the
/// `redis` crate adds to server errors.
pub(super) struct ServerText<'a>(pub(super) &'a RedisError);

impl fmt::Display for ServerText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.detail()) {
            (Some(code), Some(detail)) if self.0.kind() == ErrorKind::Extension => write!(f, "{code} {detail}"),
            _ => self.0.fmt(f),
        }
    }
}

/// The code of a server's error, or that of the inner error if a script has passed one on.
pub(in crate::store::redis) fn code(error: &RedisError) -> &str {
    let own = match error.kind() {
        ErrorKind::Server(_) | ErrorKind::Extension => error.code().unwrap_or_default(),
        _ => return "",
    };
    // Before Redis 7: `ERR Error running script (call to f_…): @user_script:12: -OOM command not
    // allowed …`
    let inner = error.detail().filter(|_| own == "ERR").and_then(|detail| detail.split_once(": -"));
    inner.and_then(|(_, inner)| inner.split(' ').next()).filter(|code| !code.is_empty()).unwrap_or(own)
}

/// Whether the text reports a missing right or an unknown command.
pub(in crate::store::redis) fn is_forbidden(text: &str) -> bool {
    const TEXTS: [&str; 8] = [
        "has no permissions to",
        "NOPERM",
        "NoPerm",
        "ACL failure in script",
        "can't run this command or subcommand",
        "unknown command",
        "Unknown Redis command",
        "Unknown command called from script",
    ];
    TEXTS.iter().any(|&part| text.contains(part))
}

/// Codes of errors of a server that rejects writes: too few replicas, a failing disk, or a replica.
pub(in crate::store::redis) const NO_WRITES: [&str; 3] = ["NOREPLICAS", "MISCONF", "READONLY"];

/// Whether the error comes from a replica, so that the connection leads to the wrong server.
pub(super) fn is_from_replica(text: &str) -> bool {
    text.to_ascii_uppercase().contains("READONLY")
}

#[cfg(test)]
pub(super) fn server_error(text: &str) -> RedisError {
    match redis::parse_redis_value(format!("-{text}\r\n").as_bytes()) {
        Ok(redis::Value::ServerError(error)) => error.into(),
        other => unreachable!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_that_of_the_inner_error() {
        for (text, expected) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
            ("READONLY You can't write against a read only replica.", "READONLY"),
            (
                "ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -OOM command not allowed",
                "OOM",
            ),
            (
                "ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -READONLY You can't",
                "READONLY",
            ),
            ("ERR value is not an integer or out of range", "ERR"),
            ("ERR something: -", "ERR"),
            ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS"),
        ] {
            assert_eq!(code(&server_error(text)), expected, "{text}");
        }
    }
}
