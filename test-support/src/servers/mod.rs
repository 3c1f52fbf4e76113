//! Real servers for tests: Redis, PostgreSQL, nginx and identity providers as child processes, and a
//! proxy that injects network faults.
//!
//! Each server has its own directory and port and stops when its value is dropped. Other servers
//! are never touched.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{Read, Seek, SeekFrom},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

mod engines;
mod glewlwyd;
mod nginx;
mod oidc_provider;
mod pgbouncer;
mod postgres;
mod proxy;
mod redis;

pub use engines::{PostgresEngine, RedisEngine};
pub use glewlwyd::{Glewlwyd, GlewlwydSession};
pub use nginx::NginxServer;
pub use oidc_provider::{OidcProvider, SignedIn};
pub use pgbouncer::PgBouncer;
pub use postgres::{PostgresOptions, PostgresServer};
pub use proxy::{FaultProxy, GARBAGE, Stats};
pub use redis::{RedisCluster, RedisOptions, RedisSentinels, RedisServer, RedisTls};

/// How long the tests wait at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// The interval between two attempts.
const POLL: Duration = Duration::from_millis(5);

/// Fails a test whose server is not installed. Such tests are ignored unless they are requested.
fn not_installed(server: &str) -> ! {
    panic!("{server} is not installed; scripts/setup.sh installs it")
}

/// The directory in `PATH` with this program.
fn directory_of(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let directories = env::split_paths(&path).filter(|directory| directory.is_absolute());
    directories.into_iter().find(|directory| directory.join(program).is_file())
}

/// A program in Debian's directories for administrators, which `PATH` may lack.
fn administrators_program(program: &str) -> Option<PathBuf> {
    let directory = directory_of(program).unwrap_or_else(|| PathBuf::from("/usr/sbin"));
    Some(directory.join(program)).filter(|program| program.is_file())
}

/// A new directory for a server: in memory if enough is available, where servers start ten times as
/// fast.
///
/// Killing a server's process makes no difference there. A crash of the machine would, which no
/// test causes.
fn new_directory() -> TempDir {
    static IN_MEMORY: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        const ENOUGH: u64 = 2 * 1024 * 1024; // KiB
        let place = Path::new("/dev/shm");
        let free = Command::new("df").arg("-Pk").arg(place).output().ok()?;
        let free = String::from_utf8(free.stdout).ok()?;
        let available: u64 = free.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
        (available > ENOUGH).then(|| place.to_owned())
    });
    let place = IN_MEMORY.clone().unwrap_or_else(env::temp_dir);
    tempfile::Builder::new().prefix("tower-logout-").tempdir_in(place).unwrap()
}

/// A port that was free a moment ago, as was the one 10,000 above it, which Redis uses for the
/// cluster bus.
///
/// Both are below the system's range for outgoing connections: a client must not take the port of a
/// server that is down.
fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 10_000;
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        // Concurrent test processes begin at different ports.
        let seed = std::process::id().wrapping_mul(2_654_435_761) >> 16;
        AtomicU16::new(u16::try_from(seed).unwrap())
    });
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..COUNT)
        .map(|_| FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT)
        .find(|&port| is_free(port) && is_free(port + 10_000))
        .expect("a free port")
}

/// Polls for a condition; fails after [`PATIENCE`].
struct Wait {
    what: &'static str,
    deadline: Instant,
}

impl Wait {
    fn until(what: &'static str) -> Self {
        Self { what, deadline: Instant::now() + PATIENCE }
    }

    /// A pause between two attempts.
    async fn a_moment(&self) {
        assert!(Instant::now() < self.deadline, "never came: {}", self.what);
        tokio::time::sleep(POLL).await;
    }

    /// A pause if a server did not start for one of these transient reasons; fails on any other.
    async fn a_moment_if(&self, reasons: &[&str], log: &str) {
        let will_pass = Instant::now() < self.deadline && reasons.iter().any(|&reason| log.contains(reason));
        assert!(will_pass, "not {}:\n{log}", self.what);
        self.a_moment().await;
    }
}

/// The error of a server that does not get its port.
const PORT_TAKEN: &str = "Address already in use";

/// The errors of a server that starts where another was killed: the old one has not exited
/// entirely, or its port is taken for a moment.
const NOT_YET_GONE: [&str; 3] = [PORT_TAKEN, "lock file", "shared memory block"];

