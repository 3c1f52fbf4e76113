//! Shared code of tests of `PostgresStore` with their own server.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tower_logout::{
    PostgresStore,
    clock::Timestamp,
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
    store::{PostgresStoreOptions, StoreError},
};

use crate::servers::{PostgresOptions, PostgresServer};

pub const ISSUER: &str = "https://postgres.example";
/// The year 2100, in seconds.
const FAR: u64 = 4_102_444_800;
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server with the tables, and the roles `reader` and `admin`: the former has the documented
/// rights, the latter is a superuser like the server's own.
pub async fn served() -> PostgresServer {
    served_with(&[]).await
}

pub async fn served_with(extra: &[&str]) -> PostgresServer {
    let extra = extra.iter().map(ToString::to_string).collect();
    let server = PostgresServer::start(PostgresOptions { extra, ..PostgresOptions::default() }).await;
    options().connect(&server.url()).await.unwrap().migrate().await.unwrap();
    server.psql("create role plain login; grant usage on schema tower_logout to plain").await;
    server.psql("grant select, insert, update, delete on tower_logout.revocation to plain").await;
    server.psql("grant select, update on tower_logout.state to plain").await;
    server
}

/// The server's address for the role without rights.
pub fn plain(server: &PostgresServer) -> String {
    server.url().replace("app@", "plain@")
}

/// A longer timeout than the default, as the machine may be busy.
pub fn options() -> PostgresStoreOptions {
    PostgresStore::options().timeout(Duration::from_secs(10))
}

pub fn token(name: &str) -> TokenIdentity {
    let far = Timestamp::from_unix_seconds(FAR);
    TokenIdentity::new(RevocationKey::token_id(ISSUER, name), Timestamp::MIN, far, &Retention::default())
}

/// The revocation of one token.
pub fn of(name: &str) -> Revocation {
    Revocation::of_token(&token(name))
}

/// The texts of an error and its causes.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |line, source| format!("{line}: {source}"))
}

pub fn assert_says<T: std::fmt::Debug>(failed: Result<T, StoreError>, texts: &[&str]) {
    let said = chain(&failed.unwrap_err());
    for text in texts {
        assert!(said.contains(text), "{text:?} is not in: {said}");
    }
}

pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
