use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    chain::debug_as_chain,
    clock::{Clock, SystemClock},
    revocation::{Retention, Revocable},
    token::VerifiedToken,
};

/// Decides whether a token is authentic and valid, and returns its claims.
///
/// `JwtVerifier` (feature `jwt`) is one. Write another for opaque tokens, or where another layer has
/// verified the token already (`examples/behind_verifier.rs`).
///
/// # Contract
///
/// * A token is accepted only within the bounds of [`retention`](Self::retention), judged by
///   [`clock`](Self::clock). Where something else has judged the token before, `retention` repeats its
///   leeway, and `max_lifetime` what its issuer gives: a token that is accepted for longer outlives its
///   revocation.
/// * The same token has the same identity each time.
/// * Revocation is not considered: that is the store's.
#[async_trait]
pub trait TokenVerifier: Send + Sync + 'static {
    /// The token's claims.
    type Claims: Send + Sync + 'static;

    /// Verifies a token.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] if the token is not to be accepted, or if that cannot be determined.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the check's timeout expires
    /// ([`Logout::check_timeout`](crate::Logout::check_timeout), 250 ms) and when the client goes away,
    /// and the next request begins another. Dropping it must have no effect that another call could
    /// notice.
    ///
    /// Work that takes longer than the timeout, such as fetching keys or asking a server about the token,
    /// would so begin anew with each request and never end. Use a
    /// [`SingleFlight`](crate::token::SingleFlight) for it: requests wait for as long as they may, and the
    /// work continues without them.
    async fn verify(&self, token: &str) -> Result<VerifiedToken<Self::Claims>, VerifyError>;

    /// Does the same as [`verify`](Self::verify), if it can be answered without waiting: no future, and no
    /// allocation for one.
    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<Self::Claims>, VerifyError>> {
        let _ = token;
        None
    }

    /// Says for how long an accepted token may be remembered, so that the next request with it needs no
    /// verification. Default: [`Caching::Never`]. Asked once, when the verifier is given to a
    /// [`Logout`](crate::Logout).
    fn caching(&self) -> Caching {
        Caching::Never
    }

    /// Returns a number that changes whenever an accepted token may no longer be acceptable for another
    /// reason than time: when keys are replaced, say.
    ///
    /// A token that was accepted at another revision is verified anew. Change the number after the change
    /// that it stands for.
    fn revision(&self) -> u64 {
        0
    }

    /// Returns the clock that judges expiry. Revocations are dated by it too.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// Returns the bounds of a token's life, from which follows how long revocations are retained.
    fn retention(&self) -> Retention {
        Retention::default()
    }

    /// Returns what the tokens can be revoked by. A [`Revoker`](crate::Revoker) rejects revocations by
    /// what no token has.
    ///
    /// Asked with each revocation from application code, as it may change. By default nothing is known,
    /// and nothing is checked.
    fn revocable(&self) -> Revocable {
        Revocable::unknown()
    }

    /// Explains why an authentic token is rejected as invalid, in more words than its error has and
    /// without any value of its claims.
    ///
    /// `None` if the token is accepted, is not authentic, or there is no more to say. Asked for the event
    /// `token rejected by the configuration`, once a minute at most, and by whoever wants to know without
    /// events.
    fn explain(&self, token: &str) -> Option<String> {
        let _ = token;
        None
    }
}

/// For how long an accepted token may be remembered.
///
/// A token is never remembered beyond its expiry, nor beyond a change of the verifier's
/// [`revision`](TokenVerifier::revision).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Caching {
    /// Not at all: each request verifies its token. For a verifier that asks a server whether a token is
    /// still good (RFC 7662) and wants each answer to be a fresh one.
    #[default]
    Never,
    /// Until the token expires. For a verifier whose verdict depends on the token, its clock and its
    /// revision alone.
    UntilExpiry,
    /// For this long, and until the token expires at most. What a server takes back meanwhile goes
    /// unnoticed for as long.
    For(Duration),
}

/// Why a token was not accepted. The source of an error never quotes the token.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is authentic but has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is malformed, forged, not yet valid, meant for somebody else, or otherwise not to be accepted.
    #[error("the token is invalid")]
    Invalid(#[source] Box<dyn Error + Send + Sync>),
    /// The token could not be verified at the moment.
    #[error("the token could not be verified")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

debug_as_chain!(VerifyError);

impl VerifyError {
    /// Creates the error of a token that is not to be accepted, for a reason that does not quote it.
    pub fn invalid(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Invalid(reason.into())
    }

    /// Creates the error of a token that cannot be verified at the moment, for a reason that does not
    /// quote it.
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

            fn caching(&self) -> Caching {
                (**self).caching()
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
