//! [`TokenVerifier`]: the contract of a verifier, and its errors.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;

#[cfg(feature = "receivers")]
use crate::token::jwt::MessageVerifier;
use crate::{
    chain::debug_as_chain,
    clock::{Clock, SystemClock},
    revocation::{Retention, Revocable},
    token::VerifiedToken,
};

/// Decides whether a token is authentic and valid, and returns its claims.
///
/// `JwtVerifier` (feature `jwt`) implements it. Implement it for opaque tokens, or if another layer
/// has already verified the token (`examples/behind-verifier`).
///
/// # Contract
///
/// * A token is accepted only within the bounds of [`retention`](Self::retention), at the time of
///   [`clock`](Self::clock). If another component has verified the token, `retention` must have the
///   leeway of that component and the maximum lifetime that the issuer sets: a token that is
///   accepted for longer outlives its revocation.
/// * The same token has the same identity each time.
/// * Revocation is not considered; the guard checks it with the store.
#[async_trait]
pub trait TokenVerifier: Send + Sync + 'static {
    /// The token's claims.
    type Claims: Send + Sync + 'static;

    /// Verifies a token.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] if the token must not be accepted, or if that cannot be determined.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the check's timeout expires
    /// ([`Logout::check_timeout`](crate::Logout::check_timeout), 250 ms) and when the client goes
    /// away, and the next request starts another. Dropping it must have no effect on other calls.
    ///
    /// Work that takes longer than the timeout, such as fetching keys or asking a server about the
    /// token, would start again with each request and never finish. Use a
    /// [`SingleFlight`](crate::token::SingleFlight) for it: requests wait until the timeout, and
    /// the work continues after it.
    async fn verify(&self, token: &str) -> Result<VerifiedToken<Self::Claims>, VerifyError>;

    /// Verifies a token as [`verify`](Self::verify) does, if the result is available without
    /// waiting. This avoids a future and its allocation. Default: `None`, so `verify` is called.
    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<Self::Claims>, VerifyError>> {
        let _ = token;
        None
    }

    /// Returns how long an accepted token may be cached, so that the next request with it needs no
    /// verification. Default: [`Caching::Never`]. Called once, when the verifier is given to a
    /// [`Logout`](crate::Logout).
    fn caching(&self) -> Caching {
        Caching::Never
    }

    /// Returns a number that changes whenever an accepted token may no longer be acceptable for
    /// another reason than time, such as replaced keys.
    ///
    /// A token that was accepted at another revision is verified again. Change the number after the
    /// change that it represents.
    fn revision(&self) -> u64 {
        0
    }

    /// Returns the clock for expiry and for the time of revocations. Default: the system clock.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// Returns the bounds of a token's lifetime, which determine how long revocations are retained.
    fn retention(&self) -> Retention {
        Retention::default()
    }

    /// Returns the issuers and claims that tokens can be revoked by. A [`Revoker`](crate::Revoker)
    /// rejects revocations by any other.
    ///
    /// Called for each revocation from application code, because the result may change. By default,
    /// nothing is known, and nothing is checked.
    fn revocable(&self) -> Revocable {
        Revocable::unknown()
    }

    /// Explains why an authentic token is rejected as invalid, in more detail than its error and
    /// without any value of its claims.
    ///
    /// `None` if the token is accepted, is not authentic, or there is no more detail. Called for
    /// the event `token rejected by the configuration`, at most once a minute; applications without
    /// events can call it, too.
    fn explain(&self, token: &str) -> Option<String> {
        let _ = token;
        None
    }

    /// Returns what verifies other signed messages of the issuers, such as logout tokens. The
    /// endpoints that receive such messages need it. The provided method returns `None`.
    ///
    /// A verifier that consists of a `JwtVerifier` and code of its own returns that of the former.
    #[cfg(feature = "receivers")]
    fn messages(&self) -> Option<MessageVerifier> {
        None
    }
}

/// How long an accepted token may be cached.
///
/// A token is never cached beyond its expiry, nor beyond a change of the verifier's
/// [`revision`](TokenVerifier::revision), nor beyond its own bound
/// ([`VerifiedToken::cache_until`]).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Caching {
    /// Never: each request verifies its token. For a verifier that asks a server whether a token is
    /// still valid (RFC 7662) and must not use an outdated answer.
    #[default]
    Never,
    /// Until the token expires. For a verifier whose result depends only on the token, its clock
    /// and its revision.
    UntilExpiry,
    /// For this long, but at most until the token expires. A change at a server is noticed with up
    /// to this delay.
    For(Duration),
}

/// Error of a verification. Its source never quotes the token.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is authentic but has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is malformed, forged, not yet valid, meant for another recipient, or must not be
    /// accepted for another reason.
    #[error("the token is invalid")]
    Invalid(#[source] Box<dyn Error + Send + Sync>),
    /// The token could not be verified at the moment.
    #[error("the token could not be verified")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

debug_as_chain!(VerifyError);

impl VerifyError {
    /// Creates the error of a token that must not be accepted. The reason must not quote the token.
    #[must_use]
    pub fn invalid(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Invalid(reason.into())
    }

    /// Creates the error of a token that cannot be verified at the moment. The reason must not
    /// quote the token.
    #[must_use]
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

            #[cfg(feature = "receivers")]
            fn messages(&self) -> Option<MessageVerifier> {
                (**self).messages()
            }
        }
    )*};
}

delegate!(Arc, Box);
