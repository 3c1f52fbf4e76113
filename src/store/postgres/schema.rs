use super::error::PostgresError;

/// The name of the schema that holds a store's tables, and of the channel that wakes its followers.
#[derive(Clone, Debug)]
pub(super) struct Schema(String);

impl Schema {
    pub(super) const DEFAULT: &str = "tower_logout";

    pub(super) fn new(name: &str) -> Result<Self, PostgresError> {
        // PostgreSQL would cut a longer name, and two schemas might become one.
        let fits = (1..=LONGEST).contains(&name.len()) && !name.contains('\0');
        if fits { Ok(Self(name.to_owned())) } else { Err(PostgresError::SchemaName) }
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }

    /// SQL as it stands in our files, with this schema in it.
    pub(super) fn apply(&self, sql: &str) -> String {
        sql.replace(Self::DEFAULT, &self.quoted())
    }
}

const LONGEST: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_bounded() {
        assert!(Schema::new("").is_err());
        assert!(Schema::new("a\0b").is_err());
        assert!(Schema::new(&"é".repeat(32)).is_err());
        assert!(Schema::new(&"x".repeat(63)).is_ok());
        let schema = Schema::new("a\"b.tower_logout");
        let sql = schema.map(|schema| schema.apply("select from tower_logout.state"));
        assert!(sql.is_ok_and(|sql| sql == "select from \"a\"\"b.tower_logout\".state"));
    }
}
