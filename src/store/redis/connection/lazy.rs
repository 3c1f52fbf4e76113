//! [`LazyConnection`]: a connection that is opened on demand, and again after it has become
//! invalid.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::multiplexed::Connection;
use crate::store::redis::error::{RedisStoreError, Result};

type Connect = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Connection>> + Send>> + Send + Sync>;

/// A connection that all callers and clones share.
#[derive(Clone)]
pub(in crate::store::redis) struct LazyConnection {
    shared: Arc<Shared>,
}

struct Shared {
    connect: Connect,
    /// The time limit for connecting and for a reply.
    limit: Duration,
    state: Mutex<State>,
}

enum State {
    Unconnected,
    /// A task connects, and all callers wait for it. It continues if callers are dropped.
    Connecting {
        result: watch::Receiver<Option<Result<Connection>>>,
        /// Whether the connection is invalid as soon as it is open, because it may lead to the
        /// wrong server.
        is_invalidated: bool,
    },
    Connected(Connection),
    /// Connecting has just failed. For a short time, callers get the same error, which limits the
    /// load on a failing server.
    Failed(RedisStoreError, Instant),
}

impl LazyConnection {
    pub(in crate::store::redis) fn new<F>(limit: Duration, connect: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Connection>> + Send + 'static,
    {
        let connect: Connect = Box::new(move || Box::pin(connect()));
        Self { shared: Arc::new(Shared { connect, limit, state: Mutex::new(State::Unconnected) }) }
    }

    /// Returns the connection, and opens it if there is none. The caller limits the time.
    pub(in crate::store::redis) async fn get(&self) -> Result<Connection> {
        let mut result = {
            let mut state = self.shared.state();
            match &*state {
                State::Connected(connection) if !connection.is_invalid(self.shared.limit) => {
                    return Ok(connection.clone());
                }
                State::Failed(error, at) if at.elapsed() < RETRY_AFTER => return Err(error.clone()),
                // The sender is gone if the task ended with its runtime.
                State::Connecting { result, .. } if result.has_changed().is_ok() => result.clone(),
                _ => {
                    let result = Shared::connect(&self.shared);
                    *state = State::Connecting { result: result.clone(), is_invalidated: false };
                    result
                }
            }
        };
        let result = result.wait_for(Option::is_some).await.map_err(|_| RedisStoreError::Abandoned)?;
        result.clone().unwrap_or(Err(RedisStoreError::Abandoned))
    }

    /// Invalidates the connection, even if it is still being opened: later callers get a new one.
    ///
    /// Callers that are waiting for a connection still get that one.
    pub(in crate::store::redis) fn invalidate(&self) {
        match &mut *self.shared.state() {
            State::Connected(connection) => connection.invalidate(),
            State::Connecting { is_invalidated, .. } => *is_invalidated = true,
            State::Unconnected | State::Failed(..) => {}
        }
    }
}

impl Shared {
    fn connect(this: &Arc<Self>) -> watch::Receiver<Option<Result<Connection>>> {
        let (sender, receiver) = watch::channel(None);
        let this = Arc::clone(this);
        tokio::spawn(async move {
            let limit = this.limit;
            let result = timeout(limit, (this.connect)()).await.unwrap_or(Err(RedisStoreError::Timeout { limit }));
            // The state changes before any caller resumes, because that caller may call `get`
            // again.
            {
                let mut state = this.state();
                if let (State::Connecting { is_invalidated: true, .. }, Ok(connection)) = (&*state, &result) {
                    connection.invalidate();
                }
                *state = match result.clone() {
                    Ok(connection) => State::Connected(connection),
                    Err(error) => State::Failed(error, Instant::now()),
                };
            }
            sender.send_replace(Some(result));
        });
        receiver
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const RETRY_AFTER: Duration = Duration::from_millis(10);
