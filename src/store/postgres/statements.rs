use super::schema::Schema;

/// The statements of a store, with its schema in them. What they mean is in `docs/postgres-layout.md`.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) check: String,
    pub(super) check_log: String,
    pub(super) revoke: String,
    pub(super) begin: String,
    pub(super) entries: String,
    pub(super) follow: String,
    pub(super) prune: String,
    pub(super) layout: String,
    pub(super) restored: String,
    pub(super) create_schema: String,
    pub(super) create_tables: String,
    pub(super) listen: String,
    /// The tables' names, as parameters.
    pub(super) state_table: String,
    pub(super) revocation_table: String,
}

impl Statements {
    pub(super) fn new(schema: &Schema) -> Self {
        // Which log it is, and how far, is asked in the same statement as what is in it.
        let of_the_log = |sql: &str| schema.apply(&sql.replace(":here", include_str!("sql/here.sql").trim_end()));
        Self {
            check: schema.apply(include_str!("sql/check.sql")),
            check_log: of_the_log(include_str!("sql/check_log.sql")),
            revoke: schema.apply(include_str!("sql/revoke.sql")),
            begin: of_the_log(include_str!("sql/begin.sql")),
            entries: of_the_log(include_str!("sql/entries.sql")),
            follow: of_the_log(include_str!("sql/follow.sql")),
            prune: schema.apply(include_str!("sql/prune.sql")),
            layout: schema.apply("select layout from tower_logout.state"),
            restored: schema.apply(include_str!("sql/restored.sql")),
            create_schema: schema.apply(include_str!("sql/schema.sql")),
            create_tables: schema.apply(include_str!("sql/layout.sql")),
            listen: schema.apply("listen tower_logout"),
            state_table: schema.apply("tower_logout.state"),
            revocation_table: schema.apply("tower_logout.revocation"),
        }
    }
}

/// The version of the layout that these statements are for.
pub(super) const LAYOUT: i32 = 1;

/// Wakes whoever listens. In a transaction of its own: in one that writes, it would be held up by all others that do the same.
pub(super) const NOTIFY: &str = "select pg_notify($1, '')";

pub(super) const SERVER: &str =
    "select current_setting('server_version_num')::integer, pg_is_in_recovery(), to_regclass($1) is not null";

/// One node at a time creates tables.
pub(super) const LOCK_MIGRATION: &str = "select pg_advisory_xact_lock(8390055908409634663)"; // "towerlog"

pub(super) const SCHEMA_EXISTS: &str = "select to_regnamespace($1) is not null, to_regclass($2) is not null";
