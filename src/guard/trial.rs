//! What becomes of a request as its tokens are tried one after the other.

use crate::{
    guard::{Examined, Refused, Verdict},
    respond::Rejection,
    telemetry::{Check, Passed},
};

/// Which requests may pass without a token.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Anonymous {
    Refused,
    Allowed,
    AllowedIfExpired,
}

/// A check, and why the tokens that were tried so far were rejected.
pub(super) struct Trial {
    check: Check,
    anonymous: Anonymous,
    /// Whether the tokens were sent by a browser on its own, so that each gets its chance.
    are_cookies: bool,
    refused: Option<Refused>,
}

impl Trial {
    pub(super) fn new(check: Check, anonymous: Anonymous, are_cookies: bool) -> Self {
        Self { check, anonymous, are_cookies, refused: None }
    }

    /// The verdict, if this token's result decides.
    pub(super) fn settle<C>(&mut self, result: Examined<C>) -> Option<Verdict<C>> {
        match result {
            Ok((token, passed)) => Some(self.check.pass(Some(token), passed)),
            Err(refused) => match weight(refused.rejection) {
                Some(weight) => {
                    if self.rejection().and_then(self::weight) < Some(weight) {
                        self.refused = Some(refused);
                    }
                    None
                }
                None => Some(self.check.refuse(refused)),
            },
        }
    }

    /// The verdict, if no token has decided.
    pub(super) fn conclude<C>(self) -> Verdict<C> {
        let is_anonymous = match self.rejection() {
            None => self.anonymous >= Anonymous::Allowed,
            Some(Rejection::Invalid) => self.are_cookies && self.anonymous >= Anonymous::Allowed,
            Some(Rejection::Expired) => self.anonymous >= Anonymous::AllowedIfExpired,
            Some(_) => false,
        };
        if is_anonymous {
            return self.check.pass(None, Passed::Anonymous);
        }
        self.check.refuse(self.refused.unwrap_or(Rejection::Missing.into()))
    }

    fn rejection(&self) -> Option<Rejection> {
        self.refused.map(|refused| refused.rejection)
    }
}

/// How much a rejection says of a token, so that the client is told the most. One without a weight says that nothing can be told, and
/// decides.
const fn weight(rejection: Rejection) -> Option<u8> {
    match rejection {
        Rejection::Invalid => Some(0),
        Rejection::Expired => Some(1),
        Rejection::Revoked => Some(2),
        _ => None,
    }
}
