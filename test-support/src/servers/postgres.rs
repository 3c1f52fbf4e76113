//! PostgreSQL: a server for a test, and standbys that stream from it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    NOT_YET_GONE, PORT_TAKEN, Process, Slot, Wait,
    engines::{PostgresEngine, installed_postgres},
    free_port, log_of, new_directory, output, tail, try_output,
};

/// How a PostgreSQL is started.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    pub engine: PostgresEngine,
    /// Settings, as `-c` takes them: `["max_connections=10"]`. They take precedence over the tests'
    /// own; all others have PostgreSQL's defaults.
    pub extra: Vec<String>,
    /// Names and contents of files in the server's directory, for use in settings. A `pg_hba.conf`
    /// replaces the one that trusts all users.
    pub files: Vec<(String, String)>,
}

/// A PostgreSQL for a test, with a superuser `app` and a database `app`.
pub struct PostgresServer {
    options: PostgresOptions,
    port: u16,
    process: Slot,
    directory: TempDir,
}

impl PostgresServer {
    /// Starts a server and waits until it is ready.
    pub async fn start(options: PostgresOptions) -> Self {
        let directory = place();
        copy(template(options.engine), &data(&directory));
        Self::launch(options, directory).await
    }

    /// Starts a server that is a copy of another, follows it, and can be read from. Writes of the
    /// other may arrive a little later.
    pub async fn standby_of(primary: &Self) -> Self {
        let directory = place();
        primary.back_up(&directory).await;
        let standby = Self::launch(primary.options.clone(), directory).await;
        let wait = Wait::until("the standby streams");
        while standby.psql("SELECT status FROM pg_stat_wal_receiver").await != "streaming" {
            wait.a_moment().await;
        }
        standby
    }

    /// Copies the data of this running server, for a standby.
    async fn back_up(&self, directory: &TempDir) {
        let (port, to) = (self.port.to_string(), data(directory));
        let mut backup = client("pg_basebackup", directory.path());
        backup.args(["-h", "127.0.0.1", "-p", &port, "-U", "app", "-X", "stream", "-R", "--no-sync"]);
        let (start, stop) = match self.options.engine {
            PostgresEngine::Installed => {
                backup.args(["--checkpoint=fast", "-D"]).arg(to);
                return drop(output(backup).await);
            }
            // pg_basebackup cannot copy a server that is newer than itself.
            PostgresEngine::Postgres13 => ("pg_start_backup('', true, false)", "pg_stop_backup(false, false)"),
            PostgresEngine::Postgres18 => ("pg_backup_start('', true)", "pg_backup_stop(false)"),
        };
        // Some files vanish while they are copied, which is an error of `cp` and no other.
        let copy = format!("\\! cp -a {} {} 2>&1 >&2 || true", data(&self.directory).display(), to.display());
        let mut psql = self.client_of_app(directory.path());
        psql.args(["-c", &format!("SELECT {start} IS NULL"), "-c", &copy]);
        psql.args(["-c", &format!("SELECT labelfile FROM {stop}")]);
        let said = output(psql).await;
        let (_, label) = said.split_once('\n').unwrap_or_else(|| panic!("no label: {said}"));
        fs::remove_file(to.join("postmaster.pid")).unwrap();
        let settings = fs::read_to_string(to.join("postgresql.auto.conf")).unwrap()
            + &format!("primary_conninfo = 'host=127.0.0.1 port={port} user=app'\n");
        for (name, text) in [("backup_label", label), ("standby.signal", ""), ("postgresql.auto.conf", &settings)] {
            fs::write(to.join(name), format!("{text}\n")).unwrap();
            own(&to.join(name));
        }
    }

    async fn launch(options: PostgresOptions, directory: TempDir) -> Self {
        for (name, text) in &options.files {
            let path = data(&directory).join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            own(&path);
        }
        let wait = Wait::until("started");
        loop {
            let port = free_port();
            match run(&options, &directory, port).await {
                Ok(process) => return Self { options, port, process: Slot::new(process), directory },
                Err(log) => wait.a_moment_if(&[PORT_TAKEN], &log).await,
            }
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The address in the format of clients: `postgres://app@127.0.0.1:10000/app`.
    pub fn url(&self) -> String {
        format!("postgres://app@127.0.0.1:{}/app", self.port)
    }

    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The server's log output, across all restarts.
    pub fn log(&self) -> String {
        fs::read_to_string(log_of(&self.directory)).unwrap()
    }

    /// Kills all processes of the server with SIGKILL and returns once they have exited. Does
    /// nothing if the server is not running.
    pub fn kill(&self) {
        if let Some(mut process) = self.process.take() {
            process.kill_with_children();
        }
    }

    /// Shuts the server down as its administrator would, with SIGINT: clients are notified, and
    /// everything is on disk.
    pub fn fast_shutdown(&self) {
        let mut process = self.process.take().expect("the server is not running");
        let ended = process.end_by("INT", super::PATIENCE);
        assert!(ended, "the server does not shut down:\n{}", tail(&self.log()));
    }

    /// Restarts the server on the same port and directory, and waits until it has recovered. A
    /// running server is killed first.
    pub async fn restart(&self) {
        self.kill();
        let wait = Wait::until("started again");
        loop {
            match run(&self.options, &self.directory, self.port).await {
                Ok(process) => return self.process.put(process),
                Err(log) => wait.a_moment_if(&NOT_YET_GONE, &log).await,
            }
        }
    }

    /// Stops all processes of the server with SIGSTOP: its connections stay open, and nothing is
    /// answered.
    pub fn freeze(&self) {
        self.process.with(|process| process.freeze());
    }

    /// Continues a frozen server.
    pub fn thaw(&self) {
        self.process.with(|process| process.thaw());
    }

    /// The output of `psql` for SQL: rows in lines, columns separated by `|`. An error fails the
    /// test.
    pub async fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).await.unwrap_or_else(|error| panic!("{error}\n{}", tail(&self.log())))
    }

