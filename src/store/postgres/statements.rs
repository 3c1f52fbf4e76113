//! The SQL statements for the schema of a store. `docs/postgres-layout.md` explains them.

use super::{prepared::PreparedSql, schema::Schema};

/// The statements that work with revocations.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) is_revoked: String,
    pub(super) find: String,
    pub(super) revoke: PreparedSql,
    pub(super) revoke_all: PreparedSql,
    pub(super) snapshot_start: String,
    pub(super) snapshot: String,
    pub(super) follow: PreparedSql,
    pub(super) prune: String,
}

impl Statements {
    pub(super) fn new(schema: &Schema, crash_marker: CrashMarker) -> Self {
        let status = include_str!("sql/status.sql").trim_end().replace(":crash", crash_marker.sql());
        let with_status = |sql: &str| schema.apply(&sql.replace(":status", &status));
        let prepared = |sql: &str, types| PreparedSql::new(with_status(sql), types);
        Self {
            is_revoked: with_status(include_str!("sql/is_revoked.sql")),
            find: with_status(include_str!("sql/find.sql")),
            revoke: prepared(include_str!("sql/revoke.sql"), "bytea, bigint, bigint, text"),
            revoke_all: prepared(include_str!("sql/revoke_all.sql"), "bytea[], bigint[], bigint[], text"),
            snapshot_start: with_status(include_str!("sql/snapshot_start.sql")),
            snapshot: schema.apply(include_str!("sql/snapshot.sql")),
            follow: prepared(
                include_str!("sql/follow.sql"),
                "bytea[], bigint[], bigint[], text, text[], text, bytea, text, bytea, bigint",
            ),
            prune: schema.apply(include_str!("sql/prune.sql")),
        }
    }
}

/// The value that changes when a server has recovered from a crash, after which it may assign the
/// numbers of lost transactions again.
#[derive(Clone, Copy, Debug)]
pub(super) enum CrashMarker {
    /// The position up to which the write-ahead log was replayed. Only a recovery changes it.
    ReplayedThrough,
    /// The time at which the statistics were reset, for servers without the replay position. A
    /// manual reset is taken for a crash.
    StatisticsReset,
}

impl CrashMarker {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::ReplayedThrough => "pg_last_wal_replay_lsn()",
            Self::StatisticsReset => "extract(epoch from pg_stat_get_bgwriter_stat_reset_time())",
        }
    }
}

/// The statements that set a store up.
#[derive(Debug)]
pub(super) struct SetupStatements {
    pub(super) server: String,
    pub(super) missing_rights: String,
    pub(super) layout: String,
    pub(super) existing: String,
    pub(super) restored: String,
    pub(super) create_schema: String,
    pub(super) create_tables: String,
    pub(super) listen: String,
}

impl SetupStatements {
    pub(super) fn new(schema: &Schema) -> Self {
        Self {
            server: schema.apply(include_str!("sql/server.sql")),
            missing_rights: schema.apply(include_str!("sql/missing_rights.sql")),
            layout: schema.apply("select layout from tower_logout.state"),
            existing: schema.apply(
                "select to_regnamespace('tower_logout') is not null, to_regclass('tower_logout.state') is not null",
            ),
            restored: schema.apply(include_str!("sql/restored.sql")),
            create_schema: schema.apply(include_str!("sql/schema.sql")),
            create_tables: schema.apply(include_str!("sql/layout.sql")),
            listen: schema.apply("listen tower_logout"),
        }
    }
}

/// Wakes the listeners on the channel `$1`. It runs in a separate transaction, because transactions
/// that write and notify commit one after the other.
pub(super) const NOTIFY: &str = "select pg_notify($1, '')";

/// Makes nodes create tables one at a time. The number spells "towerlog".
pub(super) const LOCK_MIGRATION: &str = "select pg_advisory_xact_lock(8390055908409634663)";
