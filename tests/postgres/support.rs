//! What the tests of `PostgresStore` share.

use std::{
    collections::HashSet,
    error::Error,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use test_support::servers::{PostgresOptions, PostgresServer};
use tokio::{sync::Mutex, time::sleep};
use tokio_postgres::NoTls;
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{FollowError, Followed, PostgresCursor, PostgresStoreOptions, RevocationLog, SnapshotSink, StoreError},
};

pub(super) const ISSUER: &str = "https://postgres.example";

/// The year 2100, in seconds.
pub(super) const FAR: u64 = 4_102_444_800;

/// Longer than any call takes on a busy machine, unless it hangs.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// A longer timeout than the default: the tests run in parallel, on a machine that may be busy.
pub(super) fn options() -> PostgresStoreOptions {
    PostgresStore::options().timeout(SOON)
}

/// The server that all tests share; it runs as long as any of them holds it.
pub(super) async fn server() -> Arc<PostgresServer> {
    static SERVER: Mutex<Weak<PostgresServer>> = Mutex::const_new(Weak::new());
    let mut shared = SERVER.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let options = PostgresOptions { extra: vec!["max_connections=300".into()], ..PostgresOptions::default() };
    let server = Arc::new(PostgresServer::start(options).await);
    *shared = Arc::downgrade(&server);
    server
}

/// A store or its replica, and the location of its tables.
pub(super) struct Served<S> {
    pub(super) store: S,
    pub(super) server: Arc<PostgresServer>,
    pub(super) schema: String,
    pub(super) database: String,
    pub(super) url: String,
}

pub(super) async fn served(options: PostgresStoreOptions) -> Served<PostgresStore> {
    let server = server().await;
    let (url, schema) = (server.url(), own_schema());
    let store = options.schema(&schema).connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    Served { store, server, schema, database: "app".to_owned(), url }
}

/// A store in a database that these statements set up.
pub(super) async fn served_in_own_database(settings: &str) -> Served<PostgresStore> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let server = server().await;
    let database = format!("database_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.psql(&format!("create database {database}")).await;
    server.psql(&settings.replace("{database}", &database)).await;
    let url = format!("postgres://app@127.0.0.1:{}/{database}", server.port());
    let schema = "tower_logout".to_owned();
    Served { store: connect(&url, &schema).await, server, schema, database, url }
}

pub(super) async fn connect(url: &str, schema: &str) -> PostgresStore {
    let store = options().schema(schema).connect(url).await.unwrap();
    store.migrate().await.unwrap();
    store
}

impl<S> Served<S> {
    /// Runs SQL with `{schema}` replaced, and returns the first value of the last result, if any.
    pub(super) async fn sql(&self, sql: &str) -> String {
        let client = self.client().await;
        let messages = client.simple_query(&sql.replace("{schema}", &quoted(&self.schema))).await.unwrap();
        let row = messages.iter().rev().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        row.unwrap_or_default().to_owned()
    }

    pub(super) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Kills a server process, so that the server restarts from what is on disk and may reuse
    /// transaction numbers.
    pub(super) async fn crash(&self) {
        let client = self.client().await;
        let process: i32 = client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
        let killed = std::process::Command::new("sh").args(["-c", &format!("kill -KILL {process}")]).status().unwrap();
        assert!(killed.success());
        client.query("select pg_sleep(60)", &[]).await.unwrap_err();
        until("it has recovered", async || self.server.try_psql("select 1").await.is_ok()).await;
    }

    /// The cursor of a new snapshot.
    pub(super) async fn again(&self, log: &Arc<PostgresStore>) -> PostgresCursor {
        let log = Observed::new(Arc::clone(log));
        let _replica = Replica::start(Arc::clone(&log));
        log.cursor().await
    }
}

impl Served<PostgresStore> {
    pub(super) async fn replica(self) -> Served<Replica<PostgresStore>> {
        let store = Replica::start(self.store);
        store.ready().await.unwrap();
        Served { store, server: self.server, schema: self.schema, database: self.database, url: self.url }
    }

    /// A second store of the same kind, and the cursor to follow it from.
    pub(super) async fn cursor(&self) -> (Arc<PostgresStore>, PostgresCursor) {
        let polls = format!("{:?}", self.store).contains("poll_only: true");
        let options = options().schema(&self.schema);
        let options = if polls { options.poll_only() } else { options };
        cursor_of(options.connect(&self.url).await.unwrap()).await
    }
}

