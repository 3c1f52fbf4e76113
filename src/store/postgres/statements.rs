use super::schema::Schema;

/// The statements of a store, with its schema in them. What they mean is in `docs/postgres-layout.md`.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) ask: String,
    pub(super) revoke: String,
    pub(super) begin: String,
    pub(super) entries: String,
    pub(super) follow: String,
    pub(super) prune: String,
}

impl Statements {
    pub(super) fn new(schema: &Schema, crash: CrashSign) -> Self {
        // Which log it is, and how far, is asked in the same statement as what is in it.
        let here = include_str!("sql/here.sql").trim_end().replace(":crash", crash.sql());
        let of_the_log = |sql: &str| schema.apply(&sql.replace(":here", &here));
        Self {
            ask: of_the_log(include_str!("sql/ask.sql")),
            revoke: schema.apply(include_str!("sql/revoke.sql")),
            begin: of_the_log(include_str!("sql/begin.sql")),
            entries: of_the_log(include_str!("sql/entries.sql")),
            follow: of_the_log(include_str!("sql/follow.sql")),
            prune: schema.apply(include_str!("sql/prune.sql")),
        }
    }
}

/// What shows that a server has recovered from a crash, after which it may give numbers of transactions again.
#[derive(Clone, Copy, Debug)]
pub(super) enum CrashSign {
    /// Up to where the log was replayed: another place after each crash, and changed by nothing else.
    ReplayedThrough,
    /// When the statistics were reset, for servers that do not tell the former. Resetting them looks like a crash.
    StatisticsReset,
}

impl CrashSign {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::ReplayedThrough => "pg_last_wal_replay_lsn()",
            Self::StatisticsReset => "extract(epoch from pg_stat_get_bgwriter_stat_reset_time())",
        }
    }
}

/// The statements that set a store up.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) server: String,
    pub(super) rights: String,
    pub(super) layout: String,
    pub(super) there: String,
    pub(super) restored: String,
    pub(super) create_schema: String,
    pub(super) create_tables: String,
    pub(super) listen: String,
}

impl Setup {
    pub(super) fn new(schema: &Schema) -> Self {
        Self {
            server: schema.apply(include_str!("sql/server.sql")),
            rights: schema.apply(include_str!("sql/rights.sql")),
            layout: schema.apply("select layout from tower_logout.state"),
            there: schema.apply(
                "select to_regnamespace('tower_logout') is not null, to_regclass('tower_logout.state') is not null",
            ),
            restored: schema.apply(include_str!("sql/restored.sql")),
            create_schema: schema.apply(include_str!("sql/schema.sql")),
            create_tables: schema.apply(include_str!("sql/layout.sql")),
            listen: schema.apply("listen tower_logout"),
        }
    }
}

/// The version of the layout that these statements are for.
pub(super) const LAYOUT: i32 = 1;

/// Wakes whoever listens. In a transaction of its own: in one that writes, it would be held up by all others that do the same.
pub(super) const NOTIFY: &str = "select pg_notify($1, '')";

/// One node at a time creates tables.
pub(super) const LOCK_MIGRATION: &str = "select pg_advisory_xact_lock(8390055908409634663)"; // "towerlog"
