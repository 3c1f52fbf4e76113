//! The check of a request ([`Checking`]), and the re-checks of the live streams opened with its
//! token ([`RevocationWatch`]).

mod access;
mod admitted;
mod attempts;
mod cache;
mod checking;
mod drain;
mod end_reason;
mod identify;
mod rejected;
mod requirement;
mod store_check;
mod watch;
mod watching;

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use checking::{Checking, Verdict};
pub use end_reason::EndReason;
pub use requirement::{Requirement, Scope, scope};
pub use watch::RevocationWatch;

pub(crate) use admitted::{Admitted, AdmittedToken};
pub(crate) use checking::Pending;
pub(crate) use drain::Drain;
pub(crate) use identify::{CheckTokens, Identify};
pub(crate) use store_check::{NO_TIMEOUT, StoreCheck};

use crate::{
    respond::Rejection,
    store::RevocationStore,
    telemetry::{self, Throttle},
    token::{RequestHead, TokenSource, TokenVerifier, VerifiedToken},
};
use access::{Access, CacheSize, Stage};
use attempts::{Anonymous, Attempts, Decision, reject};
use requirement::Requirements;

/// Decides whether a request may pass: finds its token, verifies it and asks the store.
///
/// Clones that were not configured differently share the cache of verified tokens.
pub(crate) struct Guard<C> {
    source: TokenSource,
    anonymous: Anonymous,
    requirements: Requirements<C>,
    access: Arc<Access<C>>,
    throttle: Arc<Throttle>,
    /// Whether the guard checks anything except logouts.
    in_use: Arc<AtomicBool>,
}

impl<C: Send + Sync + 'static> Guard<C> {
    pub(crate) fn new(verifier: Arc<dyn TokenVerifier<Claims = C>>, store: Arc<dyn RevocationStore>) -> Self {
        let store = StoreCheck {
            store,
            clock: verifier.clock(),
            check_timeout: DEFAULT_CHECK_TIMEOUT,
            recheck_interval: DEFAULT_RECHECK_INTERVAL,
            allow_on_store_failure: false,
            drain: Drain::default(),
        };
        let cache_size = CacheSize { tokens: DEFAULT_CACHED_TOKENS, bytes: DEFAULT_CACHED_BYTES };
        let throttle = Arc::<Throttle>::default();
        Self {
            source: TokenSource::default(),
            anonymous: Anonymous::Rejected,
            requirements: Requirements::none(),
            access: Arc::new(Access::new(verifier, Arc::new(store), Arc::clone(&throttle), cache_size)),
            throttle,
            in_use: Arc::default(),
        }
    }

    pub(crate) fn token_source(self, source: TokenSource) -> Self {
        Self { source, ..self }
    }

    pub(crate) fn cache_size(self, tokens: usize, bytes: usize) -> Self {
        let access = self.access.with_cache_size(CacheSize { tokens, bytes });
        Self { access: Arc::new(access), ..self }
    }

    pub(crate) fn allow_anonymous(self) -> Self {
        Self { anonymous: self.anonymous.max(Anonymous::Allowed), ..self }
    }

    pub(crate) fn allow_expired_as_anonymous(self) -> Self {
        Self { anonymous: Anonymous::AllowedIfExpired, ..self }
    }

    pub(crate) fn require(self, requirement: impl Requirement<C>) -> Self {
        Self { requirements: self.requirements.and(requirement), ..self }
    }

    /// Requires a token, and nothing else of it than that it is valid.
    pub(crate) fn require_token_alone(self) -> Self {
        Self { anonymous: Anonymous::Rejected, requirements: Requirements::none(), ..self }
    }

    /// Changes how the store is asked.
    pub(crate) fn configure(self, change: impl FnOnce(&mut StoreCheck)) -> Self {
        let mut store = StoreCheck::clone(&self.access.store);
        change(&mut store);
        Self { access: Arc::new(self.access.with_store(store)), ..self }
    }

    pub(crate) fn bearer_methods(&self) -> &'static [&'static str] {
        self.source.bearer_methods()
    }

    pub(crate) fn verifier(&self) -> &Arc<dyn TokenVerifier<Claims = C>> {
        &self.access.verifier
    }

    pub(crate) fn store(&self) -> &Arc<dyn RevocationStore> {
        &self.access.store.store
    }

    pub(crate) fn drain(&self) -> &Drain {
        &self.access.store.drain
    }

    /// Shared by all clones, whatever their configuration.
    pub(crate) fn in_use(&self) -> &Arc<AtomicBool> {
        &self.in_use
    }

    pub(crate) fn throttle(&self) -> &Arc<Throttle> {
        &self.throttle
    }

    /// Records that the guard checks more than logouts. Each layer and each check of a request
    /// calls this.
    pub(crate) fn begin_use(&self) {
        self.in_use.store(true, Ordering::Relaxed);
    }

    /// Checks a request. What can be decided without waiting is decided before this returns.
    pub(crate) fn check(&self, head: RequestHead<'_>) -> Pending<C> {
        let check = telemetry::Check::start();
        match self.decide(check, &head) {
            Ok(decision) => Pending::Decided(Some(decision)),
            Err(undecided) => Pending::Waiting(Box::pin(wait(Arc::clone(&self.access), undecided))),
        }
    }

    pub(crate) fn checking(&self, head: RequestHead<'_>) -> Checking<C> {
        Checking::new(self.check(head))
    }

    pub(crate) fn watch(&self, token: &VerifiedToken<C>) -> RevocationWatch {
        RevocationWatch::new(self.access.admit(token.clone()))
    }

    fn decide(&self, check: telemetry::Check, head: &RequestHead<'_>) -> Result<Decision<C>, Undecided<C>> {
        let Ok(found) = self.source.find(head) else { return Ok(reject(check, Rejection::InvalidRequest)) };
        let mut tokens = found.into_counting();
        // What must be fulfilled cannot be fulfilled without a token.
        let anonymous = if self.requirements.are_any() { Anonymous::Rejected } else { self.anonymous };
        let mut attempts = Attempts::new(check, anonymous, tokens.are_cookies());
        while let Some(candidate) = tokens.next() {
            let result = match self.access.examine_now(candidate) {
                Ok(result) => result,
                Err(stage) => {
                    let left = tokens.filter_map(|token| token.into_token().ok()).map(Cow::into_owned).collect();
                    let requirements = self.requirements.clone();
                    return Err(Undecided { stage, left, attempts, requirements });
                }
            };
            if let Some(decision) = attempts.settle(self.requirements.judge(result)) {
                return Ok(decision);
            }
        }
        Ok(attempts.conclude())
    }
}

