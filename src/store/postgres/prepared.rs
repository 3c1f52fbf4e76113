//! [`PreparedSql`]: a statement that connections prepare, because the server needs longer to plan
//! it than to run it.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use tokio_postgres::{
    Error,
    error::SqlState,
    types::{ToSql, Type},
};

/// A statement under a name that is derived from its text.
///
/// A pooler may lead each transaction to another connection of the server. There, either another
/// client has prepared the statement, or an error says that it is unknown. Another statement never
/// has its name, as it could with the numbers that a client library gives.
#[derive(Debug)]
pub(super) struct PreparedSql {
    text: String,
    name: String,
    prepare: String,
}

impl PreparedSql {
    pub(super) fn new(text: String, types: &str) -> Self {
        let hash = Sha256::new().chain_update(types).chain_update([0]).chain_update(&text).finalize();
        let name = format!("tower_logout_{}", hex(&hash[..16]));
        let prepare = format!("prepare {name} ({types}) as {text}");
        Self { text, name, prepare }
    }

    /// The statement itself, with parameters.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn prepare(&self) -> &str {
        &self.prepare
    }

    /// Runs the statement that was prepared. `execute` takes no parameters, only literals.
    pub(super) fn execute(&self, values: &[Value<'_>]) -> String {
        let literals: Vec<_> = values.iter().map(Value::literal).collect();
        format!("execute {} ({})", self.name, literals.join(", "))
    }
}

/// The statements that a connection has prepared.
#[derive(Default)]
pub(super) struct Prepared {
    names: Vec<String>,
    /// Whether the connection leads through a pooler that changes the server's connection.
    is_impossible: bool,
}

impl Prepared {
    /// Whether the statement is prepared; `None` if it can be.
    pub(super) fn has(&self, statement: &PreparedSql) -> Option<bool> {
        if self.is_impossible {
            return Some(false);
        }
        self.names.contains(&statement.name).then_some(true)
    }

    pub(super) fn add(&mut self, statement: &PreparedSql) {
        self.names.push(statement.name.clone());
    }

    pub(super) fn give_up(&mut self) {
        self.is_impossible = true;
    }
}

/// A parameter, or a literal in its place.
pub(super) enum Value<'a> {
    Key(&'a [u8]),
    Keys(Vec<&'a [u8]>),
    Instant(i64),
    Instants(Vec<i64>),
    /// Without quotes and backslashes.
    Setting(&'a str),
}

impl Value<'_> {
    pub(super) fn param(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Key(key) => (key, Type::BYTEA),
            Self::Keys(keys) => (keys, Type::BYTEA_ARRAY),
            Self::Instant(instant) => (instant, Type::INT8),
            Self::Instants(instants) => (instants, Type::INT8_ARRAY),
            Self::Setting(text) => (text, Type::TEXT),
        }
    }

    /// Without backslashes, whose meaning depends on `standard_conforming_strings`.
    fn literal(&self) -> String {
        let key = |key: &&[u8]| format!("decode('{}', 'hex')", hex(key));
        match self {
            Self::Key(bytes) => key(bytes),
            Self::Keys(keys) => format!("array[{}]::bytea[]", keys.iter().map(key).collect::<Vec<_>>().join(", ")),
            Self::Instant(instant) => instant.to_string(),
            Self::Instants(instants) => {
                format!("'{{{}}}'", instants.iter().map(i64::to_string).collect::<Vec<_>>().join(","))
            }
            Self::Setting(text) => format!("'{text}'"),
        }
    }
}

/// Whether the statement that was to be prepared is known by this name already.
pub(super) fn is_prepared(error: &Error) -> bool {
    error.code() == Some(&SqlState::DUPLICATE_PSTATEMENT)
}

/// Whether the server has refused to run a prepared statement, and would run its text: it does not
/// know it, or its columns have changed.
pub(super) fn is_unprepared(error: &Error) -> bool {
    let codes = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::FEATURE_NOT_SUPPORTED];
    error.code().is_some_and(|code| codes.contains(code))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_statement_tells_its_text() {
        let [one, same, other] =
            ["select $1", "select $1", "select $1 "].map(|text| PreparedSql::new(text.into(), "text"));
        assert_eq!(one.name, same.name);
        assert_ne!(one.name, other.name);
        assert_ne!(one.name, PreparedSql::new("select $1".into(), "bigint").name);
        assert!(one.name.len() <= 63, "the server would shorten it");
    }

    #[test]
    fn literals_have_no_backslash() {
        let statement = PreparedSql::new("select".into(), "");
        let values = [
            Value::Key(&[0, 0x5c, 0x27, 0xff]),
            Value::Keys(vec![&[1], &[0x22]]),
            Value::Keys(Vec::new()),
            Value::Instant(i64::MAX),
            Value::Instants(vec![0, 7]),
            Value::Setting("50ms"),
        ];
        let expected = "decode('005c27ff', 'hex'), array[decode('01', 'hex'), decode('22', 'hex')]::bytea[], \
                        array[]::bytea[], 9223372036854775807, '{0,7}', '50ms'";
        assert_eq!(statement.execute(&values), format!("execute {} ({expected})", statement.name));
    }
}
