//! [`Access`]: the check of a single token with the verifier, the cache and the store.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use crate::{
    clock::Timestamp,
    guard::{
        Admitted, StoreCheck,
        cache::{Lookup, Ticket, TokenCache},
        rejected::Rejected,
    },
    respond::Rejection,
    store::StoreError,
    telemetry::{self, Passed, Throttle},
    token::{Caching, Candidate, TokenVerifier, VerifiedToken, VerifyError},
};

/// State that the clones of a guard share.
pub(super) struct Access<C> {
    pub(super) verifier: Arc<dyn TokenVerifier<Claims = C>>,
    pub(super) store: Arc<StoreCheck>,
    throttle: Arc<Throttle>,
    caching: Caching,
    cache_size: CacheSize,
    /// Created with the first token, so that a guard that is still being configured has none.
    cache: OnceLock<Option<Cache<C>>>,
}

/// The maximum number of cached tokens, and of bytes of all their texts.
#[derive(Clone, Copy)]
pub(super) struct CacheSize {
    pub(super) tokens: usize,
    pub(super) bytes: usize,
}

/// Cache of verified tokens, keyed by their text.
///
/// It does not cover revocation: the store is asked on every request. Only accepted tokens are
/// cached, so a flood of forged ones displaces nothing.
struct Cache<C> {
    tokens: TokenCache<Arc<Admitted<C>>>,
    at_most: Option<Duration>,
}

/// Result of the check of one token.
pub(super) type Examined<C> = Result<(Arc<Admitted<C>>, Passed), Rejected>;

/// The step that a check must wait for.
pub(super) enum Stage<C> {
    Verification(String),
    Store(Arc<Admitted<C>>),
}

/// Data for caching a token once it is verified.
#[derive(Clone, Copy)]
struct Unknown {
    ticket: Option<Ticket>,
    revision: u64,
}

impl<C> Cache<C> {
    fn new(caching: Caching, CacheSize { tokens, bytes }: CacheSize) -> Option<Self> {
        let at_most = match caching {
            Caching::Never => return None,
            Caching::UntilExpiry => None,
            Caching::For(duration) => Some(duration),
        };
        (tokens > 0 && bytes > 0).then(|| Self { tokens: TokenCache::new(tokens, bytes), at_most })
    }
}

