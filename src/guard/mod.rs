//! [`Guard`]: the one place that decides whether a request may pass, and when what it opened must end.

mod keeping;
mod refused;
mod trial;
mod usage;
mod watch;

use std::{
    borrow::Cow,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use crate::{
    respond::Rejection,
    store::{RevocationStore, StoreError},
    telemetry::{self, Passed, Throttle},
    token::{Candidate, Mark, RequestHead, TokenSource, TokenVerifier, VerifiedToken, VerifyError},
};
use keeping::Keeping;
pub(crate) use refused::Refused;
use trial::{Anonymous, Trial};
pub(crate) use usage::Usage;
pub use watch::{EndReason, RevocationWatch};

/// Decides whether a request may pass: finds its token, has it verified, and asks the store.
///
/// The layer and the logout service share it. Use it directly where there is no `Service` to wrap.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::{Guard, JwtVerifier, MemoryStore, Rejection};
///
/// let guard = Guard::new(JwtVerifier::hs256([7; 32]).build()?, MemoryStore::new());
/// let request = http::Request::new(());
/// assert_eq!(guard.check((&request).into()).await.unwrap_err(), Rejection::Missing);
/// # Ok(())
/// # }
/// ```
pub struct Guard<V, S> {
    source: TokenSource,
    verifier: Arc<V>,
    anonymous: Anonymous,
    keeping: Arc<Keeping<S>>,
    /// That of `keeping`, which each token that passes gets.
    mark: Mark,
    usage: Arc<Usage>,
}

/// What a check says: the verified token, `None` for a request without one where that is allowed, or why not.
pub type Verdict<C> = Result<Option<VerifiedToken<C>>, Rejection>;

/// A check under way. It owns all it needs, so it outlives the request.
///
/// # Panics
///
/// If the verifier or the store has to be waited for outside a Tokio runtime with time enabled. Those that answer at once are not waited for.
///
/// # Cancel safety
///
/// Dropping it has no effect.
#[must_use = "futures do nothing unless polled"]
pub struct Checking<C>(Step<C>);

enum Step<C> {
    Settled(Option<Verdict<C>>),
    Waiting(Pin<Box<dyn Future<Output = Verdict<C>> + Send>>),
}

impl<V: TokenVerifier, S: RevocationStore> Guard<V, S> {
    /// How long a check may take unless told otherwise: 250 ms.
    pub const DEFAULT_CHECK_TIMEOUT: Duration = Duration::from_millis(250);

    /// How often a [watch](Self::watch) asks its store again unless told otherwise: every 5 s.
    pub const DEFAULT_RECHECK_INTERVAL: Duration = Duration::from_secs(5);

    /// Checks tokens of the `Authorization` header.
    pub fn new(verifier: V, store: S) -> Self {
        let guard = Self::idle(verifier, store);
        guard.usage.begins();
        guard
    }

    /// A guard of which it is not known yet whether it will guard anything.
    pub(crate) fn idle(verifier: V, store: S) -> Self {
        let keeping = Arc::new(Keeping {
            store: Arc::new(store),
            clock: verifier.clock(),
            check_timeout: Self::DEFAULT_CHECK_TIMEOUT,
            recheck_interval: Self::DEFAULT_RECHECK_INTERVAL,
            allow_on_store_failure: false,
        });
        let mark = keeping.mark();
        let (source, verifier) = (TokenSource::default(), Arc::new(verifier));
        Self { source, verifier, anonymous: Anonymous::Refused, keeping, mark, usage: Arc::default() }
    }

    /// Sets where the token is.
    #[must_use]
    pub fn token_source(mut self, source: TokenSource) -> Self {
        self.source = source;
        self
    }

    /// Sets how long verifier and store together may take. After that the check is [`Rejection::Unavailable`].
    #[must_use]
    pub fn check_timeout(self, timeout: Duration) -> Self {
        self.change(|keeping| keeping.check_timeout = timeout)
    }

    /// Sets how often a [watch](Self::watch) asks again where its store does not say when a token is revoked, or cannot at the moment.
    ///
    /// A `Replica` and the stores of one process do say. The first time comes after a random part of the interval, so that many watches do not ask at
    /// once. An interval shorter than 1 ms counts as 1 ms.
    #[must_use]
    pub fn recheck_interval(self, interval: Duration) -> Self {
        self.change(|keeping| keeping.recheck_interval = interval)
    }

    /// Lets requests without a token pass, without claims. A bad token is still rejected, unless it is an invalid one in a
    /// [cookie](TokenSource#what-counts).
    ///
    /// Handlers must then decide what unauthenticated requests may do.
    #[must_use]
    pub fn allow_anonymous(mut self) -> Self {
        self.anonymous = self.anonymous.max(Anonymous::Allowed);
        self
    }

    /// Lets requests without a token pass, as [`allow_anonymous`](Self::allow_anonymous) does, and those whose token is authentic but
    /// has expired: without claims, as if they had no token.
    ///
    /// The client is then not told that its token has expired, and may not notice that it is no longer signed in. A revoked token is
    /// rejected for as long as it has not expired, an invalid one always.
    #[must_use]
    pub fn allow_expired_as_anonymous(mut self) -> Self {
        self.anonymous = Anonymous::AllowedIfExpired;
        self
    }

    /// Lets requests through while the store does not answer.
    ///
    /// A revoked token is then accepted for as long as the outage lasts. Choose this only where a refused request does more harm than a
    /// revoked one that passes, and watch `tower_logout_checks_total` with the outcome `insecurely_allowed`. Logging out still fails.
    /// Streams stay open meanwhile, and end at the first answer that says so.
    #[must_use]
    pub fn insecure_allow_on_store_failure(self) -> Self {
        self.change(|keeping| keeping.allow_on_store_failure = true)
    }

    /// The verifier, for instance to replace its keys.
    #[must_use]
    pub fn verifier(&self) -> &Arc<V> {
        &self.verifier
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<S> {
        &self.keeping.store
    }

    /// The same guard, but one that refuses requests without a token.
    pub(crate) fn token_required(mut self) -> Self {
        self.anonymous = Anonymous::Refused;
        self
    }

    /// The texts of all tokens in a request that has more than one, whether they count or not.
    pub(crate) fn all_of_several(&self, head: &RequestHead<'_>) -> Vec<String> {
        match self.source.find(head) {
            Ok(found) if found.has_several() => found.into_all(),
            _ => Vec::new(),
        }
    }

    /// How many bytes long a token may be.
    pub(crate) fn longest_token(&self) -> usize {
        self.source.longest_token()
    }

    fn change(mut self, change: impl FnOnce(&mut Keeping<S>)) -> Self {
        change(Arc::make_mut(&mut self.keeping));
        self.mark = self.keeping.mark();
        self
    }

    /// Checks a request. What can be settled without waiting is settled before this returns.
    pub fn check(&self, head: RequestHead<'_>) -> Checking<V::Claims> {
        let check = telemetry::Check::start();
        match self.settle(check, &head) {
            Ok(verdict) => Checking(Step::Settled(Some(verdict))),
            Err(pending) => Checking(Step::Waiting(Box::pin(self.wait(pending)))),
        }
    }

    /// Watches a token that was let pass, for what outlives the request.
    ///
    /// The layer puts a watch into each request; this is for where there is no layer.
    pub fn watch(&self, token: &VerifiedToken<V::Claims>) -> RevocationWatch {
        RevocationWatch::new(token.clone().marked(&self.mark).shared())
    }

    fn settle(
        &self,
        check: telemetry::Check,
        head: &RequestHead<'_>,
    ) -> Result<Verdict<V::Claims>, Pending<V::Claims>> {
        let Ok(found) = self.source.find(head) else { return Ok(check.refuse(Rejection::InvalidRequest)) };
        let mut tokens = found.into_counting();
        let mut trial = Trial::new(check, self.anonymous, tokens.are_cookies());
        while let Some(candidate) = tokens.next() {
            let result = match self.examine_now(candidate) {
                Ok(result) => result,
                Err(stage) => {
                    let left = tokens.filter_map(|token| token.into_token().ok()).map(Cow::into_owned).collect();
                    return Err(Pending { stage, left, trial });
                }
            };
            if let Some(verdict) = trial.settle(result) {
                return Ok(verdict);
            }
        }
        Ok(trial.conclude())
    }

    /// What becomes of a token, or what has to be waited for.
    fn examine_now(&self, candidate: Candidate<'_>) -> Result<Examined<V::Claims>, Stage<V::Claims>> {
        let verified = if let Some(known) = self.verifier.recall(candidate.as_bytes()) {
            known
        } else {
            let Ok(token) = candidate.into_token() else { return Ok(Err(Rejection::InvalidRequest.into())) };
            match self.verifier.verify_now(&token) {
                Some(Ok(verified)) => verified,
                Some(Err(error)) => {
                    return Ok(Err(Refused::told(&*self.verifier, &token, &error, self.usage.throttle())));
                }
                None => return Err(Stage::Verification(token.into_owned())),
            }
        };
        match self.keeping.store.is_revoked_now(verified.identity()) {
            Some(answer) => Ok(judge(verified.marked(&self.mark), answer, self.keeping.allow_on_store_failure)),
            None => Err(Stage::Store(verified)),
        }
    }

    fn wait(&self, pending: Pending<V::Claims>) -> impl Future<Output = Verdict<V::Claims>> + Send + use<V, S> {
        let (verifier, keeping, mark) = (Arc::clone(&self.verifier), Arc::clone(&self.keeping), Arc::clone(&self.mark));
        let usage = Arc::clone(&self.usage);
        async move {
            let deadline = Instant::now() + keeping.check_timeout.min(NO_TIMEOUT);
            let Pending { mut stage, left, mut trial } = pending;
            let mut left = left.into_iter();
            loop {
                let result = examine(stage, &*verifier, &keeping, &mark, usage.throttle(), deadline).await;
                if let Some(verdict) = trial.settle(result) {
                    return verdict;
                }
                let Some(token) = left.next() else { return trial.conclude() };
                stage = Stage::Verification(token);
            }
        }
    }
}

impl<V, S> Guard<V, S> {
    /// What this guard shares with its clones.
    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }
}

/// What becomes of one token.
type Examined<C> = Result<(VerifiedToken<C>, Passed), Refused>;

/// A check that has to wait.
struct Pending<C> {
    stage: Stage<C>,
    /// The tokens that come after the one that is waited for.
    left: Vec<String>,
    trial: Trial,
}

/// What is to be waited for.
enum Stage<C> {
    Verification(String),
    Store(VerifiedToken<C>),
}

async fn examine<V: TokenVerifier, S: RevocationStore>(
    stage: Stage<V::Claims>,
    verifier: &V,
    keeping: &Keeping<S>,
    mark: &Mark,
    throttle: &Throttle,
    deadline: Instant,
) -> Examined<V::Claims> {
    let token = match stage {
        Stage::Store(token) => token,
        Stage::Verification(text) => timeout_at(deadline, verifier.verify(&text))
            .await
            .unwrap_or_else(|late| Err(VerifyError::unavailable(late)))
            .map_err(|error| Refused::told(verifier, &text, &error, throttle))?,
    };
    let answer = timeout_at(deadline, keeping.store.is_revoked(token.identity()))
        .await
        .unwrap_or_else(|late| Err(StoreError::new("check", late)));
    judge(token.marked(mark), answer, keeping.allow_on_store_failure)
}

fn judge<C>(token: VerifiedToken<C>, answer: Result<bool, StoreError>, allow_on_failure: bool) -> Examined<C> {
    match answer {
        Ok(false) => Ok((token, Passed::Allowed)),
        Ok(true) => Err(Rejection::Revoked.into()),
        Err(error) => {
            telemetry::store_failed(error.operation(), &error);
            if allow_on_failure { Ok((token, Passed::InsecurelyAllowed)) } else { Err(Rejection::Unavailable.into()) }
        }
    }
}

impl<C> Checking<C> {
    /// The verdict, if nothing has to be waited for.
    pub(crate) fn settled(mut self) -> Result<Verdict<C>, Self> {
        match &mut self.0 {
            Step::Settled(verdict) => verdict.take().ok_or(self),
            Step::Waiting(_) => Err(self),
        }
    }
}

impl<C> Future for Checking<C> {
    type Output = Verdict<C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Step::Settled(verdict) => {
                Poll::Ready(verdict.take().expect("a future is not polled after it has resolved"))
            }
            Step::Waiting(future) => future.as_mut().poll(cx),
        }
    }
}