/// A check that must wait.
struct Undecided<C> {
    stage: Stage<C>,
    /// The tokens to try after the one that is waited for.
    left: Vec<String>,
    attempts: Attempts,
    requirements: Requirements<C>,
}

async fn wait<C: Send + Sync + 'static>(access: Arc<Access<C>>, undecided: Undecided<C>) -> Decision<C> {
    let deadline = access.store.deadline();
    let Undecided { mut stage, left, mut attempts, requirements } = undecided;
    let mut left = left.into_iter();
    loop {
        let result = access.examine(stage, deadline).await;
        if let Some(decision) = attempts.settle(requirements.judge(result)) {
            return decision;
        }
        let Some(token) = left.next() else { return attempts.conclude() };
        stage = Stage::Verification(token);
    }
}

impl<C> Clone for Guard<C> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            anonymous: self.anonymous,
            requirements: self.requirements.clone(),
            access: Arc::clone(&self.access),
            throttle: Arc::clone(&self.throttle),
            in_use: Arc::clone(&self.in_use),
        }
    }
}

impl<C> fmt::Debug for Guard<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoreCheck { check_timeout, recheck_interval, allow_on_store_failure, .. } = &*self.access.store;
        f.debug_struct("Guard")
            .field("source", &self.source)
            .field("anonymous", &self.anonymous)
            .field("requirements", &self.requirements)
            .field("check_timeout", check_timeout)
            .field("recheck_interval", recheck_interval)
            .field("allow_on_store_failure", allow_on_store_failure)
            .finish_non_exhaustive()
    }
}

pub(crate) const DEFAULT_CHECK_TIMEOUT: Duration = Duration::from_millis(250);
pub(crate) const DEFAULT_RECHECK_INTERVAL: Duration = Duration::from_secs(5);
pub(crate) const DEFAULT_CACHED_TOKENS: usize = 16_384;
pub(crate) const DEFAULT_CACHED_BYTES: usize = 16 << 20;