pub(super) async fn cursor_of(store: PostgresStore) -> (Arc<PostgresStore>, PostgresCursor) {
    let store = Arc::new(store);
    let log = Observed::new(Arc::clone(&store));
    let _replica = Replica::start(Arc::clone(&log));
    let cursor = log.cursor().await;
    (store, cursor)
}

#[async_trait]
impl<S: RevocationStore> RevocationStore for Served<S> {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.store.revoke(revocation).await
    }

    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        self.store.revoke_all(revocations).await
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        self.store.find(key).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.store.is_revoked(token).await
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        self.store.is_revoked_now(token)
    }
}

/// A store whose snapshots the test observes.
pub(super) struct Observed {
    pub(super) store: Arc<PostgresStore>,
    pub(super) seen: tokio::sync::watch::Sender<Seen>,
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) cursor: Option<PostgresCursor>,
    pub(super) failures: Vec<String>,
}

impl Observed {
    pub(super) fn new(store: Arc<PostgresStore>) -> Arc<Self> {
        Arc::new(Self { store, seen: tokio::sync::watch::Sender::default() })
    }

    pub(super) async fn until(&self, seen: impl FnMut(&Seen) -> bool) {
        let mut seen_so_far = self.seen.subscribe();
        let came = tokio::time::timeout(Duration::from_secs(60), seen_so_far.wait_for(seen)).await;
        drop(came.unwrap().unwrap());
    }

    pub(super) async fn cursor(&self) -> PostgresCursor {
        self.until(|seen| seen.cursor.is_some()).await;
        self.seen.borrow().cursor.clone().unwrap()
    }
}

#[async_trait]
impl RevocationStore for Observed {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.store.revoke(revocation).await
    }

    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        self.store.revoke_all(revocations).await
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        self.store.find(key).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.store.is_revoked(token).await
    }
}

#[async_trait]
impl RevocationLog for Observed {
    type Cursor = PostgresCursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<PostgresCursor, StoreError> {
        let taken = self.store.snapshot(into).await;
        self.seen.send_modify(|seen| match &taken {
            Ok(cursor) => seen.cursor = Some(cursor.clone()),
            Err(error) => seen.failures.push(chain(error)),
        });
        taken
    }

    /// Reports nothing: the test follows the log itself.
    async fn follow(&self, _: &PostgresCursor, _: Duration) -> Result<Followed<PostgresCursor>, FollowError> {
        std::future::pending().await
    }
}

/// A schema of this test alone, with a name that must be quoted.
pub(super) fn own_schema() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("Own \"{}\"", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn quoted(schema: &str) -> String {
    format!("\"{}\"", schema.replace('"', "\"\""))
}

pub(super) fn token(name: &str) -> TokenIdentity {
    let far = Timestamp::from_unix_seconds(FAR);
    TokenIdentity::new(RevocationKey::token_id(ISSUER, name), Timestamp::MIN, far, &Retention::default())
}

/// The revocation of one token.
pub(super) fn of(name: &str) -> Revocation {
    Revocation::of_token(&token(name))
}

pub(super) fn keys(followed: &Followed<PostgresCursor>) -> HashSet<RevocationKey> {
    followed.revocations.iter().map(Revocation::key).collect()
}

pub(super) fn far() -> String {
    format!("{FAR}000")
}

pub(super) fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A query for the rows of tokens with these numbers.
pub(super) fn rows(range: &str) -> String {
    format!(
        "select '\\x01'::bytea || substring(sha256(number::text::bytea) for 15), 9223372036854775807, {}, \
         pg_current_xact_id(), pg_current_xact_id() from generate_series({range}) as number",
        far()
    )
}

/// A query for one row.
pub(super) fn row(revocation: &Revocation) -> String {
    format!(
        "select decode('{}', 'hex'), 9223372036854775807, {}, pg_current_xact_id(), pg_current_xact_id()",
        revocation.key(),
        revocation.retain_until().as_unix_millis().min(i64::MAX as u64)
    )
}

/// Writes a row as another program would, without a notification.
pub(super) async fn insert(client: &impl tokio_postgres::GenericClient, schema: &str, revocation: &Revocation) {
    let sql = format!("insert into {}.revocation {}", quoted(schema), row(revocation));
    client.batch_execute(&sql).await.unwrap();
}

/// The texts of an error and its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |line, source| format!("{line}: {source}"))
}

/// Waits until the condition holds; fails after a minute.
pub(super) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
