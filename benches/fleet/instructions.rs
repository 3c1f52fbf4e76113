//! How many instructions Redis executes for a command. Valgrind counts them, so they hardly depend
//! on how busy the machine is.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use redis::{Client, aio::MultiplexedConnection, cmd};
use tempfile::TempDir;
use tokio::time::sleep;
use tower_logout::{RedisStore, RevocationStore, revocation::RevocationKey};

use crate::{
    Run,
    backend::{ISSUER, PATIENCE, Raw, new_revocation},
    on_redis::RawRedis,
    table::{Table, rounded},
};

pub(crate) fn measure(run: &Run, table: &mut Table) {
    if !is_installed("valgrind") || !is_installed("redis-server") {
        println!("valgrind or redis-server is not installed: no instructions are counted");
        return;
    }
    table.begin(&["what Redis does", "instructions", "ratio to `PING`"]);
    let count = |what: What, revocations: u32| {
        let (some, more) = (run.choose(30, 2), run.choose(230, 4));
        let counted = [some, more].map(|times| run.runtime.block_on(counted(what, times)));
        counted[1].saturating_sub(counted[0]) / u64::from(more - some) / u64::from(revocations)
    };
    let ping = count(What::Ping, 1);
    for (name, instructions) in [
        ("`PING`", ping),
        ("`SET`", count(What::Set, 1)),
        ("a revocation alone", count(What::Revoke(1), 1)),
        ("a revocation in a batch of 64", count(What::Revoke(64), 64)),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "so many are not executed")]
        let ratio = instructions as f64 / ping.max(1) as f64;
        table.row([name.to_owned(), instructions.to_string(), rounded(ratio)]);
    }
}

#[derive(Clone, Copy)]
enum What {
    Ping,
    Set,
    /// So many revocations of tokens at once.
    Revoke(usize),
}

/// The instructions of a server that does this so many times, from its start to its end.
async fn counted(what: What, times: u32) -> u64 {
    let server = Counted::start().await;
    let store = RedisStore::options().timeout(PATIENCE).connect(&server.url).await.unwrap();
    for number in 0..times {
        match what {
            What::Ping => server.raw.round_trip().await,
            What::Set => server.raw.write(RevocationKey::token_id(ISSUER, &number.to_string())).await,
            What::Revoke(revocations) => {
                let revocations: Vec<_> = (0..revocations).map(|_| new_revocation()).collect();
                let _ = store.revoke_all(&revocations).await.unwrap();
            }
        }
    }
    server.stop().await
}

/// A Redis under callgrind.
struct Counted {
    process: Child,
    directory: TempDir,
    url: String,
    wire: MultiplexedConnection,
    raw: RawRedis,
}

impl Counted {
    #[allow(clippy::zombie_processes, reason = "`stop` waits for it")]
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let process = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=counted", "redis-server"])
            // Once a second, so that what the server does by itself hardly counts.
            .args(["--bind", "127.0.0.1", "--save", "", "--hz", "1", "--port", &port.to_string()])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("redis://127.0.0.1:{port}");
        let client = Client::open(&*url).unwrap();
        let mut wire = None;
        for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
            wire = client.get_multiplexed_async_connection().await.ok();
            if wire.is_some() {
                break;
            }
            sleep(POLL).await;
        }
        let wire = wire.expect("valgrind starts Redis");
        Self { process, directory, url, raw: RawRedis::new(wire.clone()), wire }
    }

    async fn stop(mut self) -> u64 {
        // The server closes the connection instead of answering.
        let _ = cmd("SHUTDOWN").arg("NOSAVE").query_async::<()>(&mut self.wire).await;
        self.process.wait().unwrap();
        let counted = fs::read_to_string(self.directory.path().join("counted")).unwrap();
        let total = counted.lines().find_map(|line| line.strip_prefix("totals: "));
        total.unwrap().trim().parse().unwrap()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
}

const POLL: Duration = Duration::from_millis(50);
