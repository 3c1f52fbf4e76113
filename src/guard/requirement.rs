//! [`Requirement`]: what a valid token must also fulfil, such as a [`scope`].

use std::{fmt, sync::Arc};

use crate::{
    guard::access::Examined,
    respond::{Rejection, is_scope_value},
    telemetry,
    token::{Scoped, VerifiedToken},
};

/// What a valid token must also fulfil for a request to pass. Otherwise, the request is rejected as
/// [`InsufficientScope`](Rejection::InsufficientScope), with 403.
///
/// Closures that take a token are requirements, and [`scope`] creates one. It is evaluated on every
/// request, after the token was verified and the store was asked: a revoked token is 401, never
/// 403. A request without a token is rejected as [`Missing`](Rejection::Missing), even if such
/// requests are [allowed](crate::Logout::allow_anonymous).
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "aws-lc-rs")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::{JwtVerifier, Logout, MemoryStore, VerifiedToken, scope};
///
/// let logout = Logout::new(JwtVerifier::hs256([7; 32]).build()?, MemoryStore::new());
/// let writers = logout.layer().require(scope("orders:write"));
/// let staff = logout
///     .layer()
///     .require(|token: &VerifiedToken| token.client_id.as_deref() == Some("backoffice"));
/// # let _ = (writers, staff);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "aws-lc-rs"))]
/// # fn main() {}
/// ```
pub trait Requirement<C>: Send + Sync + 'static {
    /// Whether a token fulfils it. It must not wait.
    fn is_met(&self, token: &VerifiedToken<C>) -> bool;

    /// The scope values that a token must have, separated by single spaces, for the
    /// [challenge](crate::respond::Challenge::scope). Default: none.
    ///
    /// What is not a value of RFC 6749, section 3.3, is left out of the challenge.
    fn scope(&self) -> Option<&str> {
        None
    }
}

impl<C, F> Requirement<C> for F
where
    F: Fn(&VerifiedToken<C>) -> bool + Send + Sync + 'static,
{
    fn is_met(&self, token: &VerifiedToken<C>) -> bool {
        self(token)
    }
}

/// Requires that a token has this scope value, or all of several that are separated by single
/// spaces: `scope("orders:read orders:write")`.
///
/// A text that is no scope (RFC 6749, section 3.3), such as an empty one or one with a quote, is
/// fulfilled by no token: every request is rejected, and the event `no token can have the required
/// scope` says why.
#[must_use]
pub fn scope(values: impl Into<Arc<str>>) -> Scope {
    let values = values.into();
    let is_possible = values.split(' ').all(is_scope_value);
    if !is_possible {
        telemetry::scope_impossible(&values);
    }
    Scope { values, is_possible }
}

/// Requirement of scope values. Created by [`scope`].
#[derive(Clone, Debug)]
pub struct Scope {
    values: Arc<str>,
    is_possible: bool,
}

impl<C: Scoped> Requirement<C> for Scope {
    fn is_met(&self, token: &VerifiedToken<C>) -> bool {
        self.is_possible && self.values.split(' ').all(|value| token.claims().has_scope(value))
    }

    fn scope(&self) -> Option<&str> {
        Some(&self.values)
    }
}

/// The requirements of a guard. There is nothing to evaluate or to allocate if there are none.
pub(super) struct Requirements<C>(Option<Arc<[Arc<dyn Requirement<C>>]>>);

impl<C: 'static> Requirements<C> {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) fn and(&self, requirement: impl Requirement<C>) -> Self {
        let known = self.0.iter().flat_map(|all| all.iter().map(Arc::clone));
        Self(Some(known.chain([Arc::new(requirement) as Arc<dyn Requirement<C>>]).collect()))
    }

    pub(super) const fn are_any(&self) -> bool {
        self.0.is_some()
    }

    /// Rejects a token that is valid and does not fulfil all of them.
    pub(super) fn judge(&self, examined: Examined<C>) -> Examined<C> {
        match (&self.0, examined) {
            (Some(all), Ok((admitted, _))) if !all.iter().all(|one| one.is_met(&admitted.token)) => {
                Err(Rejection::InsufficientScope.into())
            }
            (_, examined) => examined,
        }
    }
}

impl<C> Clone for Requirements<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C> fmt::Debug for Requirements<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_ref().map_or(0, |all| all.len()))
    }
}
