//! What is asked of Redis and of `PostgreSQL` alike.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tower_logout::{
    clock::Timestamp,
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
    store::RevocationLog,
};

use crate::Run;

/// A server of this run's own.
pub(crate) trait Backend: Sized {
    type Log: RevocationLog;
    type Raw: Raw;

    const NAME: &'static str;
    /// What counts as its round trip.
    const ROUND_TRIP: &'static str;
    /// The least that writes something.
    const LEAST_WRITE: &'static str;
    /// The least that reads all.
    const READ_ALL: &'static str;

    fn start(run: &Run) -> impl Future<Output = Self>;

    fn describe(&self) -> impl Future<Output = String>;

    /// The store, connected anew.
    fn store(&self) -> impl Future<Output = Self::Log> + Send;

    /// Connections like those of the store, without the store.
    fn raw(&self) -> impl Future<Output = Self::Raw> + Send;

    /// Adds so many revocations of tokens, each in a transaction of its own.
    fn revoke_each(&self, count: u64) -> impl Future<Output = ()>;

    /// Adds so many revocations that nobody followed, as fast as the layout allows.
    fn fill(&self, count: u64) -> impl Future<Output = ()>;

    /// How many bytes the server says that it holds them in.
    fn bytes(&self) -> impl Future<Output = u64>;
}

/// What a client does that has no store.
pub(crate) trait Raw: Clone + Send + Sync + 'static {
    fn round_trip(&self) -> impl Future<Output = ()> + Send;

    /// Writes a key that is not there, and returns once the server has said that it is done.
    fn write(&self, key: RevocationKey) -> impl Future<Output = ()> + Send;

    /// Reads all revocations, and forgets them.
    fn read_all(&self) -> impl Future<Output = ()> + Send;
}

/// A token that there was none of yet.
pub(crate) fn new_token() -> TokenIdentity {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = now();
    let own = RevocationKey::token_id(ISSUER, &format!("00000000-8d29-4b7e-9c1f-{number:012}"));
    TokenIdentity::new(own, now, now.saturating_add(LIFETIME), &Retention::default())
        .carries(RevocationKey::issuer(ISSUER))
        .carries(RevocationKey::subject(ISSUER, "usr_123"))
}

pub(crate) fn new_revocation() -> Revocation {
    Revocation::of_token(&new_token())
}

pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(u64::try_from(since_epoch.as_millis()).unwrap())
}

pub(crate) const ISSUER: &str = "https://issuer.example";
/// No token expires while it runs.
pub(crate) const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// On a machine that is busy otherwise nothing fails for that.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
