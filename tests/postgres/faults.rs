//! Promise: whatever happens to PostgreSQL or the network, no node accepts a token that was revoked
//! longer than `max_staleness` ago, and no logout gets a 200 that PostgreSQL has not committed.
//!
//! Logouts run on node A and checks on both nodes while each fault comes and goes; `Traffic` checks
//! every response.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;
use test_support::{
    faults,
    fleet::{
        MAX_STALENESS, Node, TIMEOUT, eventually,
        faults::{Backend, Fleet},
        identity_of, new_token,
    },
    servers::{PostgresOptions, PostgresServer},
};
use tower_logout::{
    PostgresStore,
    clock::SystemClock,
    revocation::Revocation,
    store::{ReplicaOptions, StoreError},
};

struct Postgres(PostgresServer);

impl Backend for Postgres {
    type Log = PostgresStore;

    async fn start() -> Self {
        let server = PostgresServer::start(PostgresOptions::default()).await;
        PostgresStore::options().connect(&server.url()).await.unwrap().migrate().await.unwrap();
        Self(server)
    }

    fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    async fn connect(way: SocketAddr, timeout: Duration) -> Result<PostgresStore, StoreError> {
        PostgresStore::options().timeout(timeout).connect(&url(way)).await
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
        self.0.psql("select count(*) from tower_logout.revocation").await.trim().parse().unwrap()
    }
}

fn url(way: SocketAddr) -> String {
    format!("postgres://app@{way}/app")
}

faults!(Postgres, "needs PostgreSQL");

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_fast_shutdown() {
    let fleet = Fleet::<Postgres>::start().await;
    fleet.survives_outages(|server| server.0.fast_shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_table_that_is_truncated() {
    let fleet = Fleet::<Postgres>::start().await;
    let mut traffic = fleet.traffic().await;
    fleet.server.0.psql("truncate tower_logout.revocation").await;
    traffic.until_logouts(100).await;
    fleet.recovers(traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_failover_that_loses_commits() {
    let fleet = Fleet::<Postgres>::start().await;
    let standby = Postgres(PostgresServer::standby_of(&fleet.server.0).await);
    standby.0.until_caught_up_with(&fleet.server.0).await;
    let mut traffic = fleet.traffic().await;
    // From here on, the standby that takes over misses what the primary commits.
    standby.0.promote().await;
    traffic.until_logouts(50).await;
    let last = new_token("the last that the primary took");
    assert_eq!(fleet.a.log_out(&last).await, StatusCode::OK);
    fleet.way_a.retarget(standby.addr());
    fleet.way_b.retarget(standby.addr());
    traffic.until_logouts(50).await;
    fleet.recovers_on(traffic, &standby).await;
    fleet.nothing_is_missing(&[last], &standby).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_standby_is_not_trusted() {
    let fleet = Fleet::<Postgres>::start().await;
    let standby = Postgres(PostgresServer::standby_of(&fleet.server.0).await);
    let mut traffic = fleet.traffic().await;
    fleet.way_a.retarget(standby.addr());
    fleet.way_b.retarget(standby.addr());
    traffic.until_failed_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    assert!(Postgres::connect(standby.addr(), TIMEOUT).await.is_err());
    fleet.way_a.retarget(fleet.server.addr());
    fleet.way_b.retarget(fleet.server.addr());
    fleet.recovers(traffic).await;
}

/// Inserts as another program would, possibly with a longer transaction and without a notification.
fn insert(token: &str) -> String {
    let revocation = Revocation::of_token(&identity_of(token));
    format!(
        "insert into tower_logout.revocation (key, issued_through, retain_until, changed_in, raised_in)
         values ('\\x{}', {}, {}, pg_current_xact_id(), pg_current_xact_id())",
        revocation.key(),
        i64::MAX,
        revocation.retain_until().as_unix_millis()
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_transaction_that_commits_after_a_later_one() {
    let fleet = Fleet::<Postgres>::start().await;
    let (early, late) = (new_token("begun first"), new_token("begun second"));
    let (client, connection) = tokio_postgres::connect(&fleet.server.0.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("begin").await.unwrap();
    client.batch_execute(&insert(&early)).await.unwrap();
    assert_eq!(fleet.a.log_out(&late).await, StatusCode::OK);
    fleet.b.until_known(&late).await;
    // The replica has read past it several times.
    for _ in 0..3 {
        let mut health = fleet.b.replica().monitor().watch();
        health.changed().await.unwrap();
    }
    assert_eq!(fleet.b.visit(&early).await, StatusCode::OK, "it is not committed");
    client.batch_execute("commit").await.unwrap();
    fleet.b.until_known(&early).await;
    fleet.a.until_known(&early).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_notification_that_never_comes() {
    let fleet = Fleet::<Postgres>::start().await;
    let token = new_token("told to nobody");
    fleet.server.0.psql(&insert(&token)).await;
    fleet.b.until_known(&token).await;
    assert!(fleet.b.replica().health().is_fresh());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn listeners_that_are_terminated() {
    let fleet = Fleet::<Postgres>::start().await;
    let mut traffic = fleet.traffic().await;
    for _ in 0..10 {
        let terminate = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                         where backend_type = 'client backend' and pid <> pg_backend_pid()";
        fleet.server.0.psql(terminate).await;
        traffic.until_logouts(20).await;
    }
    fleet.recovers(traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn nodes_that_only_poll() {
    let server = Postgres::start().await;
    let store = async || PostgresStore::options().timeout(TIMEOUT).poll_only().connect(&server.0.url()).await.unwrap();
    let options = || ReplicaOptions::new().max_staleness(MAX_STALENESS);
    let a = Node::start_with(store().await, options(), SystemClock).await;
    let b = Node::start_with(store().await, options(), SystemClock).await;
    let mut traffic = test_support::fleet::Traffic::start(&a, &b).await;
    traffic.until_logouts(200).await;
    server.kill();
    traffic.until_failed_logouts(5).await;
    server.restart().await;
    traffic.until_logouts(50).await;
    let tokens = traffic.stop().await;
    test_support::fleet::nothing_is_missing(&[&a, &b], &tokens, &store().await).await;
    let listening = server.0.psql("select count(*) from pg_stat_activity where query ilike 'listen%'").await;
    assert_eq!(listening.trim(), "0");
    eventually("both are fresh", || a.replica().health().is_fresh() && b.replica().health().is_fresh()).await;
}
