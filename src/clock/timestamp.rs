//! [`Timestamp`]: an instant.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant, in milliseconds since the Unix epoch.
///
/// Arithmetic and conversions saturate at [`Timestamp::MIN`] and [`Timestamp::MAX`]. With the
/// feature `serde`, an instant is the integer of [`as_unix_millis`](Self::as_unix_millis).
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use tower_logout::clock::Timestamp;
///
/// let at = Timestamp::from(UNIX_EPOCH + Duration::from_millis(1500));
/// assert_eq!(at.as_unix_millis(), 1500);
/// assert_eq!(at.to_system_time(), Some(UNIX_EPOCH + Duration::from_millis(1500)));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch: the earliest instant.
    pub const MIN: Self = Self(0);

    /// The latest instant, which no clock shows.
    pub const MAX: Self = Self(u64::MAX);

    /// Creates an instant from milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Creates an instant from whole seconds since the Unix epoch, the unit of `exp` and `iat` (RFC
    /// 7519, section 2).
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_unix_millis(self) -> u64 {
        self.0
    }

    /// Returns the instant as a [`SystemTime`], or `None` if that type cannot represent it.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.0))
    }

    /// Returns the instant `duration` later. `duration` is rounded up to whole milliseconds.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// Returns the instant `duration` earlier. `duration` is rounded up to whole milliseconds.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// Returns the time from `earlier` to this instant, or zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Returns this instant, rounded up to a whole second.
    #[must_use]
    pub const fn ceil_to_second(self) -> Self {
        match self.0.checked_next_multiple_of(1000) {
            Some(millis) => Self(millis),
            None => Self::MAX,
        }
    }

    /// Returns the first whole second after this instant.
    #[must_use]
    pub const fn next_second(self) -> Self {
        Self(self.0.saturating_add(1)).ceil_to_second()
    }
}

/// Converts a duration to milliseconds, rounded up so that no revocation is removed early.
fn millis(duration: Duration) -> u64 {
    let up = u128::from(!duration.subsec_nanos().is_multiple_of(1_000_000));
    u64::try_from(duration.as_millis() + up).unwrap_or(u64::MAX)
}

impl From<SystemTime> for Timestamp {
    /// Rounds down to milliseconds. Instants before the Unix epoch become [`Timestamp::MIN`].
    fn from(time: SystemTime) -> Self {
        let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(elapsed.as_secs().saturating_mul(1000).saturating_add(elapsed.subsec_millis().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::from_unix_seconds(u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.ceil_to_second(), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.next_second(), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.saturating_since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::MIN.saturating_sub(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)), Timestamp::MIN);
    }

    #[test]
    fn seconds_and_durations_round_up() {
        assert_eq!(Timestamp(1000).ceil_to_second(), Timestamp(1000));
        assert_eq!(Timestamp(1001).ceil_to_second(), Timestamp(2000));
        assert_eq!(Timestamp(1000).next_second(), Timestamp(2000));
        assert_eq!(Timestamp(1999).next_second(), Timestamp(2000));
        assert_eq!(Timestamp(0).saturating_add(Duration::from_nanos(1)), Timestamp(1));
        assert_eq!(Timestamp(2).saturating_sub(Duration::from_nanos(1)), Timestamp(1));
    }
}
