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

/// Future that resolves with the reason when the live stream that was opened with a token must end.
///
/// The layer adds one to each request that it accepts with a token, and uses it to end bodies. Take
/// it from the request's extensions, or as an extractor (feature `axum`), for anything that
/// outlives the response: a WebSocket, a background job, a subscription.
///
/// It starts to watch when it is first polled, with an immediate check, so no revocation since the
/// check of the request is missed. It is woken as soon as its store learns of the revocation; if
/// the store is not notified of revocations, the token is re-checked every
/// [`recheck_interval`](crate::Logout::recheck_interval). If the store cannot answer, or its view
/// is too stale, the watch resolves to [`EndReason::Unavailable`], unless
/// [`insecure_allow_on_store_failure`](crate::Logout::insecure_allow_on_store_failure) is set.
///
/// A clone watches the same token, starting with its own first poll. A resolved watch can be polled
/// again and returns the same reason. If layers are nested around a route, it watches the tokens of
/// all of them, and resolves when the first of them is revoked or expires.
///
/// [`ended`](Self::ended) checks without waiting, for servers in which no future can be awaited.
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
/// A task that outlives the response ends when the token is revoked or expires. The example in
/// `examples/websocket` does the same with a WebSocket.
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
    /// The watch of an outer layer.
    outer: Option<Box<Self>>,
}

enum State {
    /// Not polled yet. `by_layer` is whether a layer has accepted the token for the request that
    /// contains this watch.
    Idle {
        token: Arc<dyn AdmittedToken>,
        by_layer: bool,
    },
    /// The clone of a watch that was polled.
    Cloned(Subject),
    Watching(Box<Watching>),
    Ended(EndReason, Subject),
}

impl RevocationWatch {
    /// Watches a token that a guard has accepted.
    pub(super) fn new(token: Arc<dyn AdmittedToken>) -> Self {
        Self { state: State::Idle { token, by_layer: false }, outer: None }
    }

    /// Watches a token that a layer has accepted in a request.
    pub(crate) fn by_layer(token: Arc<dyn AdmittedToken>) -> Self {
        Self { state: State::Idle { token, by_layer: true }, outer: None }
    }

    /// Combines this watch with one that was in the request before: it resolves when either does.
    pub(crate) fn within(mut self, outer: Self) -> Self {
        // The same token of the same guard needs only one watch.
        let is_same = self.admits(&outer.state);
        self.outer = if is_same { outer.outer } else { Some(Box::new(outer)) };
        self
    }

    /// Returns without waiting why the live stream must end, if it must.
    ///
    /// It is intended for servers that own the WebSocket and call the application for each message
    /// or ping, where no future can be awaited. It checks the current state, whether or not the
    /// watch was polled or cloned, and does not count as a poll. If the watch has resolved, it
    /// returns the same reason.
    ///
    /// `None` means that no reason is known. Stores of a single process, and a
    /// [`Replica`](crate::Replica) whose view is fresh, always answer. A `RedisStore` or a
    /// `PostgresStore` without a `Replica`, and a stale `Replica` that asks its log instead, cannot
    /// answer without waiting: then only expiry is detected, and the reason that a poll of this
    /// watch has returned. With such a store, await a clone on a task that closes the connection.
    ///
    /// [`EndReason::Unavailable`] means that the store reports immediately that it cannot answer,
    /// such as a `Replica` whose view is too stale. A later call may return something else.
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

    /// Whether a layer has accepted this token in the request that contains this watch, and the
    /// token is still valid as far as is known without waiting. A service that shuts down still
    /// handles requests.
    pub(crate) fn vouches_for<C>(&self, token: &VerifiedToken<C>) -> bool {
        let is_among = self.layers().any(|watch| match &watch.state {
            State::Idle { token: admitted, by_layer } => *by_layer && admitted.is(token),
            _ => false,
        });
        is_among && matches!(self.ended(), None | Some(EndReason::ShuttingDown))
    }

    /// The types of the tokens that layers have accepted in the request.
    #[cfg(feature = "axum")]
    pub(crate) fn types(&self) -> impl Iterator<Item = &'static str> {
        self.layers().filter_map(|watch| match &watch.state {
            State::Idle { token, .. } => Some(token.type_name()),
            _ => None,
        })
    }

    /// This watch, and those of outer layers.
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
        // Later polls return the same reason, whatever happens to the other token.
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
