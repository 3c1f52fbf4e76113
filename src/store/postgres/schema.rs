//! [`Schema`]: the schema that contains the tables of a store.

use super::error::PostgresError;

/// The name of a schema, which is also the name of the channel that followers listen on.
#[derive(Clone, Debug)]
pub(super) struct Schema(String);

impl Default for Schema {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl Schema {
    pub(super) const DEFAULT: &str = "tower_logout";

    pub(super) fn new(name: &str) -> Result<Self, PostgresError> {
        // PostgreSQL truncates longer names, so that two names could denote one schema. Names that
        // begin with `pg_` are reserved: `pg_temp` is a different schema in each connection.
        let is_valid = (1..=MAX_LEN).contains(&name.len()) && !name.contains('\0') && !name.starts_with("pg_");
        if is_valid { Ok(Self(name.to_owned())) } else { Err(PostgresError::SchemaName) }
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }

    /// Replaces the default schema by this one, both in identifiers and in literals such as
    /// `'tower_logout.state'`.
    pub(super) fn apply(&self, sql: &str) -> String {
        let mut parts = sql.split(Self::DEFAULT);
        let mut applied = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let quoted = self.quoted();
            applied.push_str(&if applied.ends_with('\'') { quoted.replace('\'', "''") } else { quoted });
            applied.push_str(part);
        }
        applied
    }
}

/// `NAMEDATALEN` of PostgreSQL, without the terminating zero byte.
const MAX_LEN: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_bounded() {
        assert!(Schema::new("").is_err());
        assert!(Schema::new("a\0b").is_err());
        assert!(Schema::new("pg_temp").is_err());
        assert!(Schema::new(&"é".repeat(32)).is_err());
        assert!(Schema::new(&"x".repeat(63)).is_ok());
        let schema = Schema::new("a\"b.tower_logout");
        let sql = schema.map(|schema| schema.apply("select from tower_logout.state"));
        assert!(sql.is_ok_and(|sql| sql == "select from \"a\"\"b.tower_logout\".state"));
        let schema = Schema::new("it's");
        let sql = schema.map(|schema| schema.apply("select 'tower_logout.state'::regclass from tower_logout.state"));
        assert!(sql.is_ok_and(|sql| sql == "select '\"it''s\".state'::regclass from \"it's\".state"));
    }
}
