//! [`Tokens`]: which token a text is.

use std::{error::Error, iter, sync::Arc};

use tokio::time::Instant;

use crate::{
    guard::{CheckTokens, Identify},
    revocation::TokenIdentity,
    token::{Candidate, VerifyError, jwt::InvalidToken},
};

/// The verifiers of the tokens that can be revoked.
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) access: Arc<dyn CheckTokens>,
    pub(super) refresh: Option<Arc<dyn Identify>>,
}

/// What a client has presented.
pub(super) enum Presented {
    Access(TokenIdentity),
    Refresh(TokenIdentity),
    /// Expired, forged, of another service, or no token at all.
    Unknown,
    /// Authentic, and valid later.
    NotYetValid,
}

#[derive(Clone, Copy)]
enum Kind {
    Access,
    Refresh,
}

impl Tokens {
    /// Tries both kinds, that of the hint first.
    ///
    /// # Errors
    ///
    /// If it could not be determined which token it is.
    pub(super) async fn identify(
        &self,
        text: &str,
        is_probably_refresh: bool,
        deadline: Instant,
    ) -> Result<Presented, VerifyError> {
        if text.len() > self.access.max_token_len() || Candidate::Unchecked(text.as_bytes()).into_token().is_err() {
            return Ok(Presented::Unknown);
        }
        let order = if is_probably_refresh { [Kind::Refresh, Kind::Access] } else { [Kind::Access, Kind::Refresh] };
        let (mut not_yet_valid, mut unavailable) = (false, None);
        for kind in order {
            match (self.verify(kind, text, deadline).await, kind) {
                (Some(Ok(token)), Kind::Access) => return Ok(Presented::Access(token)),
                (Some(Ok(token)), Kind::Refresh) => return Ok(Presented::Refresh(token)),
                (Some(Err(error @ VerifyError::Unavailable(_))), _) => unavailable = Some(error),
                (Some(Err(error)), _) => not_yet_valid |= is_valid_later(&error),
                (None, _) => {}
            }
        }
        match unavailable {
            Some(error) => Err(error),
            None if not_yet_valid => Ok(Presented::NotYetValid),
            None => Ok(Presented::Unknown),
        }
    }

    async fn verify(&self, kind: Kind, text: &str, deadline: Instant) -> Option<Result<TokenIdentity, VerifyError>> {
        match kind {
            Kind::Access => Some(self.access.verify(text, deadline).await),
            Kind::Refresh => Some(self.refresh.as_ref()?.try_identify(text, deadline).await),
        }
    }
}

/// Whether the token will be accepted if it is not revoked.
fn is_valid_later(error: &VerifyError) -> bool {
    let mut causes = iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
    causes.any(|cause| matches!(cause.downcast_ref(), Some(InvalidToken::NotYetValid | InvalidToken::IssuedInFuture)))
}
