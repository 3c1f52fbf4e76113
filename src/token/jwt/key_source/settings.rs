//! [`KeyFetching`] and [`FetchSettings`]: how keys are fetched.

use std::{fmt, sync::Arc, time::Duration};

use crate::{fetch::Fetch, token::jwt::ConfigError};

/// When the keys of an issuer are fetched, and the bounds of each request.
///
/// The defaults suit the usual providers. No duration may be zero, which is an error when the
/// verifier starts; one that is longer than a year counts as a year.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_logout::token::jwt::KeyFetching;
///
/// // Removed keys end within five minutes, and an outage of the provider is survived for an hour.
/// let fetching = KeyFetching::new()
///     .refresh_between(Duration::from_secs(60), Duration::from_secs(300))
///     .max_stale(Duration::from_secs(3600));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct KeyFetching {
    pub(super) cooldown: Duration,
    pub(super) refresh_min: Duration,
    pub(super) refresh_max: Duration,
    pub(super) max_stale: Duration,
    pub(super) timeout: Duration,
    pub(super) max_len: usize,
}

impl KeyFetching {
    /// Creates the defaults.
    pub fn new() -> Self {
        Self {
            cooldown: Duration::from_secs(30),
            refresh_min: Duration::from_secs(60),
            refresh_max: Duration::from_secs(3600),
            max_stale: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(5),
            max_len: 512 * 1024,
        }
    }

    /// Sets the minimum time between two attempts to fetch the keys, counted from the start of the
    /// first, whether it succeeds or not. Default: 30 seconds.
    ///
    /// A token that names an unknown key starts an attempt at most this often. Until keys were
    /// fetched for the first time, attempts are repeated sooner: after one second, two, four, and
    /// so on up to this.
    pub fn cooldown(self, cooldown: Duration) -> Self {
        Self { cooldown: cooldown.min(LONGEST), ..self }
    }

    /// Sets the bounds of the time after which keys are fetched again. Default: one minute and one
    /// hour.
    ///
    /// Within them, the `max-age` of the provider's response counts, or ten minutes if it has none;
    /// a random tenth is added or subtracted, so that many instances do not ask at once. The upper
    /// bound is also how long a key that the provider has removed is accepted.
    pub fn refresh_between(self, min: Duration, max: Duration) -> Self {
        Self { refresh_min: min.min(LONGEST), refresh_max: max.min(LONGEST), ..self }
    }

    /// Sets how long the keys that were fetched last are used while the provider cannot be reached.
    /// Default: 24 hours. After that, tokens of the issuer are answered with 503.
    pub fn max_stale(self, max_stale: Duration) -> Self {
        Self { max_stale: max_stale.min(LONGEST), ..self }
    }

    /// Sets how long a request may take, from the connection to the last byte. Default: 5 seconds.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: timeout.min(LONGEST), ..self }
    }

    /// Sets the maximum length of a response in bytes, decompressed. Default: 512 KiB.
    pub fn max_len(self, max_len: usize) -> Self {
        Self { max_len, ..self }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let zero = [
            (self.cooldown, "cooldown"),
            (self.refresh_min, "the shortest time of refresh_between"),
            (self.max_stale, "max_stale"),
            (self.timeout, "timeout"),
        ];
        if let Some((_, what)) = zero.into_iter().find(|(duration, _)| duration.is_zero()) {
            return Err(ConfigError::ZeroDuration(what));
        }
        if self.refresh_min > self.refresh_max {
            return Err(ConfigError::RefreshBounds { min: self.refresh_min, max: self.refresh_max });
        }
        Ok(())
    }
}

impl Default for KeyFetching {
    fn default() -> Self {
        Self::new()
    }
}

/// The settings of an issuer, or those for all issuers, as far as they were made.
#[derive(Clone, Default)]
pub(in crate::token::jwt) struct FetchSettings {
    pub(in crate::token::jwt) client: Option<Arc<dyn Fetch>>,
    pub(in crate::token::jwt) allow_http_on_loopback: bool,
    pub(in crate::token::jwt) fetching: Option<KeyFetching>,
}

impl FetchSettings {
    /// Completes the settings of an issuer with those for all issuers.
    pub(in crate::token::jwt) fn or(self, general: &Self) -> Self {
        Self {
            client: self.client.or_else(|| general.client.clone()),
            allow_http_on_loopback: self.allow_http_on_loopback || general.allow_http_on_loopback,
            fetching: self.fetching.or(general.fetching),
        }
    }

    pub(super) fn fetching(&self) -> KeyFetching {
        self.fetching.unwrap_or_default()
    }
}

impl fmt::Debug for FetchSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchSettings")
            .field("allow_http_on_loopback", &self.allow_http_on_loopback)
            .field("fetching", &self.fetching)
            .finish_non_exhaustive()
    }
}

/// A year. Twice as long can be added to an `Instant` without an overflow.
const LONGEST: Duration = Duration::from_secs(31_536_000);
