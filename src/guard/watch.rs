//! [`RevocationWatch`]: when what was opened with a token must end.

use std::{
    fmt,
    future::Future,
    iter, mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    task::{JoinError, JoinSet},
    time::{Sleep, sleep},
};

use crate::{
    chain::debug_as_chain, guard::NO_TIMEOUT, respond::Rejection, revocation::TokenIdentity, set::RevocationSignal,
    store::StoreError, telemetry, token::Marked,
};

/// Why what was opened with a token must end. It is the error of a body that was ended.
#[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// The token was revoked.
    #[error("ended: the bearer token was revoked")]
    Revoked,
    /// The token is over.
    #[error("ended: the bearer token has expired")]
    Expired,
    /// Whether the token was revoked can no longer be told.
    #[error("ended: the revocation store could not answer")]
    Unavailable,
}

debug_as_chain!(EndReason);

impl EndReason {
    /// The error code that clients see, such as `token_revoked`: that of the [`Rejection`] a request gets from now on.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.rejection().code()
    }

    /// The sentence that clients see, such as `The token has been revoked.` It is short enough for a WebSocket's close frame.
    #[must_use]
    pub const fn description(self) -> &'static str {
        self.rejection().description()
    }

    /// The status code for a WebSocket's close frame (RFC 6455, section 7.4): 1008, policy violation, or 1013, try again later, if that is all
    /// that can be said.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Revoked | Self::Expired => 1008,
            Self::Unavailable => 1013,
        }
    }

    const fn rejection(self) -> Rejection {
        match self {
            Self::Revoked => Rejection::Revoked,
            Self::Expired => Rejection::Expired,
            Self::Unavailable => Rejection::Unavailable,
        }
    }
}

impl From<EndReason> for Rejection {
    fn from(reason: EndReason) -> Self {
        reason.rejection()
    }
}

/// Resolves when what was opened with a token must end, and says why.
///
/// The layer puts one into each request that it lets pass with a token, and ends bodies by it. Take it from the request's extensions, or as an
/// extractor (feature `axum`), for what outlives the response: a WebSocket, a background job, a subscription.
///
/// It begins to watch when it is first polled, and looks at once, so nothing is missed since the request was let pass. It is woken
/// the moment its store learns of the revocation; where the store does not learn of revocations as they happen, it asks again every
/// [`recheck_interval`](crate::Guard::recheck_interval). When the store cannot answer any more, or its view is too old to be trusted, it resolves to
/// [`EndReason::Unavailable`], unless [`insecure_allow_on_store_failure`](crate::Guard::insecure_allow_on_store_failure) was chosen.
///
/// A clone watches the same token, from its own first poll on. Once resolved, it stays so. Where layers are
/// nested around a route, it watches the tokens of all of them, and resolves when the first of them ends.
///
/// [`ended`](Self::ended) asks without waiting, for servers that have no place for a future.
///
/// # Panics
///
/// When first polled outside a Tokio runtime with time enabled.
///
/// # Cancel safety
///
/// Dropping it ends the watch and has no other effect. It can be polled by reference, in a `select!` of a loop.
///
/// # Examples
///
/// What outlives the response ends with the token; `examples/websocket.rs` does the same with a socket.
///
/// ```
/// use tower_logout::{EndReason, RevocationWatch};
///
/// # async fn next_message() -> String { std::future::pending().await }
/// async fn serve(mut watch: RevocationWatch) -> EndReason {
///     loop {
///         tokio::select! {
///             reason = &mut watch => return reason,
///             message = next_message() => println!("{message}"),
///         }
///     }
/// }
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct RevocationWatch {
    state: State,
    /// That of a layer further out.
    outer: Option<Box<Self>>,
}

enum State {
    /// Not polled yet: a token that a guard has let pass, and marked. Whether that was the guard of a
    /// layer, for the very request that has this watch.
    Passed {
        token: Arc<dyn Marked>,
        admitted: bool,
    },
    /// The clone of one that was polled.
    Left(Subject),
    Watching(Box<Watching>),
    Ended(EndReason, Subject),
}

