//! A `PostgreSQL` that is set up as its packages do it, with its log on a disk.

use std::{
    os::unix::fs::{MetadataExt, chown, symlink},
    path::Path,
    pin::pin,
    process::Command,
};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use futures_util::TryStreamExt;
use tempfile::TempDir;
use test_support::servers::{PostgresOptions, PostgresServer};
use tokio_postgres::NoTls;
use tower_logout::{PostgresStore, revocation::RevocationKey};

use crate::{
    Run,
    backend::{Backend, LIFETIME, PATIENCE, Raw, now},
    machine,
};

pub(crate) struct OnPostgres {
    server: PostgresServer,
    /// What a commit waits for. The tests' servers are in memory, where nobody waits.
    log: Option<TempDir>,
}

impl OnPostgres {
    async fn begin(server: PostgresServer, log: Option<TempDir>) -> Self {
        PostgresStore::connect(&server.url()).await.unwrap().migrate().await.unwrap();
        server.psql("create table least (key bytea primary key)").await;
        Self { server, log }
    }
}

impl Backend for OnPostgres {
    type Log = PostgresStore;
    type Raw = RawPostgres;

    const NAME: &'static str = "PostgreSQL";
    const ROUND_TRIP: &'static str = "`select 1`";
    const LEAST_WRITE: &'static str = "`insert`";
    const READ_ALL: &'static str = "`copy`";

    async fn start(run: &Run) -> Self {
        let server = PostgresServer::start(PostgresOptions::default()).await;
        if !run.in_full {
            return Self::begin(server, None).await;
        }
        let data = server.psql("show data_directory").await;
        server.fast_shutdown();
        let log = move_log(&Path::new(&data).join("pg_wal"));
        server.restart().await;
        Self::begin(server, Some(log)).await
    }

    async fn describe(&self) -> String {
        let version = self.server.psql("show server_version").await;
        let fsync = self.server.psql("show fsync").await;
        let place = self.log.as_ref().map_or_else(String::new, |_| machine::file_system(DISK));
        format!("PostgreSQL {version} with its log on {place} and fsync {fsync}, its tables in memory")
    }

    async fn store(&self) -> PostgresStore {
        PostgresStore::options().timeout(PATIENCE).connect(&self.server.url()).await.unwrap()
    }

    async fn raw(&self) -> RawPostgres {
        let config = self.server.url().parse().unwrap();
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, NoTls, recycling);
        RawPostgres(Pool::builder(manager).max_size(CONNECTIONS).build().unwrap())
    }

    /// By the server itself, and without waiting for the disk.
    async fn revoke_each(&self, count: u64) {
        let raw = self.raw().await;
        let client = raw.0.get().await.unwrap();
        client.batch_execute("set synchronous_commit = off").await.unwrap();
        let row = row("n");
        let each = format!("do $$ begin for n in 1..{count} loop {INSERT} select {row}; commit; end loop; end $$");
        client.batch_execute(&each).await.unwrap();
    }

    async fn fill(&self, count: u64) {
        let raw = self.raw().await;
        let client = raw.0.get().await.unwrap();
        let first = "(select count(*) from tower_logout.revocation)";
        let row = row(&format!("n + {first}"));
        client.batch_execute(&format!("{INSERT} select {row} from generate_series(1, {count}) n")).await.unwrap();
    }

    async fn bytes(&self) -> u64 {
        self.server.psql("select pg_total_relation_size('tower_logout.revocation')").await.parse().unwrap()
    }
}

/// Takes the log to a disk, and leaves a link to it.
fn move_log(log: &Path) -> TempDir {
    let disk = tempfile::Builder::new().prefix("tower-logout-").tempdir_in(DISK).unwrap();
    let owner = log.metadata().unwrap();
    chown(disk.path(), Some(owner.uid()), Some(owner.gid())).unwrap();
    let moved = disk.path().join("pg_wal");
    assert!(Command::new("cp").arg("-a").arg(log).arg(&moved).status().unwrap().success());
    std::fs::remove_dir_all(log).unwrap();
    symlink(&moved, log).unwrap();
    disk
}

/// A row of a revoked token, of which there is one for each number.
fn row(number: &str) -> String {
    let retain_until = now().saturating_add(LIFETIME).as_unix_millis();
    let key = format!(r"'\x01'::bytea || substring(sha256(int8send({number})) for 15)");
    format!("{key}, 9223372036854775807, {retain_until} + {number}, pg_current_xact_id(), pg_current_xact_id()")
}

const INSERT: &str = "insert into tower_logout.revocation (key, issued_through, retain_until, changed_in, raised_in)";

#[derive(Clone)]
pub(crate) struct RawPostgres(Pool);

impl Raw for RawPostgres {
    async fn round_trip(&self) {
        let client = self.0.get().await.unwrap();
        let one = client.prepare_cached("select 1").await.unwrap();
        client.query_one(&one, &[]).await.unwrap();
    }

    async fn write(&self, key: RevocationKey) {
        let client = self.0.get().await.unwrap();
        let insert = client.prepare_cached("insert into least values ($1)").await.unwrap();
        client.execute(&insert, &[&&key.as_bytes()[..]]).await.unwrap();
    }

    async fn read_all(&self) {
        let client = self.0.get().await.unwrap();
        let columns = "key, issued_through, retain_until";
        let copy = format!("copy tower_logout.revocation ({columns}) to stdout (format binary)");
        let mut all = pin!(client.copy_out(&copy).await.unwrap());
        while all.try_next().await.unwrap().is_some() {}
    }
}

/// As many as a store has unless told otherwise.
const CONNECTIONS: usize = 8;
/// Kept over a restart of the machine, hence no memory.
const DISK: &str = "/var/tmp";
