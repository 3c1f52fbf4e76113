//! Medians and other statistics.

use std::time::{Duration, Instant};

/// Results in ascending order.
pub(crate) struct Sorted(Vec<f64>);

impl Sorted {
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(crate) fn of_times(times: &[Duration]) -> Self {
        Self::new(times.iter().map(Duration::as_secs_f64))
    }

    pub(crate) fn median(&self) -> f64 {
        self.per_mille(500)
    }

    pub(crate) fn longest(&self) -> f64 {
        self.per_mille(1000)
    }

    pub(crate) fn per_mille(&self, part: usize) -> f64 {
        self.0[(self.0.len() - 1) * part / 1000]
    }
}

/// The duration of a call, in seconds.
pub(crate) fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}
