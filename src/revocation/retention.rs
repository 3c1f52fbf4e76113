//! [`Retention`]: how long a revocation must be retained.

use std::time::Duration;

use crate::clock::Timestamp;

/// Policy for how long a revocation is retained: until no verifier accepts a token that it covers.
///
/// The same policy limits which tokens a verifier accepts and when a store may remove a revocation,
/// so the two cannot diverge. A custom [`TokenVerifier`](crate::token::TokenVerifier) accepts a
/// token only if [`accepts_expiry`](Self::accepts_expiry),
/// [`accepts_not_before`](Self::accepts_not_before), [`accepts_issued_at`](Self::accepts_issued_at)
/// and [`accepts_lifetime`](Self::accepts_lifetime) return `true`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_logout::revocation::Retention;
///
/// let retention = Retention::new().with_leeway(Duration::from_secs(5));
/// assert_eq!(retention.leeway(), Duration::from_secs(5));
/// assert_eq!(retention.clock_skew(), Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Retention {
    max_lifetime: Duration,
    leeway: Duration,
    clock_skew: Duration,
}

impl Retention {
    /// Creates the default policy: `max_lifetime` 366 days, `leeway` 0 s, `clock_skew` 30 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_lifetime: Duration::from_secs(366 * 24 * 60 * 60),
            leeway: Duration::ZERO,
            clock_skew: Duration::from_secs(30),
        }
    }

    /// Sets the longest lifetime (`exp - iat`) that a token may have. A verifier rejects tokens
    /// that live longer.
    #[must_use]
    pub const fn with_max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.max_lifetime = max_lifetime;
        self
    }

    /// Sets for how long after `exp`, and before `nbf` and `iat`, a verifier accepts a token.
    #[must_use]
    pub const fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets by how much the clocks of issuer, verifiers and stores may differ.
    ///
    /// A verifier accepts a token this long before its `nbf` and `iat`, in addition to the leeway.
    #[must_use]
    pub const fn with_clock_skew(mut self, clock_skew: Duration) -> Self {
        self.clock_skew = clock_skew;
        self
    }

    /// Returns the longest lifetime (`exp - iat`) that a token may have.
    #[must_use]
    pub const fn max_lifetime(&self) -> Duration {
        self.max_lifetime
    }

    /// Returns for how long after `exp`, and before `nbf` and `iat`, a verifier accepts a token.
    #[must_use]
    pub const fn leeway(&self) -> Duration {
        self.leeway
    }

    /// Returns by how much the clocks of issuer, verifiers and stores may differ.
    #[must_use]
    pub const fn clock_skew(&self) -> Duration {
        self.clock_skew
    }

    /// Combines two policies by taking the larger value of each setting. Use it when two verifiers
    /// share a store.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            max_lifetime: self.max_lifetime.max(other.max_lifetime),
            leeway: self.leeway.max(other.leeway),
            clock_skew: self.clock_skew.max(other.clock_skew),
        }
    }

    /// Returns until when the revocation of a single token is retained: `ceil(exp) + leeway + 1 s +
    /// clock_skew`.
    #[must_use]
    pub fn of_token(&self, expires_at: Timestamp) -> Timestamp {
        self.margin_after(expires_at.ceil_to_second())
    }

    /// Returns until when the revocation of all tokens issued at or before an instant is retained:
    /// `issued_through + max_lifetime + leeway + 1 s + clock_skew`.
    #[must_use]
    pub fn of_issued_through(&self, issued_through: Timestamp) -> Timestamp {
        self.margin_after(issued_through.saturating_add(self.max_lifetime).ceil_to_second())
    }

    /// Returns whether a token with this expiry is still accepted, including the leeway.
    #[must_use]
    pub fn accepts_expiry(&self, expires_at: Timestamp, now: Timestamp) -> bool {
        now < self.accepted_until(expires_at)
    }

    /// Returns the first instant at which a token with this expiry is no longer accepted: the
    /// expiry plus the leeway.
    #[must_use]
    pub fn accepted_until(&self, expires_at: Timestamp) -> Timestamp {
        expires_at.saturating_add(self.leeway)
    }

    /// Returns whether a token with this `nbf` is valid already.
    ///
    /// The issuer's clock may be ahead by up to `clock_skew` plus `leeway`.
    #[must_use]
    pub fn accepts_not_before(&self, not_before: Timestamp, now: Timestamp) -> bool {
        not_before <= self.latest_present(now)
    }

    /// Returns whether a token with this issue time (`iat`) is accepted, because it is not in the
    /// future.
    ///
    /// The issuer's clock may be ahead by up to `clock_skew` plus `leeway`.
    #[must_use]
    pub fn accepts_issued_at(&self, issued_at: Timestamp, now: Timestamp) -> bool {
        issued_at <= self.latest_present(now)
    }

    /// Returns whether the lifetime of a token is within `max_lifetime`.
    #[must_use]
    pub fn accepts_lifetime(&self, issued_at: Timestamp, expires_at: Timestamp) -> bool {
        expires_at.saturating_since(issued_at) <= self.max_lifetime
    }

    /// The latest time that an issuer's clock may show now.
    pub(crate) fn latest_present(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.leeway).saturating_add(self.clock_skew)
    }

    fn margin_after(&self, instant: Timestamp) -> Timestamp {
        instant.saturating_add(self.leeway).saturating_add(Duration::from_secs(1)).saturating_add(self.clock_skew)
    }
}

impl Default for Retention {
    /// Returns [`Retention::new`].
    fn default() -> Self {
        Self::new()
    }
}
