//! [`PreparedSql`]: a statement that connections prepare, because the server needs longer to plan
//! it than to run it.

use sha2::{Digest, Sha256};
use tokio_postgres::{Client, Error, error::SqlState};

use super::value::{Value, hex};

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
    /// Prepares a statement on this connection, unless that was done before or has been in vain.
    /// Returns whether it is prepared.
    pub(super) async fn has(&mut self, client: &Client, statement: &PreparedSql) -> bool {
        if self.is_impossible {
            return false;
        }
        if self.names.contains(&statement.name) {
            return true;
        }
        let is_prepared = match client.query_typed(&statement.prepare, &[]).await {
            Ok(_) => true,
            // After another error, its text is run, which explains it.
            Err(error) => error.code() == Some(&SqlState::DUPLICATE_PSTATEMENT),
        };
        if is_prepared {
            self.names.push(statement.name.clone());
        }
        is_prepared
    }

    pub(super) fn give_up(&mut self) {
        self.is_impossible = true;
    }
}

/// Whether the server has refused to run a prepared statement, and would run its text: it does not
/// know it, or its columns have changed.
pub(super) fn is_unprepared(error: &Error) -> bool {
    let codes = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::FEATURE_NOT_SUPPORTED];
    error.code().is_some_and(|code| codes.contains(code))
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
}
