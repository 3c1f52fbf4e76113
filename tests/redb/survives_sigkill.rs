//! Promise: an acknowledged revocation survives SIGKILL at any moment.

use std::{
    collections::HashSet,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use test_support::redb::{is_revoked, place, revocation};
use tower_logout::{RedbStore, RevocationStore, revocation::Outcome};

/// The default number of kills; the environment can override it.
const KILLS: u64 = 200;
const TASKS: u64 = 8;

/// The numbers of different child processes do not overlap.
const PER_CHILD: u64 = 1_000_000;

/// Set in the child process: the path of the file and the first number.
const CHILD: &str = "TOWER_LOGOUT_SIGKILL_CHILD";

#[test]
fn acknowledged_revocations_survive_sigkill() {
    if let Ok(child) = env::var(CHILD) {
        let (first, path) = child.split_once(' ').unwrap();
        log_out_as_fast_as_possible(Path::new(path), first.parse().unwrap());
    }
    let kills = env::var("TOWER_LOGOUT_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let (_directory, path) = place();
    let mut acknowledged = HashSet::new();
    let mut killed_while_opening = 0;
    // The moments only need to be spread.
    let mut random = u64::from(std::process::id()) | 1;
    for kill in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["survives_sigkill::acknowledged_revocations_survive_sigkill", "--exact", "--nocapture"])
            .env(CHILD, format!("{} {}", kill * PER_CHILD, path.to_str().unwrap()))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (begun, begins) = mpsc::channel();
        let reader = thread::spawn(move || {
            let told = lines.map_while(Result::ok).filter_map(|line| acknowledgement(&line));
            let tell = |_: &u64| begun.send(()).unwrap_or_default();
            told.inspect(tell).collect()
        });
        // Every other child is killed while it logs out, the others at any time, including while
        // they open the file.
        if kill % 2 == 0 {
            begins.recv().expect("the child acknowledges a logout");
        }
        thread::sleep(Duration::from_micros(random % 100_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let told: Vec<u64> = reader.join().unwrap();
        killed_while_opening += u64::from(told.is_empty());
        acknowledged.extend(told);
        let store = RedbStore::open(&path).unwrap_or_else(|error| {
            panic!("kill {kill}: {}", test_support::redb::chain(&error));
        });
        let lost: Vec<_> = acknowledged.iter().filter(|number| !is_revoked(&store, **number)).collect();
        assert!(lost.is_empty(), "kill {kill}: of {} acknowledged, lost: {lost:?}", acknowledged.len());
    }
    println!("{} acknowledged, {killed_while_opening} of {kills} killed before the first", acknowledged.len());
    assert!(acknowledged.len() as u64 > 10 * kills);
}

/// The kill can cut a line short; a complete line has its number twice.
fn acknowledgement(line: &str) -> Option<u64> {
    let (number, again) = line.strip_prefix("done ")?.split_once(' ')?;
    (number == again).then(|| number.parse().ok())?
}

fn log_out_as_fast_as_possible(path: &Path, first: u64) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = Arc::new(RedbStore::open(path).unwrap());
    let tasks = (0..TASKS).map(|task| {
        let store = Arc::clone(&store);
        runtime.spawn(async move {
            for number in (first + task..).step_by(usize::try_from(TASKS).unwrap()) {
                assert_eq!(store.revoke(&revocation(number)).await.unwrap(), Outcome::Newly);
                // One write, so that the line is in the pipe before the next revocation begins.
                std::io::stdout().lock().write_all(format!("done {number} {number}\n").as_bytes()).unwrap();
            }
        })
    });
    runtime.block_on(futures_util::future::join_all(tasks.collect::<Vec<_>>()));
    unreachable!()
}
