//! Promise: on further versions too, whatever happens to the server, no revoked token passes and
//! nothing that was acknowledged is missing afterwards.
//!
//! `tests/postgres/faults.rs` has all faults, on the installed version.

use std::time::Instant;

use http::StatusCode;
use test_support::{
    fleet::{
        MAX_STALENESS, TIMEOUT,
        faults::{Backend, Fleet},
        new_token,
    },
    servers::{PostgresEngine, PostgresServer},
};
use tower_logout::{RevocationStore, store::StoreErrorKind};

use super::support::{Postgres, failure, of, postgres_options, token, until};

on_every! { further postgres;
    a_server_that_is_killed_keeps_what_it_acknowledged
    a_server_that_recovers_from_the_crash_of_a_process
    a_failover_that_loses_a_suffix_and_a_standby_that_is_not_trusted
    a_server_that_hangs_is_503_in_time
    a_server_whose_disk_is_full
    a_table_that_is_truncated
}

async fn a_server_that_is_killed_keeps_what_it_acknowledged(engine: PostgresEngine) {
    let fleet = Fleet::over(Postgres::on(engine).await).await;
    let mut traffic = fleet.traffic().await;
    fleet.server.kill();
    traffic.until_failed_logouts(5).await;
    fleet.server.restart().await;
    fleet.recovers(traffic).await;
}

/// The server's main process stays, and transaction numbers may be used twice. Each version shows
/// it in another way.
async fn a_server_that_recovers_from_the_crash_of_a_process(engine: PostgresEngine) {
    let fleet = Fleet::over(Postgres::on(engine).await).await;
    let mut traffic = fleet.traffic().await;
    let victim = "select pid from pg_stat_activity \
                  where backend_type = 'client backend' and pid <> pg_backend_pid() limit 1";
    for _ in 0..2 {
        until("a process is killed", async || {
            let process = fleet.server.0.psql(victim).await;
            let mut kill = std::process::Command::new("sh");
            kill.args(["-c", &format!("kill -KILL {process}")]).output().unwrap().status.success()
        })
        .await;
        until("it has recovered", async || fleet.server.0.try_psql("select 1").await.is_ok()).await;
        traffic.until_logouts(20).await;
    }
    fleet.recovers(traffic).await;
}

async fn a_failover_that_loses_a_suffix_and_a_standby_that_is_not_trusted(engine: PostgresEngine) {
    let fleet = Fleet::over(Postgres::on(engine).await).await;
    let standby = Postgres(PostgresServer::standby_of(&fleet.server.0).await);
    let error = failure(postgres_options().connect(&standby.0.url()).await);
    assert!(error.contains("it is read-only") || error.contains("standby"), "{error}");
    let mut traffic = fleet.traffic().await;
    standby.0.until_caught_up_with(&fleet.server.0).await;
    // From here on, the standby that takes over misses what the primary commits.
    standby.0.promote().await;
    traffic.until_logouts(50).await;
    let last = new_token("the last that the primary took");
    assert_eq!(fleet.a.log_out(&last).await, StatusCode::OK);
    fleet.way_a.retarget(standby.addr());
    fleet.way_b.retarget(standby.addr());
    fleet.recovers_on(traffic, &standby).await;
    fleet.nothing_is_missing(&[last], &standby).await;
}

async fn a_server_that_hangs_is_503_in_time(engine: PostgresEngine) {
    let fleet = Fleet::over(Postgres::on(engine).await).await;
    let direct = Postgres::connect(fleet.server.addr(), TIMEOUT).await.unwrap();
    let mut traffic = fleet.traffic().await;
    fleet.server.freeze();
    let began = Instant::now();
    assert_eq!(fleet.a.log_out(&new_token("frozen")).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(direct.is_revoked(&token("a", -1)).await.is_err());
    assert!(began.elapsed() < TIMEOUT * 12, "{:?}", began.elapsed());
    traffic.until_failed_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    assert!(!fleet.b.replica().health().is_fresh());
    fleet.server.thaw();
    fleet.recovers(traffic).await;
}

/// A trigger reports what PostgreSQL reports when it cannot extend a file.
async fn a_server_whose_disk_is_full(engine: PostgresEngine) {
    let fleet = Fleet::over(Postgres::on(engine).await).await;
    let mut traffic = fleet.traffic().await;
    let full = "create function full_disk() returns trigger language plpgsql as $$ begin \
                raise 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$; \
                create trigger full_disk before insert on tower_logout.revocation \
                for each row execute function full_disk()";
    fleet.server.0.psql(full).await;
    traffic.until_failed_logouts(20).await;
    let error = fleet.a.log().revoke(&of("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
    // Checks go on, by the store itself and on the nodes.
    assert!(!fleet.a.log().is_revoked(&token("a", -1)).await.unwrap());
    traffic.go_on_for(MAX_STALENESS * 2).await;
    fleet.a.until_fresh().await;
    fleet.b.until_fresh().await;
    let bystander = new_token("of a bystander");
    until("checks are answered", async || fleet.b.visit(&bystander).await == StatusCode::OK).await;
    assert!(traffic.failed_logouts() > 20);
    fleet.server.0.psql("drop trigger full_disk on tower_logout.revocation").await;
    fleet.recovers(traffic).await;
}

async fn a_table_that_is_truncated(engine: PostgresEngine) {
    let server = Postgres::on(engine).await;
    let direct = server.store().await;
    direct.revoke(&of("direct")).await.unwrap();
    server.0.psql("truncate tower_logout.revocation").await;
    let error = failure(direct.is_revoked(&token("other", -1)).await);
    assert!(error.contains("are missing from the table"), "{error}");
    let fleet = Fleet::over(server).await;
    let mut traffic = fleet.traffic().await;
    fleet.server.0.psql("truncate tower_logout.revocation").await;
    traffic.until_logouts(100).await;
    fleet.recovers(traffic).await;
}
