//! [`Attempts`]: the decision on a request whose tokens are tried in turn.

use std::sync::Arc;

use crate::{
    guard::{Admitted, access::Examined, rejected::Rejected},
    respond::Rejection,
    telemetry::{Check, Passed},
};

/// The decision on a request.
pub(crate) type Decision<C> = Result<Option<Arc<Admitted<C>>>, Rejection>;

/// The requests that may pass without a token.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Anonymous {
    Rejected,
    Allowed,
    AllowedIfExpired,
}

/// A check in progress, with the most specific rejection of the tokens tried so far.
pub(super) struct Attempts {
    check: Check,
    anonymous: Anonymous,
    /// Whether the tokens are cookies, which browsers send by themselves.
    are_cookies: bool,
    rejected: Option<Rejected>,
}

impl Attempts {
    pub(super) fn new(check: Check, anonymous: Anonymous, are_cookies: bool) -> Self {
        Self { check, anonymous, are_cookies, rejected: None }
    }

    /// Returns the decision, if the result of this token is decisive.
    pub(super) fn settle<C>(&mut self, result: Examined<C>) -> Option<Decision<C>> {
        match result {
            Ok((token, passed)) => Some(pass(self.check, Some(token), passed)),
            Err(rejected) => match weight(rejected.reason) {
                Some(weight) => {
                    if self.reason().and_then(self::weight) < Some(weight) {
                        self.rejected = Some(rejected);
                    }
                    None
                }
                None => Some(reject(self.check, rejected)),
            },
        }
    }

    /// Returns the decision, if no token was decisive.
    pub(super) fn conclude<C>(self) -> Decision<C> {
        let is_anonymous = match self.reason() {
            None => self.anonymous >= Anonymous::Allowed,
            Some(Rejection::Invalid) => self.are_cookies && self.anonymous >= Anonymous::Allowed,
            Some(Rejection::Expired) => self.anonymous >= Anonymous::AllowedIfExpired,
            Some(_) => false,
        };
        if is_anonymous {
            return pass(self.check, None, Passed::Anonymous);
        }
        reject(self.check, self.rejected.unwrap_or(Rejection::Missing.into()))
    }

    fn reason(&self) -> Option<Rejection> {
        self.rejected.map(|rejected| rejected.reason)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the counterpart of `reject`")]
fn pass<C>(check: Check, token: Option<Arc<Admitted<C>>>, passed: Passed) -> Decision<C> {
    check.end(Ok(passed), None);
    Ok(token)
}

pub(super) fn reject<C>(check: Check, rejected: impl Into<Rejected>) -> Decision<C> {
    let Rejected { reason, fault } = rejected.into();
    check.end(Err(reason.code()), fault);
    Err(reason)
}

/// How specific a rejection is; the most specific one is returned. A rejection without a weight is
/// not about the token, and is decisive.
const fn weight(rejection: Rejection) -> Option<u8> {
    match rejection {
        Rejection::Invalid => Some(0),
        Rejection::Expired => Some(1),
        Rejection::Revoked => Some(2),
        _ => None,
    }
}
