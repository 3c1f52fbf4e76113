//! [`PostgresStore`]: PostgreSQL, asked each time or followed.

mod announce;
mod connect;
mod cursor;
mod error;
mod here;
mod listener;
mod log;
mod migrate;
mod options;
mod pool;
mod prune;
mod rows;
mod schema;
mod sessions;
mod sqlstate;
mod start;
mod statements;
#[cfg(feature = "postgres-tls")]
mod tls;
mod unreachable;
mod witnesses;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio_postgres::types::{ToSql, Type};

use crate::{
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{RevocationStore, StoreError, upkeep::Upkeep},
};
use announce::Announcements;
use connect::Connector;
pub use cursor::PostgresCursor;
use error::PostgresError;
use here::{Here, check_layout};
use listener::Listener;
pub use options::PostgresStoreOptions;
use rows::to_column;
use schema::Schema;
use sessions::Sessions;
use statements::{CrashSign, Setup, Statements};
use witnesses::{Known, Witness, Witnesses};

/// Store that keeps revocations in PostgreSQL 13 or later, shared by any number of nodes.
///
/// A revocation is one statement, acknowledged once it is committed to the disk, and to the synchronous standbys if the
/// server has any, even where `synchronous_commit` is off for everything else. A check is one statement as well, whatever the
/// number of the token's keys. To answer checks from memory, follow the store with a [`Replica`](crate::Replica).
///
/// Each call fails when its [time](PostgresStoreOptions::timeout) is up, whatever the server does. A revocation may have been
/// written nevertheless: revoking again then reports [`Outcome::Already`].
///
/// Only the primary is asked. Of several hosts in the connection string, the first one that takes writes is used. An old
/// primary that still takes writes after a failover must be fenced: see
/// [what nobody can promise](#what-nobody-can-promise).
///
/// Servers that speak PostgreSQL's protocol but lack what the store needs (`CockroachDB`, `YugabyteDB`, Aurora DSQL and others)
/// are refused when it connects.
///
/// Cheap to clone. Clones share the connections, the background tasks, and what the store knows of its
/// tables.
///
/// # Tables and rights
///
/// [`migrate`](Self::migrate) creates the tables, and may be called by all nodes whenever they start. They hold hashes and
/// times, no tokens. A role that may not create tables needs these rights, which are tried when the store connects:
///
/// ```sql
/// grant usage on schema tower_logout to app;
/// grant select, insert, update, delete on tower_logout.revocation to app;
/// grant select, update on tower_logout.state to app;
/// ```
///
/// Revocations that have expired by the server's clock are deleted in the background. Other programs may read and write the
/// tables: `docs/postgres-layout.md`, included below, has the layout, the SQL, and an example in plain `psql`.
///
/// # When somebody else changes the tables
///
/// Every statement checks that no row is hidden from the role by row-level security, and that the tables are the ones that
/// the store needs; otherwise it is an error. A store that is used directly also remembers a few rows that it has seen, and
/// answers with an error, never with "not revoked", when they are gone because the table was emptied, replaced or put back
/// to an older state. It recovers when they are back. Starting the application anew accepts the loss. A
/// [`Replica`](crate::Replica) re-sends what it knows instead. The limits are listed under
/// [what cannot be noticed](#what-cannot-be-noticed).
///
/// # Connections
///
/// Connections are made on demand, up to [`connections`](PostgresStoreOptions::connections), and a replica listens on one
/// more. Where the server or a pooler gives fewer, calls wait for one of those there are, within their time. One is enough
/// for everything; a replica then polls.
///
/// # TLS
///
/// TLS needs the feature `postgres-tls` and `sslmode=require` in the connection string; the certificate and the host's name
/// are always verified. **Without it, nothing is encrypted**, not even if the server could. The application installs rustls'
/// crypto provider.
///
/// # PgBouncer
///
/// Everything except `LISTEN` works through PgBouncer in transaction mode; use
/// [`poll_only`](PostgresStoreOptions::poll_only). Statement mode is not supported.
///
/// # Examples
///
/// ```no_run
/// # async fn start() -> Result<(), tower_logout::StoreError> {
/// use tower_logout::{PostgresStore, Replica};
///
/// let store = PostgresStore::connect("postgres://app:secret@db.example/app?sslmode=require").await?;
/// store.migrate().await?;
/// let replica = Replica::start(store);
/// # Ok(())
/// # }
/// ```
///
/// ---
///
#[doc = include_str!("../../../docs/postgres-layout.md")]
#[derive(Clone, Debug)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    sessions: Sessions,
    setup: Setup,
    statements: Statements,
    statements_by_statistics: Statements,
    /// Which statements work on the server, once they were tried on the tables.
    tried: OnceLock<CrashSign>,
    trying: tokio::sync::Mutex<()>,
    witnesses: Witnesses,
    schema: Schema,
    channel: Arc<str>,
    timeout: Duration,
    poll_only: bool,
    /// Those that nobody waits on: one for each replica.
    listeners: Mutex<Vec<Listener>>,
    /// Until when there is polled, as there was no connection to listen on.
    no_listener_until: Mutex<Option<Instant>>,
    /// When a check last had all connections renewed.
    doubted: Mutex<Option<Instant>>,
    announcements: Arc<Announcements>,
    upkeep: Upkeep,
}

