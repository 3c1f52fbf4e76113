//! [`Schedule`]: when the next attempt to fetch keys begins, if no request asks for one.

use std::time::Duration;

use crate::token::jwt::KeyFetching;

/// When the next attempt begins, counted from the end of the last one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    fetching: KeyFetching,
    failures: u32,
}

impl Schedule {
    pub(super) fn new(fetching: KeyFetching) -> Self {
        Self { fetching, failures: 0 }
    }

    pub(super) fn after_success(&mut self, max_age: Option<Duration>) -> Duration {
        self.failures = 0;
        let KeyFetching { refresh_min, refresh_max, .. } = self.fetching;
        let usual = max_age.unwrap_or(WITHOUT_MAX_AGE).min(refresh_max);
        jittered(usual).clamp(refresh_min, refresh_max)
    }

    pub(super) fn after_failure(&mut self, has_keys: bool) -> Duration {
        let cooldown = self.fetching.cooldown;
        let backoff = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let delay = if has_keys { cooldown } else { backoff.min(cooldown) };
        // Never sooner, because the cooldown is a promise to the provider.
        delay.mul_f64(1.0 + fastrand::f64() / 10.0)
    }
}

/// Adds or subtracts up to a tenth, so that instances that were started together do not ask
/// together.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.9 + fastrand::f64() / 5.0)
}

/// How long keys are used if the response has no `max-age`.
const WITHOUT_MAX_AGE: Duration = Duration::from_secs(600);
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_refresh_stays_within_its_bounds(max_age in proptest::option::of(any::<u64>()), min in 1..4000_u64, more in 0..9000_u64) {
            let (min, max) = (Duration::from_secs(min), Duration::from_secs(min + more));
            let mut schedule = Schedule::new(KeyFetching::new().refresh_between(min, max));
            let next = schedule.after_success(max_age.map(Duration::from_secs));
            prop_assert!((min..=max).contains(&next), "{:?}", next);
        }
    }

    #[test]
    fn instances_do_not_refresh_together() {
        let refreshes = [(); 16].map(|()| Schedule::new(KeyFetching::new()).after_success(None));
        let bounds = Duration::from_secs(540)..=Duration::from_secs(660);
        assert!(refreshes.iter().all(|refresh| bounds.contains(refresh)), "{refreshes:?}");
        assert!(refreshes.iter().any(|refresh| *refresh != refreshes[0]));
    }

    #[test]
    fn attempts_without_keys_are_repeated_sooner_and_ever_less_often() {
        let mut schedule = Schedule::new(KeyFetching::new());
        for expected in [1, 2, 4, 8, 16, 30, 30, 30] {
            let next = schedule.after_failure(false).as_secs_f64();
            assert!((f64::from(expected)..f64::from(expected) * 1.1).contains(&next), "{next} for {expected}");
        }
        assert!(schedule.after_failure(true) >= Duration::from_secs(30));
        schedule.after_success(None);
        assert!(schedule.after_failure(true) >= Duration::from_secs(30));
        schedule.after_success(None);
        assert!(schedule.after_failure(false) < Duration::from_secs(2), "a new outage begins anew");
        for _ in 0..100 {
            assert!(schedule.after_failure(false) <= Duration::from_secs(33));
        }
    }
}