/// Whom it watches, and whom it asks: what is left of a token once it is watched. That may be for hours, and the claims are let go.
#[derive(Clone)]
struct Subject {
    keeper: Arc<dyn Keeper>,
    token: Token,
}

/// The mark of a guard.
pub(super) struct Pass(pub(super) Arc<dyn Keeper>);

/// The identity of a token, whatever its claims.
pub(super) type Token = Arc<dyn AsRef<TokenIdentity> + Send + Sync>;

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a watch asks: what a guard keeps, whatever its store.
pub(super) trait Keeper: Send + Sync {
    /// A signal from the store, if it learns of revocations as they happen.
    fn signal(&self, token: &TokenIdentity) -> Option<RevocationSignal>;

    /// What can be said without waiting; `None` if the store must be waited for.
    fn look(&self, token: &TokenIdentity) -> Option<Finding>;

    /// Whether the store says that the token is revoked, or an error when a check may take no longer.
    fn ask(&self, token: Token) -> BoxFuture<Result<bool, StoreError>>;

    /// What an answer of the store means.
    fn find(&self, answer: Result<bool, StoreError>) -> Finding;

    /// Resolves when the token expires; `None` if it never does.
    fn expiry(&self, token: &TokenIdentity) -> Option<BoxFuture<()>>;

    /// How long to wait before asking again, where there is no signal.
    fn recheck_interval(&self) -> Duration;
}

/// What a look at a token has shown.
pub(super) enum Finding {
    Good,
    /// Nobody knows, and that is allowed.
    Unproven,
    Ended(EndReason),
}

struct Watching {
    subject: Subject,
    /// Never locked, only owned: request extensions must be `Sync`, and the futures in here are not.
    waiting: Mutex<Waiting>,
}

struct Waiting {
    /// Before the first look: what comes after it is signalled.
    signal: Option<RevocationSignal>,
    expiry: Option<BoxFuture<()>>,
    recheck: Option<Pin<Box<Sleep>>>,
    /// On a task of its own: how long an answer takes is not to depend on how often this is polled.
    asking: Option<JoinSet<Result<bool, StoreError>>>,
    next: Next,
}

/// What is to be done, apart from waiting.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Next {
    Wait,
    /// Look, and put off what cannot be answered at once.
    Look,
    /// Look, and ask if need be.
    LookAndAsk,
}

impl RevocationWatch {
    /// Of a token that a guard has let pass.
    pub(super) fn new(token: Arc<dyn Marked>) -> Self {
        Self { state: State::Passed { token, admitted: false }, outer: None }
    }

    /// Of a token with which a layer has let a request pass.
    pub(crate) fn admitted(token: Arc<dyn Marked>) -> Self {
        Self { state: State::Passed { token, admitted: true }, outer: None }
    }

    /// The same watch, which also ends when another does that was in the request before.
    pub(crate) fn within(mut self, outer: Self) -> Self {
        // The same layer twice has nothing to add.
        let is_same = self.admits(&outer.state);
        self.outer = if is_same { outer.outer } else { Some(Box::new(outer)) };
        self
    }

