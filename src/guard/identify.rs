//! Checks of tokens with any type of claims, for the logout endpoint: [`CheckTokens`],
//! [`Identify`].

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use crate::{
    guard::{Guard, rejected::Rejected, store_check::BoxFuture},
    respond::Rejection,
    revocation::TokenIdentity,
    telemetry::Throttle,
    token::{RequestHead, TokenVerifier, VerifyError},
};

/// Identifies tokens that no guard checks, such as refresh tokens.
#[async_trait]
pub(crate) trait Identify: Send + Sync {
    /// Verifies a token before the deadline, and reports to operators why it is rejected.
    async fn identify(&self, token: &str, deadline: Instant, throttle: &Throttle) -> Result<TokenIdentity, Rejection>;

    /// Does the same for a text that may be another token, which is nothing to report.
    #[cfg(feature = "receivers")]
    async fn try_identify(&self, token: &str, deadline: Instant) -> Result<TokenIdentity, VerifyError>;
}

#[async_trait]
impl<V: TokenVerifier> Identify for V {
    async fn identify(&self, token: &str, deadline: Instant, throttle: &Throttle) -> Result<TokenIdentity, Rejection> {
        let error = |error| Rejected::report(self, token, &error, throttle).reason;
        verify(self, token, deadline).await.map_err(error)
    }

    #[cfg(feature = "receivers")]
    async fn try_identify(&self, token: &str, deadline: Instant) -> Result<TokenIdentity, VerifyError> {
        verify(self, token, deadline).await
    }
}

async fn verify<V: TokenVerifier>(verifier: &V, token: &str, deadline: Instant) -> Result<TokenIdentity, VerifyError> {
    let verified = timeout_at(deadline, verifier.verify(token)).await;
    let verified = verified.unwrap_or_else(|late| Err(VerifyError::unavailable(late)))?;
    Ok(verified.identity().clone())
}

/// A [`Guard`] with any type of claims, which [requires a token alone](Guard::require_token_alone).
#[async_trait]
pub(crate) trait CheckTokens: Send + Sync {
    /// Checks a request. One without a token is rejected.
    fn check(&self, head: RequestHead<'_>) -> BoxFuture<Result<TokenIdentity, Rejection>>;

    /// Returns all tokens of a request that has more than one, including those that do not
    /// [count](crate::token::TokenSource#what-counts).
    fn all_of_several(&self, head: &RequestHead<'_>) -> Vec<String>;

    /// Verifies one token, without asking the store.
    async fn verify(&self, text: &str, deadline: Instant) -> Result<TokenIdentity, VerifyError>;

    /// The maximum length of a token in bytes.
    fn max_token_len(&self) -> usize;

    fn throttle(&self) -> &Throttle;
}

#[async_trait]
impl<C: Send + Sync + 'static> CheckTokens for Guard<C> {
    fn check(&self, head: RequestHead<'_>) -> BoxFuture<Result<TokenIdentity, Rejection>> {
        let pending = Self::check(self, head);
        Box::pin(async move { Ok(pending.await?.ok_or(Rejection::Missing)?.token.identity().clone()) })
    }

    fn all_of_several(&self, head: &RequestHead<'_>) -> Vec<String> {
        match self.source.find(head) {
            Ok(found) if found.has_several() => found.into_all(),
            _ => Vec::new(),
        }
    }

    async fn verify(&self, text: &str, deadline: Instant) -> Result<TokenIdentity, VerifyError> {
        Ok(self.access.verify(text, deadline).await?.token.identity().clone())
    }

    fn max_token_len(&self) -> usize {
        self.source.longest_token()
    }

    fn throttle(&self) -> &Throttle {
        &self.throttle
    }
}