/// The output of a program. Fails if the program fails or does not end.
async fn output(command: Command) -> String {
    try_output(command).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The output of a program, or its error.
async fn try_output(command: Command) -> Result<String, String> {
    let said = format!("{command:?}");
    let mut command = tokio::process::Command::from(command);
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, running).await.map_err(|_| format!("{said} does not end"))?;
    let output = output.map_err(|error| format!("{said}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{said}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

/// The path of a server's log.
fn log_of(directory: &TempDir) -> PathBuf {
    directory.path().join("log")
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A shell script: waits until its input, which the test process holds, is closed; then ends the
/// process `$0` and removes its directory `$1`.
const WATCH: &str = r#"
    read _
    kill -CONT "$0" && kill -INT "$0"
    for second in 1 2 3 4 5; do
        sleep 1
        kill -0 "$0" || break
    done
    kill -0 "$0" && kill -KILL "$0"
    rm -rf "$1"
"#;

/// A server's process. It is killed when this value is dropped, or when the test's process is
/// killed.
struct Process {
    child: Child,
    /// Waits for the end of this process, and then ends the server.
    watcher: Child,
}

impl Process {
    /// Starts a server in its directory and waits until its log contains these words, or returns
    /// its log if it exits.
    ///
    /// The log is read instead of connecting to the port, as another server may have taken the port
    /// first.
    async fn start(mut command: Command, directory: &TempDir, ready: &str) -> Result<Self, String> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(log_of(directory)).unwrap();
        let begin = file.seek(SeekFrom::End(0)).unwrap();
        let (out, err) = (file.try_clone().unwrap(), file.try_clone().unwrap());
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        let watcher = Command::new("sh")
            .args(["-c", WATCH, &child.id().to_string()])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Self { child, watcher };
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Before the log is read, so that the output of an ended process is complete.
            let is_running = process.is_running();
            let mut text = String::new();
            file.seek(SeekFrom::Start(begin)).unwrap();
            file.read_to_string(&mut text).unwrap();
            if is_running && text.contains(ready) {
                return Ok(process);
            }
            if !is_running || Instant::now() > deadline {
                return Err(tail(&text));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills the process with SIGKILL and returns once it has exited.
    fn kill(&mut self) {
        // The watcher first: later the id may belong to another process.
        for child in [&mut self.watcher, &mut self.child] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal and waits until the process has ended.
    fn end_by(&mut self, signal: &str, patience: Duration) -> bool {
        self::signal(signal, &[self.child.id()]);
        let ended = poll(patience, || !self.is_running());
        self.kill();
        ended
    }

    /// Stops the process with SIGSTOP, then its child processes, and returns once none of them
    /// runs.
    fn freeze(&self) {
        let parent = [self.child.id()];
        stop(&parent);
        // A stopped process starts no others and keeps the ids of children that end.
        stop(&children(self.child.id()));
    }

    fn thaw(&self) {
        signal("CONT", &children(self.child.id()));
        signal("CONT", &[self.child.id()]);
    }

    /// Kills the process and its child processes, and returns once all of them have exited.
    fn kill_with_children(&mut self) {
        if self.is_running() {
            stop(&[self.child.id()]);
            let children = children(self.child.id());
            signal("KILL", &children);
            self.kill();
            poll(PATIENCE, || children.iter().all(|&child| has_ended(child)));
        } else {
            self.kill();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server's process that tests can stop and start again.
struct Slot(Mutex<Option<Process>>);

impl Slot {
    fn new(process: Process) -> Self {
        Self(Mutex::new(Some(process)))
    }

    fn put(&self, process: Process) {
        *self.0.lock().unwrap() = Some(process);
    }

    fn take(&self) -> Option<Process> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    fn with<T>(&self, action: impl FnOnce(&mut Process) -> T) -> T {
        action(self.0.lock().unwrap().as_mut().expect("the server is not running"))
    }

    fn is_running(&self) -> bool {
        self.0.lock().unwrap().as_mut().is_some_and(Process::is_running)
    }
}

fn poll(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn signal(name: &str, processes: &[u32]) {
    if !processes.is_empty() {
        let ids = processes.iter().map(ToString::to_string);
        // With a shell, which has a built-in `kill`; the program is in a package of its own. Fails
        // if a process has ended.
        let script = "name=$1; shift; kill -s \"$name\" \"$@\"";
        let mut kill = Command::new("sh");
        kill.args(["-c", script, "sh", name]).args(ids).stderr(Stdio::null()).status().unwrap();
    }
}

fn stop(processes: &[u32]) {
    signal("STOP", processes);
    let stopped =
        poll(PATIENCE, || processes.iter().all(|&it| has_ended(it) || status(it).is_none_or(|it| it.0 == 'T')));
    assert!(stopped, "the processes {processes:?} do not stop");
}

fn has_ended(process: u32) -> bool {
    status(process).is_none_or(|(state, _)| matches!(state, 'Z' | 'X'))
}

/// The child processes of a process that have not ended.
fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc, which only Linux has");
    let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|&it| status(it).is_some_and(|(state, its_parent)| its_parent == parent && state != 'Z')).collect()
}

/// The state of a process, and the id of its parent.
fn status(process: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
