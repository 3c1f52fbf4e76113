//! [`PostgresStore`]: PostgreSQL, asked each time or followed.

mod announce;
mod connect;
mod cursor;
mod error;
mod listener;
mod log;
mod migrate;
mod options;
mod prune;
mod rows;
mod schema;
mod sessions;
mod statements;
#[cfg(feature = "postgres-tls")]
mod tls;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio_postgres::{
    Config,
    types::{ToSql, Type},
};

use crate::{
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{RevocationStore, StoreError, upkeep::Upkeep},
};
use announce::Announcements;
use connect::Connector;
pub use cursor::PostgresCursor;
use cursor::{check_layout, check_server};
use error::PostgresError;
use listener::Listener;
pub use options::PostgresStoreOptions;
use rows::to_column;
use schema::Schema;
use sessions::Sessions;
use statements::Statements;

/// Remembers revocations in PostgreSQL 13 or later, which any number of nodes share.
///
/// A revocation is one statement, and is answered once it is committed to the disk, and to the synchronous standbys if the server has such,
/// even where `synchronous_commit` is off for all else. A check is one statement, whatever the number of the token's keys. For checks that are answered from memory, follow it with
/// a [`Replica`](crate::Replica).
///
/// Each call is an error when its [time](PostgresStoreOptions::timeout) is up, whatever the server does. A revocation may have been written nevertheless: revoking
/// again then tells [`Outcome::Already`].
///
/// Only the primary is asked. Of several hosts in the connection string, the first one that takes writes is used. An old primary that still takes writes after a
/// failover must be fenced: see [what nobody can promise](#what-nobody-can-promise).
///
/// # Tables
///
/// [`migrate`](Self::migrate) creates them, and may be called by all nodes whenever they start. They hold hashes and times, no tokens. A user who
/// may not create tables needs `usage` on the schema, and `select`, `insert`, `update` and `delete` on the tables.
/// What has expired by the server's clock is deleted in the background.
///
/// Other programs may read and write them: `docs/postgres-layout.md` has the layout, the SQL, and an example in plain `psql`; it stands below, too.
///
/// # TLS
///
/// With the feature `postgres-tls` and `sslmode=require` in the connection string; the certificate and the host's name are always verified. **Without
/// it, nothing is encrypted**, not even if the server could. The application installs rustls' crypto provider.
///
/// # PgBouncer
///
/// All of it works through PgBouncer in transaction mode but listening: see [`poll_only`](PostgresStoreOptions::poll_only).
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
#[derive(Debug)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    sessions: Sessions,
    statements: Statements,
    schema: Schema,
    channel: Arc<str>,
    timeout: Duration,
    poll_only: bool,
    connector: Connector,
    config: Config,
    /// Those that nobody waits on: one for each replica.
    listeners: Mutex<Vec<Listener>>,
    /// When a check last had all connections renewed.
    doubted: Mutex<Option<Instant>>,
    announcements: Arc<Announcements>,
    upkeep: Upkeep,
}

impl PostgresStore {
    /// Connects, as a URL (`postgres://user:password@host:5432/database`) or `key=value` pairs say, with the schema `tower_logout` and calls of at most a second.
    ///
    /// # Errors
    ///
    /// [`StoreError`] whose source says what is wrong, if the server is not reached in time, is older than PostgreSQL 13 or no primary, if the tables are of a
    /// later version of this crate, or if the connection string or an option cannot be used. No error holds the password. That there are no tables yet is not one.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::options().connect(url).await
    }

    /// What else can be chosen: the schema, how long a call may take, the number of connections, and how news are heard of.
    pub fn options() -> PostgresStoreOptions {
        PostgresStoreOptions::default()
    }

    async fn connect_with(url: &str, options: PostgresStoreOptions) -> Result<Self, StoreError> {
        let shared = Shared::new(url, &options).map_err(|error| StoreError::new("open", error))?;
        shared.bounded("open", shared.check_server()).await?;
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Shared {
    fn new(url: &str, options: &PostgresStoreOptions) -> Result<Self, PostgresError> {
        let schema = Schema::new(&options.schema)?;
        let config = connect::config(url, options)?;
        let connector = Connector::new(&config, options)?;
        Ok(Self {
            sessions: Sessions::new(config.clone(), connector.clone(), options.connections, options.timeout)?,
            statements: Statements::new(&schema),
            channel: schema.name().into(),
            schema,
            timeout: options.timeout,
            poll_only: options.poll_only,
            connector,
            config,
            listeners: Mutex::default(),
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
            self.sessions.suspect();
            Err(PostgresError::TimedOut(patience))
        });
        done.map_err(|error| StoreError::new(operation, error.about(self.schema.name())))
    }

    /// Connects everything anew: after a failover behind a name, some connections may lead to the old server and some to the new one.
    fn renew(&self) {
        self.sessions.renew();
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

    async fn write(&self, revocation: &Revocation) -> Result<Outcome, PostgresError> {
        let key = revocation.key();
        let key: &[u8] = key.as_bytes();
        let issued_through = to_column(revocation.issued_through());
        let retain_until = to_column(revocation.retain_until());
        let lock_timeout = format!("{}ms", self.timeout.as_millis().clamp(1, i32::MAX as u128));
        let params = [
            (&key as _, Type::BYTEA),
            (&issued_through as _, Type::INT8),
            (&retain_until as _, Type::INT8),
            (&lock_timeout as _, Type::TEXT),
        ];
        let (rows, lease) = self.sessions.write(&self.statements.revoke, &params).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        check_layout(row.try_get(0)?)?;
        let newly: Option<bool> = row.try_get(1)?;
        if newly.is_some() {
            self.announcements.tell(lease, Arc::clone(&self.channel), self.timeout);
        }
        Ok(if newly == Some(true) { Outcome::Newly } else { Outcome::Already })
    }

    async fn ask(&self, token: &TokenIdentity) -> Result<bool, PostgresError> {
        let token = Token::new(token);
        let (rows, _) = self.sessions.query(&self.statements.check, &token.params()).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        check_server(row)?;
        Ok(row.try_get(2)?)
    }
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
