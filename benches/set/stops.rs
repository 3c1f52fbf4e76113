//! The longest checks while another thread writes, beside those of a set that nobody writes: what
//! both have is the machine's.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tower_logout::{clock::Timestamp, revocation::TokenIdentity, set::RevocationSet};

use crate::{join, search, set_of};

pub(crate) fn measure(fresh: &[TokenIdentity]) {
    let (set, idle) = (RevocationSet::new(), set_of(1000));
    for n in 0..10_000_000 {
        join(&set, n, if n % 10 == 0 { SOON } else { Timestamp::MAX });
    }
    let check_while = |what: &str, work: &(dyn Fn() + Sync)| {
        let done = AtomicBool::new(false);
        let (mut ours, mut control) = (Stops::default(), Stops::default());
        let took = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let begun = Instant::now();
                work();
                done.store(true, Ordering::Release);
                begun.elapsed()
            });
            let (mut tokens, elsewhere) = (fresh.iter().cycle(), RevocationSet::new());
            while !done.load(Ordering::Acquire) {
                ours.time(|| search(&set, &elsewhere, tokens.next().unwrap()));
                control.time(|| search(&idle, &elsewhere, tokens.next().unwrap()));
            }
            worker.join().unwrap()
        });
        println!("{what}, {took:.0?}: {}; of a set that nobody writes: {}", ours.summary(), control.summary());
    };
    check_while("nothing happens to 10 million", &|| thread::sleep(Duration::from_secs(1)));
    check_while("1 million of 10 million expire", &|| set.purge(SOON, |_| {}));
    check_while("1 million are revoked", &|| (10_000_000..11_000_000).for_each(|n| join(&set, n, Timestamp::MAX)));
}

#[derive(Default)]
pub(crate) struct Stops(Vec<Duration>);

impl Stops {
    pub(crate) fn time(&mut self, check: impl FnOnce() -> bool) {
        let begun = Instant::now();
        black_box(check());
        self.0.push(begun.elapsed());
    }

    pub(crate) fn summary(mut self) -> String {
        self.0.sort_unstable();
        let at = |share: f64| self.0[((self.0.len() - 1) as f64 * share) as usize];
        format!("{} checks, p50 {:?}, p99.999 {:?}, longest {:?}", self.0.len(), at(0.5), at(0.999_99), at(1.0))
    }
}

const SOON: Timestamp = Timestamp::from_unix_seconds(1);
