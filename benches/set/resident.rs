//! The memory per entry, as the operating system counts it.

use std::{env, fs, process::Command};

use tower_logout::{clock::Timestamp, set::RevocationSet};

use crate::join;

pub(crate) fn in_a_process_of_its_own() {
    let status = Command::new(env::current_exe().unwrap()).env(ASKED_FOR, "1").status().unwrap();
    assert!(status.success());
}

pub(crate) fn is_asked_for() -> bool {
    env::var_os(ASKED_FOR).is_some()
}

/// Fills a set and measures at every percent: the worst moment is just after tables were replaced.
pub(crate) fn measure() {
    let Some(before) = resident() else { return println!("bytes an entry: this system does not tell") };
    let set = RevocationSet::new();
    let bytes = |entries: usize| (resident().unwrap_or(before) - before) as f64 / entries as f64;
    let mut worst = 0.0_f64;
    for n in 0..ENTRIES {
        join(&set, n, if n % 10 == 0 { Timestamp::MIN } else { Timestamp::MAX });
        let entries = n + 1;
        if entries >= ENTRIES / 10 && entries % (ENTRIES / 100) == 0 {
            worst = worst.max(bytes(entries));
        }
    }
    println!(
        "resident: {:.1} bytes an entry at {ENTRIES}; at worst {worst:.1} on the way from a tenth of them",
        bytes(ENTRIES)
    );
    let after = resident();
    set.purge(Timestamp::MIN, |_| {});
    let kept = after.zip(resident()).map_or(0, |(before, after)| before.saturating_sub(after));
    println!("a tenth of them purged: {} entries are left, and {} MiB went back to the system", set.len(), kept >> 20);
}

/// In bytes, with pages of 4 KiB.
pub(crate) fn resident() -> Option<usize> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

const ASKED_FOR: &str = "TOWER_LOGOUT_RESIDENT";
const ENTRIES: usize = 10_000_000;
