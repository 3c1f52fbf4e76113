//! Servers of a version, and stores on them.

use std::{
    error::Error,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use test_support::{
    fleet::faults::Backend,
    servers::{PostgresEngine, PostgresOptions, PostgresServer, RedisEngine, RedisOptions, RedisServer},
};
use tokio::sync::OnceCell;
use tower_logout::{
    PostgresStore, RedisStore,
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
    store::{PostgresStoreOptions, RedisStoreOptions, StoreError},
};

/// Longer than any call takes on a busy machine, unless it hangs.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// One server of each version for the tests that leave it intact.
pub(super) type Shared<S> = [OnceCell<S>; 3];

pub(super) struct Redis(pub(super) RedisServer);

impl Redis {
    pub(super) async fn on(engine: RedisEngine) -> Self {
        Self(RedisServer::start(RedisOptions { engine, ..RedisOptions::default() }).await)
    }

    /// A server that has each write on its disk before it replies.
    pub(super) async fn persistent(engine: RedisEngine) -> Self {
        Self(RedisServer::start(RedisOptions { engine, persist: true, ..RedisOptions::default() }).await)
    }

    pub(super) async fn store(&self) -> RedisStore {
        redis_options().connect(&self.0.url()).await.unwrap()
    }
}

pub(super) fn redis_options() -> RedisStoreOptions {
    RedisStore::options().timeout(SOON)
}

impl Backend for Redis {
    type Log = RedisStore;

    async fn start() -> Self {
        Self::persistent(RedisEngine::Installed).await
    }

    fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    async fn connect(way: SocketAddr, timeout: Duration) -> Result<RedisStore, StoreError> {
        // Whoever is slow to connect on a busy machine tries again.
        RedisStore::options().timeout(timeout).connect_lazily(format!("redis://{way}"))
    }

    fn kill(&self) {
        self.0.kill();
    }

    async fn restart(&self) {
        self.0.restart().await;
    }

    fn freeze(&self) {
        self.0.freeze();
    }

    fn thaw(&self) {
        self.0.thaw();
    }

    async fn entries(&self) -> usize {
        self.0.cli(&["ZCARD", "{tower-logout}:v1:live"]).await.parse().unwrap()
    }
}

pub(super) struct Postgres(pub(super) PostgresServer);

impl Postgres {
    /// A server without tables.
    pub(super) async fn empty(engine: PostgresEngine) -> Self {
        Self(PostgresServer::start(PostgresOptions { engine, ..PostgresOptions::default() }).await)
    }

    pub(super) async fn on(engine: PostgresEngine) -> Self {
        let server = Self::empty(engine).await;
        server.store().await.migrate().await.unwrap();
        server
    }

    pub(super) async fn store(&self) -> PostgresStore {
        postgres_options().connect(&self.0.url()).await.unwrap()
    }
}

pub(super) fn postgres_options() -> PostgresStoreOptions {
    PostgresStore::options().timeout(SOON)
}

impl Backend for Postgres {
    type Log = PostgresStore;

    async fn start() -> Self {
        Self::on(PostgresEngine::Installed).await
    }

    fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    async fn connect(way: SocketAddr, timeout: Duration) -> Result<PostgresStore, StoreError> {
        PostgresStore::options().timeout(timeout).connect_lazily(format!("postgres://app@{way}/app"))
    }

    fn kill(&self) {
        self.0.kill();
    }

    async fn restart(&self) {
        self.0.restart().await;
    }

    fn freeze(&self) {
        self.0.freeze();
    }

    fn thaw(&self) {
        self.0.thaw();
    }

    async fn entries(&self) -> usize {
        self.0.psql("select count(*) from tower_logout.revocation").await.parse().unwrap()
    }
}

const ISSUER: &str = "https://matar.app";

/// A token of the subject `usr_123`, issued this many seconds from now.
pub(super) fn token(jti: &str, issued_in: i64) -> TokenIdentity {
    let offset = Duration::from_secs(issued_in.unsigned_abs());
    let now = SystemClock.now();
    let issued_at = if issued_in < 0 { now.saturating_sub(offset) } else { now.saturating_add(offset) };
    let far = Timestamp::from_unix_seconds(4_102_444_800); // the year 2100
    TokenIdentity::new(RevocationKey::token_id(ISSUER, jti), issued_at, far, &Retention::default())
        .carries(RevocationKey::subject(ISSUER, "usr_123"))
}

pub(super) fn of(jti: &str) -> Revocation {
    Revocation::of_token(&token(jti, -1))
}

/// The error and its causes, as `main` shows them.
pub(super) fn failure<T>(result: Result<T, StoreError>) -> String {
    chain(&result.err().expect("an error"))
}

fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |line, source| format!("{line}: {source}"))
}

/// Waits until the condition holds; fails after a minute.
pub(super) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The first code block of a document in this language with this part.
pub(super) fn block<'a>(document: &'a str, language: &str, part: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let mut blocks = document.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.find(|block| block.contains(part)).unwrap_or_else(|| panic!("no {language} block with {part}"))
}

/// The output of a shell script of the documentation.
pub(super) async fn run(script: &str, directory: &Path, variable: (&str, &str)) -> String {
    let mut command = tokio::process::Command::new("bash");
    let command = command.args(["-euc", script]).current_dir(directory).env(variable.0, variable.1);
    let output = tokio::time::timeout(Duration::from_secs(60), command.kill_on_drop(true).output());
    let output = output.await.expect("the script ends").unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
