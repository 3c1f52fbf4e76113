//! [`Pace`]: when the next request of a poller begins.

use std::time::Duration;

use http::{HeaderMap, header::RETRY_AFTER};

/// How long a poller waits, counted from the end of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    min: Duration,
    max: Duration,
    /// The interval after the next answer without events.
    empty: Duration,
    failures: u32,
}

impl Pace {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, empty: min, failures: 0 }
    }

    /// After an answer that has brought something new. `took` is how long it took, and `more`
    /// whether the transmitter has more.
    pub(super) fn after_events(&mut self, took: Duration, more: bool) -> Duration {
        (self.empty, self.failures) = (self.min, 0);
        if more { Duration::ZERO } else { self.min.saturating_sub(took) }
    }

    /// After an answer without anything new. A transmitter that has waited for events is asked
    /// again at once, and one that has not ever less often.
    pub(super) fn after_nothing(&mut self, took: Duration) -> Duration {
        self.failures = 0;
        if took >= self.min {
            self.empty = self.min;
            return Duration::ZERO;
        }
        let interval = self.empty;
        self.empty = self.empty.saturating_mul(2).min(self.max);
        interval.saturating_sub(took)
    }

    /// After an error, with the headers of the response if there was one.
    pub(super) fn after_failure(&mut self, headers: Option<&HeaderMap>) -> Duration {
        let backoff = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(16)).min(LONGEST_BACKOFF);
        self.failures = self.failures.saturating_add(1);
        let asked = headers.and_then(retry_after).unwrap_or_default().min(LONGEST_RETRY_AFTER);
        // Nodes that failed together do not ask together.
        backoff.max(asked).mul_f64(1.0 + fastrand::f64() / 4.0)
    }
}

/// In seconds. A date counts as absent.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

const FIRST_BACKOFF: Duration = Duration::from_secs(2);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn empty_answers_that_come_at_once_are_asked_for_ever_less_often() {
        let mut pace = Pace::new(seconds(2), seconds(16));
        let waits = [(); 6].map(|()| pace.after_nothing(Duration::ZERO).as_secs());
        assert_eq!(waits, [2, 4, 8, 16, 16, 16]);
        assert_eq!(pace.after_events(Duration::ZERO, false), seconds(2));
        assert_eq!(pace.after_nothing(seconds(1)), seconds(1), "an event begins anew");
    }

    #[test]
    fn a_long_poll_is_followed_by_the_next_at_once() {
        let mut pace = Pace::new(seconds(2), seconds(16));
        assert_eq!(pace.after_nothing(Duration::ZERO), seconds(2));
        assert_eq!(pace.after_nothing(seconds(30)), Duration::ZERO);
        assert_eq!(pace.after_nothing(Duration::ZERO), seconds(2), "a wait begins anew");
        assert_eq!(pace.after_events(Duration::ZERO, true), Duration::ZERO);
        assert_eq!(pace.after_events(seconds(30), false), Duration::ZERO);
    }

    #[test]
    fn failures_are_followed_by_longer_pauses_within_bounds() {
        let mut pace = Pace::new(seconds(2), seconds(16));
        for expected in [2, 4, 8, 16, 32, 60, 60] {
            let wait = pace.after_failure(None).as_secs_f64();
            assert!((f64::from(expected)..f64::from(expected) * 1.25).contains(&wait), "{wait} for {expected}");
        }
        let _ = pace.after_nothing(Duration::ZERO);
        assert!(pace.after_failure(None) < seconds(3), "an answer begins anew");
        for (value, least, most) in [
            ("10", 10, 13),
            ("99999999999999999999999", 300, 376),
            // Not understood, so the fourth and the fifth failure count.
            ("-1", 16, 21),
            ("Wed, 21 Oct 2026 07:28:00 GMT", 32, 41),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            let wait = pace.after_failure(Some(&headers));
            assert!((seconds(least)..seconds(most)).contains(&wait), "{value}: {wait:?}");
        }
        let jittered = [(); 16].map(|()| pace.after_failure(None));
        assert!(jittered.iter().any(|wait| *wait != jittered[0]));
    }
}