impl<C: Send + Sync + 'static> Access<C> {
    pub(super) fn new(
        verifier: Arc<dyn TokenVerifier<Claims = C>>,
        store: Arc<StoreCheck>,
        throttle: Arc<Throttle>,
        cache_size: CacheSize,
    ) -> Self {
        let caching = verifier.caching();
        Self { verifier, store, throttle, caching, cache_size, cache: OnceLock::new() }
    }

    /// Returns an access that asks the store in another way. Its cache is a new one, because a
    /// cached token keeps the store check with which it was accepted.
    pub(super) fn with_store(&self, store: StoreCheck) -> Self {
        Self { store: Arc::new(store), ..self.uncached() }
    }

    /// Returns an access with a new cache of this size.
    pub(super) fn with_cache_size(&self, cache_size: CacheSize) -> Self {
        Self { cache_size, ..self.uncached() }
    }

    fn uncached(&self) -> Self {
        Self {
            verifier: Arc::clone(&self.verifier),
            store: Arc::clone(&self.store),
            throttle: Arc::clone(&self.throttle),
            caching: self.caching,
            cache_size: self.cache_size,
            cache: OnceLock::new(),
        }
    }

    fn cache(&self) -> Option<&Cache<C>> {
        self.cache.get_or_init(|| Cache::new(self.caching, self.cache_size)).as_ref()
    }

    /// Checks a token without waiting, or returns the step that must be waited for.
    pub(super) fn examine_now(&self, candidate: Candidate<'_>) -> Result<Examined<C>, Stage<C>> {
        let admitted = match self.find(candidate.as_bytes()) {
            Ok(known) => known,
            Err(unknown) => {
                let Ok(token) = candidate.into_token() else { return Ok(Err(Rejection::InvalidRequest.into())) };
                match self.verifier.verify_now(&token) {
                    Some(Ok(verified)) => self.remember(&token, unknown, verified),
                    Some(Err(error)) => return Ok(Err(self.report(&token, &error))),
                    None => return Err(Stage::Verification(token.into_owned())),
                }
            }
        };
        match admitted.is_revoked_now() {
            Some(answer) => Ok(self.judge(admitted, answer)),
            None => Err(Stage::Store(admitted)),
        }
    }

    /// Completes the check of a token. A step that is not done by the deadline is an error.
    pub(super) async fn examine(&self, stage: Stage<C>, deadline: Instant) -> Examined<C> {
        let admitted = match stage {
            Stage::Store(admitted) => admitted,
            Stage::Verification(text) => match self.verify(&text, deadline).await {
                Ok(admitted) => admitted,
                Err(error) => return Err(self.report(&text, &error)),
            },
        };
        let answer = self.store.ask(admitted.token.identity(), deadline).await;
        self.judge(admitted, answer)
    }

    /// Finds a token in the cache, or verifies it.
    pub(super) async fn verify(&self, text: &str, deadline: Instant) -> Result<Arc<Admitted<C>>, VerifyError> {
        let unknown = match self.find(text.as_bytes()) {
            Ok(known) => return Ok(known),
            Err(unknown) => unknown,
        };
        let verified = timeout_at(deadline, self.verifier.verify(text)).await;
        let verified = verified.unwrap_or_else(|late| Err(VerifyError::unavailable(late)))?;
        Ok(self.remember(text, unknown, verified))
    }

    pub(super) fn admit(&self, token: VerifiedToken<C>) -> Arc<Admitted<C>> {
        Arc::new(Admitted::new(token, Arc::clone(&self.store)))
    }

    fn find(&self, text: &[u8]) -> Result<Arc<Admitted<C>>, Unknown> {
        let Some(cache) = self.cache() else { return Err(Unknown { ticket: None, revision: 0 }) };
        // Read before the verification, so that a token that is verified while keys change is
        // verified again.
        let revision = self.verifier.revision();
        match cache.tokens.find(text, revision, self.store.clock.now()) {
            Lookup::Known(admitted) => Ok(admitted),
            Lookup::Unknown(ticket) => Err(Unknown { ticket: Some(ticket), revision }),
        }
    }

    fn remember(&self, text: &str, unknown: Unknown, verified: VerifiedToken<C>) -> Arc<Admitted<C>> {
        let admitted = self.admit(verified);
        if let (Some(cache), Some(ticket)) = (self.cache(), unknown.ticket) {
            // Read after the verification. If the clock steps back to before this instant, the
            // token may not be valid yet, and is verified again.
            let now = self.store.clock.now();
            let accepted_until = admitted.token.identity().accepted_until();
            let at_most = cache.at_most.map_or(Timestamp::MAX, |at_most| now.saturating_add(at_most));
            let until = accepted_until.min(at_most).min(admitted.token.cached_until());
            cache.tokens.offer(ticket, text, unknown.revision, now..until, &admitted);
        }
        admitted
    }

    fn judge(&self, admitted: Arc<Admitted<C>>, answer: Result<bool, StoreError>) -> Examined<C> {
        match answer {
            Ok(false) => Ok((admitted, Passed::Allowed)),
            Ok(true) => Err(Rejection::Revoked.into()),
            Err(error) => {
                telemetry::store_failed(error.operation(), &error);
                if self.store.allow_on_store_failure {
                    Ok((admitted, Passed::InsecurelyAllowed))
                } else {
                    Err(Rejection::Unavailable.into())
                }
            }
        }
    }

    fn report(&self, text: &str, error: &VerifyError) -> Rejected {
        Rejected::report(&*self.verifier, text, error, &self.throttle)
    }
}
