//! [`RevocationWatch`]: resolves when a live stream must end.

use std::{
    fmt,
    future::Future,
    iter,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use crate::{
    guard::{
        EndReason, StoreCheck,
        admitted::AdmittedToken,
        store_check::Finding,
        watching::{Subject, Watching},
    },
    revocation::TokenIdentity,
    telemetry,
    token::VerifiedToken,
};

/// Future that resolves when what was opened with a token must end, with the reason.
///
/// The layer puts one into each request that it lets pass with a token, and ends bodies by it. Take
/// it from the request's extensions, or as an extractor (feature `axum`), for anything that
/// outlives the response: a WebSocket, a background job, a subscription.
///
/// It begins to watch when it is first polled, and checks at once, so it misses nothing since the
/// request was let pass. It is woken as soon as its store learns of the revocation; where the store
/// is not notified of revocations, it asks again every
/// [`recheck_interval`](crate::Logout::recheck_interval). When the store can no longer answer, or
/// its view is too stale, it resolves to [`EndReason::Unavailable`], unless
/// [`insecure_allow_on_store_failure`](crate::Logout::insecure_allow_on_store_failure) is set.
///
/// A clone watches the same token, from its own first poll on. Once resolved, it stays so. Where
/// layers are nested around a route, it watches the tokens of all of them, and resolves when the
/// first of them ends.
///
/// [`ended`](Self::ended) asks without waiting, for servers in which no future can be awaited.
///
/// # Panics
///
/// When first polled outside a Tokio runtime with time enabled.
///
/// # Cancel safety
///
/// Dropping it ends the watch and has no other effect. It can be polled by reference, in a
/// `select!` of a loop.
///
/// # Examples
///
/// What outlives the response ends with the token; `examples/websocket` does the same with a
/// socket.
///
/// ```
/// use tower_logout::{RevocationWatch, guard::EndReason};
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
    /// Not polled yet. Whether a layer has let the token pass, for the very request that has this
    /// watch.
    Idle {
        token: Arc<dyn AdmittedToken>,
        by_layer: bool,
    },
    /// The clone of one that was polled.
    Cloned(Subject),
    Watching(Box<Watching>),
    Ended(EndReason, Subject),
}

impl RevocationWatch {
    /// Watches a token that a guard has let pass.
    pub(super) fn new(token: Arc<dyn AdmittedToken>) -> Self {
        Self { state: State::Idle { token, by_layer: false }, outer: None }
    }

    /// Watches a token with which a layer has let a request pass.
    pub(crate) fn by_layer(token: Arc<dyn AdmittedToken>) -> Self {
        Self { state: State::Idle { token, by_layer: true }, outer: None }
    }

    /// The same watch, which also ends when another does that was in the request before.
    pub(crate) fn within(mut self, outer: Self) -> Self {
        // The same layer twice has nothing to add.
        let is_same = self.admits(&outer.state);
        self.outer = if is_same { outer.outer } else { Some(Box::new(outer)) };
        self
    }

    /// Returns without waiting why the token has ended, if it has.
    ///
    /// It is for servers that own the WebSocket and call the application for each message or at
    /// each ping, where no future can be awaited. It asks for this moment, whether the watch was
    /// polled, cloned or neither, and does not count as a poll. A watch that has resolved stays so.
    ///
    /// `None` means that no end is known. The stores of one process and a
    /// [`Replica`](crate::Replica) whose view is fresh always know. A `RedisStore` or a
    /// `PostgresStore` that is used without a `Replica`, and a stale `Replica` that asks its log
    /// instead, cannot answer without waiting: then only the expiry is known, and what a poll of
    /// this very watch has resolved to. Over such a store, await a clone on a task that closes the
    /// connection.
    ///
    /// [`EndReason::Unavailable`] means that the store reports at once that it cannot answer, such
    /// as a `Replica` whose view is too stale. The next answer may be another one.
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
            state => state.store().look(state.identity()),
        };
        match own {
            Some(Finding::Ended(reason)) => Some(reason),
            _ => self.outer.as_ref()?.ended(),
        }
    }

    /// Whether a layer has let this token pass in the request that has this watch, and the token is
    /// still valid as far as is known without waiting. A service that shuts down still answers requests.
    pub(crate) fn vouches_for<C>(&self, token: &VerifiedToken<C>) -> bool {
        let is_among = self.layers().any(|watch| match &watch.state {
            State::Idle { token: admitted, by_layer } => *by_layer && admitted.is(token),
            _ => false,
        });
        is_among && matches!(self.ended(), None | Some(EndReason::ShuttingDown))
    }

    /// The types of the tokens with which layers have let the request pass.
    #[cfg(feature = "axum")]
    pub(crate) fn types(&self) -> impl Iterator<Item = &'static str> {
        self.layers().filter_map(|watch| match &watch.state {
            State::Idle { token, .. } => Some(token.type_name()),
            _ => None,
        })
    }

    /// This watch, and those of layers further out.
    fn layers(&self) -> impl Iterator<Item = &Self> {
        iter::successors(Some(self), |watch| watch.outer.as_deref())
    }

    fn admits(&self, other: &State) -> bool {
        match (&self.state, other) {
            (State::Idle { token, .. }, State::Idle { token: other, .. }) => Arc::ptr_eq(token, other),
            _ => false,
        }
    }
}

impl State {
    fn identity(&self) -> &TokenIdentity {
        match self {
            Self::Idle { token, .. } => token.identity(),
            Self::Cloned(subject) | Self::Ended(_, subject) => subject.identity(),
            Self::Watching(watching) => watching.subject().identity(),
        }
    }

    fn store(&self) -> &Arc<StoreCheck> {
        match self {
            Self::Idle { token, .. } => token.store(),
            Self::Cloned(subject) | Self::Ended(_, subject) => &subject.store,
            Self::Watching(watching) => &watching.subject().store,
        }
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
                Self::Idle { .. } | Self::Cloned(_) => {
                    Self::Watching(Box::new(Watching::begin(self.store(), self.identity())))
                }
                Self::Watching(watching) => {
                    let reason = ready!(watching.poll(cx));
                    telemetry::stream_ended(reason.code());
                    Self::Ended(reason, watching.subject().clone())
                }
                Self::Ended(reason, _) => return Poll::Ready(*reason),
            };
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Idle { token, .. } => {
                Subject { store: Arc::clone(token.store()), token: Arc::new(token.identity().clone()) }
            }
            Self::Cloned(subject) | Self::Ended(_, subject) => subject.clone(),
            Self::Watching(watching) => watching.subject().clone(),
        }
    }
}

impl Clone for RevocationWatch {
    fn clone(&self) -> Self {
        let state = match &self.state {
            State::Idle { token, by_layer } => State::Idle { token: Arc::clone(token), by_layer: *by_layer },
            state => State::Cloned(state.subject()),
        };
        Self { state, outer: self.outer.clone() }
    }
}

impl fmt::Debug for RevocationWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationWatch").field("token", self.state.identity()).finish_non_exhaustive()
    }
}
