//! The operations of the benchmark on Redis and on `PostgreSQL`.

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

/// A server started for this run.
pub(crate) trait Backend: Sized + Sync {
    type Log: RevocationLog;
    type Raw: Raw;

    const NAME: &'static str;
    /// The command that measures the round trip.
    const ROUND_TRIP: &'static str;
    /// The smallest command that writes.
    const LEAST_WRITE: &'static str;
    /// The smallest command that reads everything.
    const READ_ALL: &'static str;

    fn start(run: &Run) -> impl Future<Output = Self>;

    fn describe(&self) -> impl Future<Output = String>;

    /// The store, on new connections.
    fn store(&self) -> impl Future<Output = Self::Log> + Send;

    /// Connections like those of the store, without the store.
    fn raw(&self) -> impl Future<Output = Self::Raw> + Send;

    /// Adds this many revocations of tokens, each in its own transaction.
    fn revoke_each(&self, count: u64) -> impl Future<Output = ()>;

    /// Adds this many revocations in bulk, without followers.
    fn fill(&self, count: u64) -> impl Future<Output = ()>;

    /// The memory or disk usage that the server reports, in bytes.
    fn bytes(&self) -> impl Future<Output = u64>;
}

/// A client without a store.
pub(crate) trait Raw: Clone + Send + Sync + 'static {
    fn round_trip(&self) -> impl Future<Output = ()> + Send;

    /// Writes a new key and returns once the server has acknowledged it.
    fn write(&self, key: RevocationKey) -> impl Future<Output = ()> + Send;

    /// Reads all revocations and discards them.
    fn read_all(&self) -> impl Future<Output = ()> + Send;
}

/// A token that has not been used yet.
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
/// Longer than the benchmark, so that no token expires.
pub(crate) const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Long enough that nothing fails on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
