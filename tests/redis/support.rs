//! What the tests of `RedisStore` share.

use std::{
    error::Error,
    fmt::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use test_support::servers::{RedisOptions, RedisServer};
use tokio::io::AsyncWriteExt;
use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{
        FollowError, Followed, RedisCursor, RedisStoreOptions, ReplicaOptions, RevocationLog, SnapshotSink, StoreError,
    },
};

/// A server for one test.
pub(super) async fn server() -> RedisServer {
    RedisServer::start(RedisOptions::default()).await
}

pub(super) fn options() -> RedisStoreOptions {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    patient().prefix(format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// A longer timeout than the default: the tests run in parallel, on a machine that may be busy.
pub(super) fn patient() -> RedisStoreOptions {
    RedisStore::options().timeout(Duration::from_secs(10))
}

/// A store with its own prefix on this server.
pub(super) async fn store(server: &RedisServer) -> RedisStore {
    options().connect(&server.url()).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// The texts of an error and its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = format!("{error} / {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, ": {error} / {error:?}").unwrap();
        source = error.source();
    }
    text
}

pub(super) fn token(jti: &str) -> TokenIdentity {
    TokenIdentity::new(RevocationKey::token_id(ISSUER, jti), at(100), in_an_hour(), &Retention::default())
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

pub(super) fn in_an_hour() -> Timestamp {
    SystemClock.now().saturating_add(Duration::from_secs(3600)).ceil_to_second()
}

pub(super) fn after(millis: u64) -> Timestamp {
    SystemClock.now().saturating_add(Duration::from_millis(millis))
}

pub(super) const ISSUER: &str = "https://matar.app";

/// Passes lines to `redis-cli`, in which `"\x00"` is a byte, and returns the output.
pub(super) async fn run_lines(server: &RedisServer, lines: &str) -> String {
    let mut child = tokio::process::Command::new("redis-cli")
        .args(["-e", "-p", &server.port().to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// The text of the error that `future` fails with.
pub(super) async fn failure<T>(future: impl Future<Output = Result<T, StoreError>>) -> String {
    chain(&future.await.err().expect("an error"))
}

/// Waits until the condition holds; fails after a minute.
pub(super) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn is_revoked(store: &impl RevocationStore, token: &TokenIdentity) -> bool {
    store.is_revoked(token).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

pub(super) async fn revoke(store: &impl RevocationStore, revocation: &Revocation) -> Outcome {
    store.revoke(revocation).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// A log that records why a follower left it.
pub(super) struct Spy {
    pub(super) store: RedisStore,
    pub(super) lost: Arc<Mutex<Vec<String>>>,
}

#[async_trait::async_trait]
impl RevocationStore for Spy {
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

#[async_trait::async_trait]
impl RevocationLog for Spy {
    type Cursor = RedisCursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Self::Cursor, StoreError> {
        let result = self.store.snapshot(into).await;
        if let Err(error) = &result {
            self.lost.lock().unwrap().push(chain(error));
        }
        result
    }

    async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError> {
        let result = self.store.follow(cursor, wait).await;
        if let Err(error) = &result {
            self.lost.lock().unwrap().push(chain(error));
        }
        result
    }

    async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        self.store.check(cursor, token).await
    }
}

/// A replica that follows closely, and the errors that its log reports.
pub(super) async fn watched(store: RedisStore) -> (Replica<Spy>, Arc<Mutex<Vec<String>>>) {
    let lost = Arc::new(Mutex::new(Vec::new()));
    let spy = Spy { store, lost: Arc::clone(&lost) };
    let replica = ReplicaOptions::new().max_staleness(Duration::from_millis(800)).start(spy);
    replica.ready().await.unwrap();
    (replica, lost)
}

pub(super) fn says(lost: &Mutex<Vec<String>>, part: &str) -> bool {
    lost.lock().unwrap().iter().any(|line| line.contains(part))
}

/// A log that records the cursor of its snapshot.
pub(super) struct Catch(pub(super) RedisStore, pub(super) Arc<Mutex<Option<RedisCursor>>>);

#[async_trait::async_trait]
impl RevocationStore for Catch {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.0.revoke(revocation).await
    }
    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.0.is_revoked(token).await
    }
}

#[async_trait::async_trait]
impl RevocationLog for Catch {
    type Cursor = RedisCursor;
    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<RedisCursor, StoreError> {
        let cursor = self.0.snapshot(into).await?;
        *self.1.lock().unwrap() = Some(cursor.clone());
        Ok(cursor)
    }
    async fn follow(&self, cursor: &RedisCursor, wait: Duration) -> Result<Followed<RedisCursor>, FollowError> {
        self.0.follow(cursor, wait).await
    }
}

/// The cursor at the end of the log of the store with these options.
pub(super) async fn end_of(options: &RedisStoreOptions, server: &RedisServer) -> RedisCursor {
    let cursor = Arc::new(Mutex::new(None));
    Replica::start(Catch(options.clone().connect(&server.url()).await.unwrap(), Arc::clone(&cursor)))
        .ready()
        .await
        .unwrap();
    let cursor = cursor.lock().unwrap().clone();
    cursor.unwrap()
}