    /// Says at once, without waiting, whether the token has ended, and why.
    ///
    /// It is for servers that own the WebSocket and call the application for each message or at each
    /// ping: there is no place for a future, but one for a question. It asks for this moment, whether
    /// the watch was polled, cloned, or neither, and counts as no poll. What has resolved stays so.
    ///
    /// `None` means that no end is known. The stores of one process and a [`Replica`](crate::Replica)
    /// whose view is fresh always know. A `RedisStore` or a `PostgresStore` that is used without a
    /// `Replica`, and a stale `Replica` that asks its log instead, cannot answer without waiting: then
    /// only the expiry is known, and what a poll of this very watch has resolved to. Over such a store,
    /// await a clone on a task that closes the connection.
    ///
    /// [`EndReason::Unavailable`] is what a store says at once that it cannot answer, such as a
    /// `Replica` that refuses while its view is too old. The next answer may be another one.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::RevocationWatch;
    ///
    /// /// Called by the server for each message of a client.
    /// fn on_message(watch: &RevocationWatch, text: &str) -> Result<String, (u16, &'static str)> {
    ///     match watch.ended() {
    ///         Some(reason) => Err((reason.close_code(), reason.description())),
    ///         None => Ok(text.to_uppercase()),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn ended(&self) -> Option<EndReason> {
        let own = match &self.state {
            State::Ended(reason, _) => return Some(*reason),
            state => state.keeper().look(state.identity()),
        };
        match own {
            Some(Finding::Ended(reason)) => Some(reason),
            _ => self.outer.as_ref()?.ended(),
        }
    }

    /// Whether a layer has let this token pass in the request that has this watch, and it is still good
    /// as far as that can be said without waiting.
    pub(crate) fn vouches_for(&self, token: &Arc<dyn Marked>) -> bool {
        let is_among = self.layers().any(|watch| match &watch.state {
            State::Passed { token: passed, admitted } => *admitted && Arc::ptr_eq(passed, token),
            _ => false,
        });
        is_among && self.ended().is_none()
    }

    /// The types of the tokens with which layers have let the request pass.
    #[cfg(feature = "axum")]
    pub(crate) fn types(&self) -> impl Iterator<Item = &'static str> {
        self.layers().filter_map(|watch| match &watch.state {
            State::Passed { token, .. } => Some(token.type_name()),
            _ => None,
        })
    }

    /// This watch, and those of layers further out.
    fn layers(&self) -> impl Iterator<Item = &Self> {
        iter::successors(Some(self), |watch| watch.outer.as_deref())
    }

    fn admits(&self, other: &State) -> bool {
        match (&self.state, other) {
            (State::Passed { token, .. }, State::Passed { token: other, .. }) => Arc::ptr_eq(token, other),
            _ => false,
        }
    }
}

impl State {
    fn identity(&self) -> &TokenIdentity {
        match self {
            Self::Passed { token, .. } => token.identity(),
            Self::Left(subject) | Self::Ended(_, subject) => subject.identity(),
            Self::Watching(watching) => watching.subject.identity(),
        }
    }

    fn keeper(&self) -> &Arc<dyn Keeper> {
        match self {
            Self::Passed { token, .. } => keeper_of(&**token),
            Self::Left(subject) | Self::Ended(_, subject) => &subject.keeper,
            Self::Watching(watching) => &watching.subject.keeper,
        }
    }
}

fn keeper_of(token: &dyn Marked) -> &Arc<dyn Keeper> {
    let pass = token.mark().and_then(|mark| mark.downcast_ref::<Pass>());
    &pass.expect("a guard marks what it lets pass").0
}

impl Subject {
    fn identity(&self) -> &TokenIdentity {
        (*self.token).as_ref()
    }
}

impl Future for RevocationWatch {
    type Output = EndReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<EndReason> {
        let Self { state, outer } = &mut *self;
        if let Poll::Ready(reason) = state.poll(cx) {
            return Poll::Ready(reason);
        }
        let Some(outer) = outer else { return Poll::Pending };
        let reason = ready!(Pin::new(&mut **outer).poll(cx));
        // So that it stays so, whatever becomes of the other token.
        *state = State::Ended(reason, state.subject());
        Poll::Ready(reason)
    }
}

impl State {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        loop {
            *self = match self {
                Self::Passed { .. } | Self::Left(_) => {
                    Self::Watching(Box::new(Watching::begin(self.keeper(), self.identity())))
                }
                Self::Watching(watching) => {
                    let Watching { subject, waiting } = &mut **watching;
                    let waiting = waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
                    let reason = ready!(waiting.poll(subject, cx));
                    telemetry::stream_ended(reason.code());
                    Self::Ended(reason, subject.clone())
                }
                Self::Ended(reason, _) => return Poll::Ready(*reason),
            };
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Passed { token, .. } => {
                Subject { keeper: Arc::clone(keeper_of(&**token)), token: Arc::new(token.identity().clone()) }
            }
            Self::Left(subject) | Self::Ended(_, subject) => subject.clone(),
            Self::Watching(watching) => watching.subject.clone(),
        }
    }
}

