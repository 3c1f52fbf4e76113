//! [`Trace`]: what happened in a run, which a second run of the seed repeats.

use std::fmt::Write;

use tokio::time::Instant;

pub(crate) struct Trace {
    seed: u64,
    origin: Instant,
    events: Vec<(u64, &'static str, u64, u64)>,
    hash: u64,
}

impl Trace {
    pub(crate) fn new(seed: u64, origin: Instant) -> Self {
        Self { seed, origin, events: Vec::new(), hash: 0xcbf2_9ce4_8422_2325 }
    }

    pub(crate) fn add(&mut self, what: &'static str, one: u64, other: u64) {
        let at = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.events.push((at, what, one, other));
        for value in [at, one, other].into_iter().chain(what.bytes().map(u64::from)) {
            self.hash = (self.hash ^ value).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The end of the trace as text, and the command that repeats it.
    pub(crate) fn text(&self, plan: &impl std::fmt::Debug) -> String {
        let mut text = format!("{plan:#?}\n");
        for (at, what, one, other) in self.events.iter().skip(self.events.len().saturating_sub(LONGEST)) {
            let _ = writeln!(text, "{:>9.3} s  {what} {one} {other}", *at as f64 / 1e6);
        }
        let _ = write!(
            text,
            "seed {0}; to repeat: SIMULATION_SEED={0} cargo test --all-features --test simulation seeds -- --nocapture",
            self.seed
        );
        text
    }
}

const LONGEST: usize = 400;
