//! [`Verdict`]: what an answer says about a token.

use std::sync::Arc;

use crate::token::{
    VerifiedToken, VerifyError,
    jwt::{InvalidToken, Refused},
};

/// What an answer says about a token: it is accepted, or not.
pub(super) type Verdict<C> = Result<VerifiedToken<C>, Rejected>;

/// The reason why a token that was judged is not accepted.
#[derive(Clone, Debug)]
pub(super) enum Rejected {
    Expired,
    /// The second text says more, without values of claims.
    Invalid(InvalidToken, Option<Arc<str>>),
}

impl Rejected {
    /// The name of the result in metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Invalid(InvalidToken::Inactive, _) => "inactive",
            Self::Expired | Self::Invalid(..) => "rejected",
        }
    }

    /// Explains why an active token does not fit the configuration.
    pub(super) fn explain(&self) -> Option<String> {
        let Self::Invalid(reason, detail) = self else { return None };
        reason.remedy()?;
        Some(detail.as_ref().map_or_else(|| reason.to_string(), |detail| format!("{reason}: {detail}")))
    }
}

impl From<InvalidToken> for Rejected {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(reason, None)
    }
}

impl TryFrom<Refused> for Rejected {
    /// Why the claims cannot be read.
    type Error = String;

    fn try_from(refused: Refused) -> Result<Self, String> {
        match refused {
            Refused::Malformed(reason) => Err(reason),
            Refused::Expired => Ok(Self::Expired),
            Refused::Invalid(reason, detail) => Ok(Self::Invalid(reason, detail.map(Arc::from))),
        }
    }
}

impl From<Rejected> for VerifyError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Expired => Self::Expired,
            Rejected::Invalid(reason, _) => reason.into(),
        }
    }
}
