use std::{error::Error, sync::Arc};

use async_trait::async_trait;

use crate::{
    chain::debug_as_chain,
    clock::{Clock, SystemClock},
    revocation::Retention,
    token::{Revocable, VerifiedToken},
};

/// Decides whether a token is genuine and alive, and tells what it says.
///
/// `JwtVerifier` (feature `jwt`) is one. Write another for opaque tokens, or where some other layer has verified the token already
/// (`examples/behind_verifier.rs`).
///
/// # Contract
///
/// * A token is accepted only within the bounds of [`retention`](Self::retention), judged by [`clock`](Self::clock). Where something else has judged the
///   token before, `retention` repeats its leeway, and `max_lifetime` what its issuer gives: what is accepted for longer outlives its revocation.
/// * The same token has the same identity each time.
/// * Nothing is said about revocation: that is the store's.
#[async_trait]
pub trait TokenVerifier: Send + Sync + 'static {
    /// What a token says.
    type Claims: Send + Sync + 'static;

    /// Verifies a token.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] if the token is not to be accepted, or if that cannot be told.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the check's timeout is over (250 ms: [`Guard::check_timeout`](crate::Guard::check_timeout))
    /// and when the client goes away, and the next request begins another. Dropping it must have no effect that another
    /// call could notice.
    ///
    /// Work that takes longer than the timeout, such as fetching keys or asking a server about the token, would so begin
    /// anew with each request and never end. Have it done by a [`SingleFlight`](crate::SingleFlight): requests wait for as
    /// long as they may, and the work goes on without them.
    async fn verify(&self, token: &str) -> Result<VerifiedToken<Self::Claims>, VerifyError>;

    /// The same as [`verify`](Self::verify), if it can be answered without waiting: no future, no allocation for one.
    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<Self::Claims>, VerifyError>> {
        let _ = token;
        None
    }

    /// The token with this text, if it was verified before, still stands, and is at hand: what a cache answers, before anything is asked of the text.
    ///
    /// [`CachedVerifier`](crate::CachedVerifier) does. Any other leaves it at `None`.
    fn recall(&self, token: &[u8]) -> Option<VerifiedToken<Self::Claims>> {
        let _ = token;
        None
    }

    /// A number that changes whenever a token that was accepted may no longer be, for another reason than time: when keys are replaced, say.
    ///
    /// What was accepted at another revision is verified anew. Change it after the change that it stands for.
    fn revision(&self) -> u64 {
        0
    }

    /// The clock that judges expiry. Revocations are dated by it too.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// Why an authentic token is refused as invalid, in more words than its error has and without any value of its claims.
    ///
    /// `None` if it is not refused, is not authentic, or there is no more to say. Asked for the event `token refused by the
    /// configuration`, once a minute at most, and by whoever wants to know without events.
    fn explain(&self, token: &str) -> Option<String> {
        let _ = token;
        None
    }

    /// What the tokens can be revoked by. A [`Revoker`](crate::Revoker) refuses to revoke by what no token has.
    ///
    /// Asked with each revocation from application code, as it may change. A verifier that does not say is not checked.
    fn revocable(&self) -> Revocable {
        Revocable::unknown()
    }

    /// The bounds of a token's life. How long revocations are remembered follows from them.
    fn retention(&self) -> Retention {
        Retention::default()
    }
}

/// Why a token was not accepted. The source of an error never quotes the token.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token was genuine and is over.
    #[error("the token has expired")]
    Expired,
    /// The token is malformed, forged, not yet valid, meant for somebody else, or otherwise not to be accepted.
    #[error("the token is invalid")]
    Invalid(#[source] Box<dyn Error + Send + Sync>),
    /// Whether the token is genuine cannot be told now.
    #[error("the token could not be verified")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

debug_as_chain!(VerifyError);

impl VerifyError {
    /// The token is not to be accepted, for a reason that does not quote it.
    pub fn invalid(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Invalid(reason.into())
    }

    /// Whether the token is genuine cannot be told now, for a reason that does not quote it.
    pub fn unavailable(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(reason.into())
    }
}

macro_rules! delegate {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<V: TokenVerifier + ?Sized> TokenVerifier for $pointer<V> {
            type Claims = V::Claims;

            async fn verify(&self, token: &str) -> Result<VerifiedToken<Self::Claims>, VerifyError> {
                (**self).verify(token).await
            }

            fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<Self::Claims>, VerifyError>> {
                (**self).verify_now(token)
            }

            fn recall(&self, token: &[u8]) -> Option<VerifiedToken<Self::Claims>> {
                (**self).recall(token)
            }

            fn revision(&self) -> u64 {
                (**self).revision()
            }

            fn clock(&self) -> Arc<dyn Clock> {
                (**self).clock()
            }

            fn explain(&self, token: &str) -> Option<String> {
                (**self).explain(token)
            }

            fn revocable(&self) -> Revocable {
                (**self).revocable()
            }

            fn retention(&self) -> Retention {
                (**self).retention()
            }
        }
    )*};
}

delegate!(Arc, Box);