    /// The output of `psql` for SQL, or the error.
    pub async fn try_psql(&self, sql: &str) -> Result<String, String> {
        let mut psql = self.client_of_app(self.directory.path());
        psql.args(["-c", sql]);
        try_output(psql).await
    }

    /// `psql`, which is in this directory and connects as the superuser.
    fn client_of_app(&self, directory: &Path) -> Command {
        let mut psql = client("psql", directory);
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "app", "-d", "app"]);
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]);
        psql
    }

    /// Waits until this standby has everything that its primary has written so far.
    pub async fn until_caught_up_with(&self, primary: &Self) {
        let written = primary.psql("SELECT pg_current_wal_lsn()").await;
        let has_come = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        let wait = Wait::until("the standby has caught up");
        while self.psql(&has_come).await != "t" {
            wait.a_moment().await;
        }
    }

    /// Promotes this standby and waits until it is the primary.
    pub async fn promote(&self) {
        assert_eq!(self.psql("SELECT pg_promote()").await, "t", "{}", tail(&self.log()));
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.thaw();
            // Without SIGKILL, after which the system keeps a segment of shared memory.
            if process.end_by("QUIT", Duration::from_secs(5)) {
                return;
            }
        }
        self.free_shared_memory();
    }
}

impl PostgresServer {
    /// Removes the segment of shared memory that a killed server leaves; a system has 4,096 of
    /// them.
    fn free_shared_memory(&self) {
        let file = fs::read_to_string(data(&self.directory).join("postmaster.pid")).unwrap_or_default();
        if let Some(segment) = file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            let _ = Command::new("ipcrm").args(["-m", segment]).output();
        }
    }
}

fn data(directory: &TempDir) -> PathBuf {
    directory.path().join("data")
}

async fn run(options: &PostgresOptions, directory: &TempDir, port: u16) -> Result<Process, String> {
    let place = directory.path();
    let mut command = program(options.engine, "postgres", place);
    command.arg("-D").arg(data(directory)).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    command.args(["-c", &format!("unix_socket_directories={}", place.display())]);
    // In its directory, so that a killed server's memory is deleted with it.
    command.args(["-c", "dynamic_shared_memory_type=mmap"]);
    for setting in &options.extra {
        command.args(["-c", setting]);
    }
    Process::start(command, directory, "database system is ready to accept").await
}

/// A program of this version, run as the required user and without the environment.
fn program(engine: PostgresEngine, name: &str, directory: &Path) -> Command {
    run_in(directory, &engine.programs().join(name))
}

/// A program for all versions.
fn client(name: &str, directory: &Path) -> Command {
    run_in(directory, &installed_postgres().join(name))
}

fn run_in(directory: &Path, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir(directory);
    as_user(&mut command);
    command
}

/// Runs it as the user `postgres` instead of root.
pub(super) fn as_user(command: &mut Command) {
    if let Some((user, group)) = user() {
        command.uid(user).gid(group);
    }
}

/// The ids of the user `postgres` and its group if this process is root, as which PostgreSQL does
/// not run.
fn user() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *USER.get_or_init(|| {
        let id = |arguments: &[&str]| -> u32 {
            let output = Command::new("id").args(arguments).output().unwrap();
            assert!(output.status.success(), "id {arguments:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
        };
        (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
    })
}

/// A directory that PostgreSQL can write to.
pub(super) fn place() -> TempDir {
    let directory = new_directory();
    own(directory.path());
    directory
}

pub(super) fn own(path: &Path) {
    if let Some((user, group)) = user() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// The directory of a new server, created once per version and then copied: creating one takes ten
/// times as long.
fn template(engine: PostgresEngine) -> &'static Path {
    static TEMPLATES: [OnceLock<PathBuf>; 3] = [const { OnceLock::new() }; 3];
    TEMPLATES[engine as usize].get_or_init(|| {
        let directory = place();
        let version = program(engine, "postgres", directory.path()).arg("--version").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap().trim().replace(|it: char| !it.is_alphanumeric(), "-");
        let owner = user().map_or("own", |_| "root");
        let kept = crate::target::directory().join("tmp");
        fs::create_dir_all(&kept).unwrap();
        let template = kept.join(format!("{version}-{owner}"));
        if !template.is_dir() {
            let new = data(&directory);
            make(engine, &new, &directory);
            let copied = template.with_extension(std::process::id().to_string());
            copy(&new, &copied);
            // Another process may have been faster; its copy is equivalent.
            if fs::rename(&copied, &template).is_err() {
                fs::remove_dir_all(&copied).unwrap();
            }
        }
        assert!(template.is_dir(), "{} is missing", template.display());
        template
    })
}

fn make(engine: PostgresEngine, new: &Path, directory: &TempDir) {
    let mut initdb = program(engine, "initdb", directory.path());
    initdb.args(["-U", "app", "--auth=trust", "--no-locale", "-E", "UTF8", "--no-sync", "-D"]).arg(new);
    let mut create = program(engine, "postgres", directory.path());
    let sql = directory.path().join("sql");
    fs::write(&sql, "CREATE DATABASE app\n").unwrap();
    create.args(["--single", "-D"]).arg(new).arg("postgres").stdin(fs::File::open(&sql).unwrap());
    for mut command in [initdb, create] {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Copies a directory with its contents, owned by PostgreSQL's user.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            own(&target);
        }
    }
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    own(to);
}