impl PostgresStore {
    /// Connects as a URL (`postgres://user:password@host:5432/database`) or `key=value` pairs say, with the schema
    /// `tower_logout` and calls of at most a second.
    ///
    /// If the tables exist, everything that the store will do is tried on them, in a transaction that is rolled back.
    ///
    /// # Errors
    ///
    /// [`StoreError`] that names the likely cause and the remedy, and where the store wanted to connect, but neither user nor
    /// password:
    ///
    /// * The server is not reached in time, refuses the connection, takes no writes, is older than PostgreSQL 13, or is not
    ///   PostgreSQL.
    /// * The role lacks a right; the `grant` statements are in the text.
    /// * Row-level security is in force on the tables, they are not as [`migrate`](Self::migrate) creates them, or they are of a
    ///   later version of this crate.
    /// * The connection string or an option cannot be used.
    ///
    /// That there are no tables yet is not an error, since `migrate` is called on a store that is connected; until then, each
    /// call is one that says so.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::options().connect(url).await
    }

    /// Makes a store without connecting, so that an application can start before its server is up.
    ///
    /// The first call connects, and every call is an error until it has worked. What [`connect`](Self::connect) tries at the
    /// start is tried then. A [`Replica`](crate::Replica) over such a store answers every check with an error until the server
    /// and its tables are there, and becomes ready by itself. [`migrate`](Self::migrate) can be called through
    /// [`Replica::log`](crate::Replica::log).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the connection string or an option cannot be used.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn start() -> Result<(), tower_logout::StoreError> {
    /// use std::{sync::Arc, time::Duration};
    /// use tower_logout::{PostgresStore, Replica};
    ///
    /// let store = PostgresStore::connect_lazily("postgres://app:secret@db.example/app?sslmode=require")?;
    /// let replica = Arc::new(Replica::start(store));
    /// let migrated = Arc::clone(&replica);
    /// tokio::spawn(async move {
    ///     while migrated.log().migrate().await.is_err() {
    ///         tokio::time::sleep(Duration::from_secs(1)).await;
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_lazily(url: &str) -> Result<Self, StoreError> {
        Self::options().connect_lazily(url)
    }

    /// What else can be chosen: the schema, how long a call may take, the number of connections, and how news are heard of.
    pub fn options() -> PostgresStoreOptions {
        PostgresStoreOptions::default()
    }

    async fn connect_with(url: &str, options: &PostgresStoreOptions) -> Result<Self, StoreError> {
        let store = Self::connect_lazily_with(url, options)?;
        let shared = &store.shared;
        shared.bounded("open", async { shared.ready().await.map(drop) }).await?;
        Ok(store)
    }

    fn connect_lazily_with(url: &str, options: &PostgresStoreOptions) -> Result<Self, StoreError> {
        let shared = Shared::new(url, options).map_err(|error| failed("open", error))?;
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Shared {
    fn new(url: &str, options: &PostgresStoreOptions) -> Result<Self, PostgresError> {
        let schema = Schema::new(&options.schema)?;
        Ok(Self {
            sessions: Sessions::new(Connector::new(url, options)?, options.connections)?,
            setup: Setup::new(&schema),
            statements: Statements::new(&schema, CrashSign::ReplayedThrough),
            statements_by_statistics: Statements::new(&schema, CrashSign::StatisticsReset),
            tried: OnceLock::new(),
            trying: tokio::sync::Mutex::default(),
            witnesses: Witnesses::default(),
            channel: schema.name().into(),
            schema,
            timeout: options.timeout,
            poll_only: options.poll_only,
            listeners: Mutex::default(),
            no_listener_until: Mutex::default(),
            doubted: Mutex::default(),
            announcements: Arc::default(),
            upkeep: Upkeep::default(),
        })
    }

    /// Does something that may take the store's time and no longer.
    async fn bounded<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, PostgresError>>,
    ) -> Result<T, StoreError> {
        self.bounded_by(self.timeout, operation, work).await
    }

    async fn bounded_by<T>(
        &self,
        patience: Duration,
        operation: &'static str,
        work: impl Future<Output = Result<T, PostgresError>>,
    ) -> Result<T, StoreError> {
        let done = tokio::time::timeout(patience, work).await.unwrap_or_else(|_| {
            let pool = self.sessions.pool();
            pool.close_idle();
            Err(match pool.refusal() {
                Some(source) if source.is_for_want_of_connections() => PostgresError::NoneFree { patience, source },
                _ => PostgresError::TimedOut { target: pool.connector().target().clone(), patience },
            })
        });
        done.map_err(|error| failed(operation, error.about(self.schema.name())))
    }

    /// Connects everything anew: after a failover behind a name, some connections may lead to the old server and some to the new one.
    fn renew(&self) {
        self.sessions.pool().renew();
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The same, once in a while: until a replica has read another log, each check finds it.
    fn renew_sometimes(&self) {
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if doubted.is_none_or(|doubted| doubted.elapsed() >= RENEWAL_INTERVAL) {
            *doubted = Some(Instant::now());
            self.renew();
        }
    }

    fn not_migrated(&self) -> PostgresError {
        PostgresError::NotMigrated(self.schema.name().to_owned())
    }

    /// How long a statement waits for others, in the server.
    fn lock_timeout(&self) -> String {
        format!("{}ms", self.timeout.as_millis().clamp(1, i32::MAX as u128))
    }

    async fn write(&self, revocation: &Revocation) -> Result<Outcome, PostgresError> {
        let statements = self.ready().await?;
        let key = revocation.key();
        let key: &[u8] = key.as_bytes();
        let issued_through = to_column(revocation.issued_through());
        let retain_until = to_column(revocation.retain_until());
        let lock_timeout = self.lock_timeout();
        let params = [
            (&key as _, Type::BYTEA),
            (&issued_through as _, Type::INT8),
            (&retain_until as _, Type::INT8),
            (&lock_timeout as _, Type::TEXT),
        ];
        // What another has committed meanwhile is seen the second time.
        for _ in 0..2 {
            let (rows, lease) = self.sessions.write(&statements.revoke, &params).await?;
            let row = rows.first().ok_or_else(|| self.not_migrated())?;
            if row.try_get("narrowed")? {
                return Err(PostgresError::Narrowed(self.schema.name().to_owned()));
            }
            let layout: Option<i32> = row.try_get("layout")?;
            check_layout(layout.ok_or_else(|| self.not_migrated())?)?;
            if row.try_get("stored")? {
                self.witnesses.written(Witness { key: key.to_vec(), issued_through, retain_until });
                let newly: Option<bool> = row.try_get("newly")?;
                if newly.is_some() {
                    self.announcements.tell(lease, Arc::clone(&self.channel), self.timeout);
                }
                return Ok(if newly == Some(true) { Outcome::Newly } else { Outcome::Already });
            }
        }
        Err(PostgresError::NotStored)
    }

    async fn ask(&self, token: &TokenIdentity) -> Result<bool, PostgresError> {
        let known = self.witnesses.known();
        let (here, revoked) = self.ask_about(token, &known).await?;
        // What is found was not lost.
        if revoked {
            return Ok(true);
        }
        self.witnesses.judge(&known, &here).map(|()| false)
    }

    /// Whether a token is revoked, and what says so.
    async fn ask_about(&self, token: &TokenIdentity, known: &Known) -> Result<(Here, bool), PostgresError> {
        let statements = self.ready().await?;
        let (asked, token) = (known.asked(), Token::new(token));
        let params: Vec<_> = asked.params().into_iter().chain(token.params()).collect();
        let (rows, _) = self.sessions.query(&statements.ask, &params).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        Ok((Here::read(row, self.schema.name())?, row.try_get("revoked")?))
    }
}

fn failed(operation: &'static str, error: PostgresError) -> StoreError {
    let kind = error.kind();
    StoreError::new(operation, error).with_kind(kind)
}

const RENEWAL_INTERVAL: Duration = Duration::from_secs(1);

/// What is asked about a token.
struct Token<'a> {
    keys: Vec<&'a [u8]>,
    issued_at: i64,
    retain_until: i64,
}

impl<'a> Token<'a> {
    fn new(token: &'a TokenIdentity) -> Self {
        Self {
            keys: token.keys().iter().map(|key| &key.as_bytes()[..]).collect(),
            issued_at: to_column(token.issued_at()),
            retain_until: to_column(token.retain_until()),
        }
    }

    fn params(&self) -> [(&(dyn ToSql + Sync), Type); 3] {
        [(&self.keys, Type::BYTEA_ARRAY), (&self.issued_at, Type::INT8), (&self.retain_until, Type::INT8)]
    }
}

#[async_trait]
impl RevocationStore for PostgresStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let outcome = self.shared.bounded("revoke", self.shared.write(revocation)).await?;
        self.shared.keep_house();
        Ok(outcome)
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.shared.bounded("check", self.shared.ask(token)).await
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .field("poll_only", &self.poll_only)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