impl Watching {
    fn begin(keeper: &Arc<dyn Keeper>, identity: &TokenIdentity) -> Self {
        let signal = keeper.signal(identity);
        let expiry = keeper.expiry(identity);
        let token = match &signal {
            Some(signal) => signal.identified(),
            None => Arc::new(identity.clone()),
        };
        let waiting = Waiting { signal, expiry, recheck: None, asking: None, next: Next::Look };
        Self { subject: Subject { keeper: Arc::clone(keeper), token }, waiting: Mutex::new(waiting) }
    }
}

impl Waiting {
    fn poll(&mut self, subject: &Subject, cx: &mut Context<'_>) -> Poll<EndReason> {
        let (keeper, identity) = (&*subject.keeper, subject.identity());
        loop {
            let next = mem::replace(&mut self.next, Next::Wait).max(self.happened(keeper, identity, cx));
            let (finding, at_once) = match (&mut self.asking, next) {
                (_, Next::Look | Next::LookAndAsk) => (keeper.look(identity), true),
                (Some(asking), Next::Wait) => (Some(keeper.find(answer(ready!(asking.poll_join_next(cx))))), false),
                (None, Next::Wait) => return Poll::Pending,
            };
            match finding {
                Some(Finding::Ended(reason)) => return Poll::Ready(reason),
                Some(finding) => {
                    self.asking = None;
                    let will_be_told = matches!(finding, Finding::Good) && at_once && self.signal.is_some();
                    self.recheck = (!will_be_told).then(|| recheck_after(keeper.recheck_interval()));
                }
                // An answer that was asked for before may be older than what has happened since.
                None if next == Next::LookAndAsk => {
                    let mut asking = JoinSet::new();
                    asking.spawn(telemetry::in_span(keeper.ask(Arc::clone(&subject.token))));
                    self.asking = Some(asking);
                }
                None if self.asking.is_some() => {}
                // Those who were opened, or lost sight, at the same moment do not all ask at the same moment.
                None if self.recheck.is_none() => {
                    self.recheck =
                        Some(recheck_after(keeper.recheck_interval().min(NO_TIMEOUT).mul_f64(fastrand::f64())));
                }
                None => {}
            }
        }
    }

    /// Whether anything has happened that calls for a look.
    fn happened(&mut self, keeper: &dyn Keeper, token: &TokenIdentity, cx: &mut Context<'_>) -> Next {
        let mut next = Next::Wait;
        if let Some(signal) = &mut self.signal
            && signal.poll_raised(cx).is_ready()
        {
            next = if signal.take_revoked() { Next::LookAndAsk } else { Next::Look };
        }
        if self.expiry.as_mut().is_some_and(|expiry| expiry.as_mut().poll(cx).is_ready()) {
            // Anew, should the clock have stepped back since.
            self.expiry = keeper.expiry(token);
            next = next.max(Next::Look);
        }
        if self.recheck.as_mut().is_some_and(|recheck| recheck.as_mut().poll(cx).is_ready()) {
            self.recheck = None;
            next = Next::LookAndAsk;
        }
        next
    }
}

/// What the store has said. A store that panics has said nothing.
fn answer(answer: Option<Result<Result<bool, StoreError>, JoinError>>) -> Result<bool, StoreError> {
    let answer = answer.ok_or_else(|| StoreError::new("check", "nobody was asked"))?;
    answer.unwrap_or_else(|panicked| Err(StoreError::new("check", panicked)))
}

fn recheck_after(interval: Duration) -> Pin<Box<Sleep>> {
    // A store is not asked without a pause, and an `Instant` does not hold all that a `Duration` does.
    Box::pin(sleep(interval.clamp(SHORTEST_INTERVAL, NO_TIMEOUT)))
}

impl Clone for RevocationWatch {
    fn clone(&self) -> Self {
        let state = match &self.state {
            State::Passed { token, admitted } => State::Passed { token: Arc::clone(token), admitted: *admitted },
            state => State::Left(state.subject()),
        };
        Self { state, outer: self.outer.clone() }
    }
}

impl fmt::Debug for RevocationWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationWatch").field("token", self.state.identity()).finish_non_exhaustive()
    }
}

const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
