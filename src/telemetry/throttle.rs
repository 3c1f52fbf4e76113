use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Admits one event of each kind per minute, and counts the others.
///
/// Kinds are literals, so there are few of them.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<BTreeMap<&'static str, Last>>);

#[derive(Debug)]
struct Last {
    at: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// Admits an event of this kind, and returns how many were suppressed since the last one;
    /// `None` suppresses it.
    pub(crate) fn admit(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kinds.entry(kind).or_insert(Last { at: None, suppressed: 0 });
        if last.at.is_some_and(|at| now < at + PERIOD) {
            last.suppressed += 1;
            return None;
        }
        last.at = Some(now);
        Some(mem::take(&mut last.suppressed))
    }

    /// Undoes the admission of an event that was not emitted.
    pub(crate) fn retract(&self, kind: &'static str, suppressed: u64) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = kinds.get_mut(kind) {
            last.at = None;
            last.suppressed += suppressed;
        }
    }
}

const PERIOD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_event_of_a_kind_is_shown_per_minute_and_the_others_are_counted() {
        let throttle = Throttle::default();
        assert_eq!(throttle.admit("a"), Some(0));
        assert_eq!([(); 3].map(|()| throttle.admit("a")), [None; 3]);
        assert_eq!(throttle.admit("b"), Some(0), "each kind by itself");
        tokio::time::advance(PERIOD.saturating_sub(Duration::from_millis(1))).await;
        assert_eq!(throttle.admit("a"), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!([throttle.admit("a"), throttle.admit("a")], [Some(4), None]);
        tokio::time::advance(PERIOD).await;
        assert_eq!([throttle.admit("a"), throttle.admit("b")], [Some(1), Some(0)]);
        tokio::time::advance(PERIOD).await;
        assert_eq!([throttle.admit("a"), throttle.admit("a")], [Some(0), None]);
        throttle.retract("a", 0);
        assert_eq!([throttle.admit("a"), throttle.admit("a")], [Some(1), None]);
    }
}