// The future is boxed, and a verdict is never pinned.
impl<C> Unpin for Checking<C> {}

impl telemetry::Check {
    #[expect(clippy::unnecessary_wraps, reason = "the twin of `refuse`")]
    fn pass<C>(self, token: Option<VerifiedToken<C>>, passed: Passed) -> Verdict<C> {
        self.end(Ok(passed), None);
        Ok(token)
    }

    fn refuse<C>(self, refused: impl Into<Refused>) -> Verdict<C> {
        let Refused { rejection, fault } = refused.into();
        self.end(Err(rejection.code()), fault);
        Err(rejection)
    }
}

impl<V, S> Clone for Guard<V, S> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            verifier: Arc::clone(&self.verifier),
            anonymous: self.anonymous,
            keeping: Arc::clone(&self.keeping),
            mark: Arc::clone(&self.mark),
            usage: Arc::clone(&self.usage),
        }
    }
}

impl<V, S> fmt::Debug for Guard<V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("source", &self.source)
            .field("anonymous", &self.anonymous)
            .field("check_timeout", &self.keeping.check_timeout)
            .field("recheck_interval", &self.keeping.recheck_interval)
            .field("allow_on_store_failure", &self.keeping.allow_on_store_failure)
            .finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for Checking<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checking").finish_non_exhaustive()
    }
}

/// As good as none: an [`Instant`] cannot hold all that a `Duration` can.
pub(crate) const NO_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
