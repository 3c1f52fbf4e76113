//! [`Pool`]: the connections of a store. They are opened on demand, and go to the caller that has
//! waited longest.
//!
//! A server or a pooler may grant fewer connections than configured, or delay a new one. A caller
//! therefore never waits for a particular connection that is being opened, but for the first one
//! that becomes free. A failed attempt is an error only for callers that came before it began,
//! because the server may have recovered since.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    connect_error::ConnectError,
    connection::{Connection, Connector},
};

pub(super) struct Pool {
    connector: Connector,
    max: usize,
    state: Mutex<State>,
    /// Changes when no connection is open and none can be opened, so that a listener closes its
    /// own.
    exhausted: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    idle: Vec<Pooled>,
    waiting: VecDeque<Waiting>,
    /// The number of open connections, idle or in use.
    open: usize,
    /// The number of connections that are being opened.
    connecting: usize,
    /// The number of attempts that have begun.
    attempts: u64,
    /// The number of the latest attempt that has failed.
    last_failed: u64,
    /// The number of failed attempts since the last successful one.
    failures: u32,
    /// The time of the next attempt, after a failed one.
    retry_at: Option<Instant>,
    /// Whether a task sleeps until `retry_at`.
    retry_scheduled: bool,
    /// The error of the last attempt, if it has failed.
    last_error: Option<ConnectError>,
    /// The number of times that all connections were invalidated.
    generation: u64,
}

/// A caller that waits for a connection.
struct Waiting {
    sender: oneshot::Sender<Result<PooledConnection, ConnectError>>,
    /// The number of attempts that had begun before the caller came.
    attempts_before: u64,
}

struct Pooled {
    connection: Connection,
    /// The generation in which the attempt to connect began.
    generation: u64,
}

impl Pool {
    pub(super) fn new(connector: Connector, max: usize) -> Arc<Self> {
        Arc::new(Self { connector, max, state: Mutex::default(), exhausted: watch::Sender::new(()) })
    }

    /// Returns the first connection that becomes free. The caller limits the time.
    ///
    /// # Errors
    ///
    /// If there is no connection and none can be opened, unless the reason is a limit on
    /// connections.
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<PooledConnection, ConnectError> {
        let receiver = {
            let mut state = self.lock();
            while let Some(pooled) = state.idle.pop() {
                if !pooled.connection.client.is_closed() {
                    return Ok(self.lend(pooled));
                }
                state.open -= 1;
            }
            let (sender, receiver) = oneshot::channel();
            let attempts_before = state.attempts;
            state.waiting.push_back(Waiting { sender, attempts_before });
            receiver
        };
        self.connect_if_needed();
        // The sender is dropped only after use.
        receiver.await.unwrap_or_else(|_| Err(ConnectError::timed_out(self.connector.target(), Duration::ZERO)))
    }

    /// The error of the last attempt to connect, if it has failed.
    pub(super) fn last_error(&self) -> Option<ConnectError> {
        self.lock().last_error.clone()
    }

    /// Changes when this pool cannot open a single connection.
    pub(super) fn exhausted(&self) -> watch::Receiver<()> {
        self.exhausted.subscribe()
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The number of times that all connections were invalidated.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Closes the idle connections.
    pub(super) fn close_idle(&self) {
        let idle = {
            let mut state = self.lock();
            state.open -= state.idle.len();
            mem::take(&mut state.idle)
        };
        drop(idle);
    }

    /// Closes the idle connections now, and those in use once they are returned.
    pub(super) fn invalidate(&self) {
        self.lock().generation += 1;
        self.close_idle();
    }

    /// The number of open connections, and how many of them are idle.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.lock();
        (state.open, state.idle.len())
    }

    fn connect_if_needed(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.sender.is_closed());
        // After a failure, one attempt at a time.
        let max_attempts = if state.last_error.is_some() { 1 } else { self.max };
        while state.connecting < state.waiting.len().min(max_attempts) && state.open + state.connecting < self.max {
            if let Some(at) = state.retry_at.filter(|&at| at > Instant::now()) {
                if !state.retry_scheduled {
                    state.retry_scheduled = true;
                    runtime.spawn(retry(Arc::downgrade(self), at));
                }
                return;
            }
            state.connecting += 1;
            state.attempts += 1;
            runtime.spawn(Arc::clone(self).connect(state.attempts, state.generation));
        }
    }

    async fn connect(self: Arc<Self>, attempt: u64, generation: u64) {
        let opened = self.connector.open(Arc::default(), self.connector.timeout()).await;
        let (failed, error, is_alone) = {
            let mut state = self.lock();
            state.connecting -= 1;
            match opened {
                Ok(connection) => {
                    state.open += 1;
                    state.failures = 0;
                    state.retry_at = None;
                    state.last_error = None;
                    drop(state);
                    // Closed if all connections were invalidated meanwhile.
                    drop(self.lend(Pooled { connection, generation }));
                    return;
                }
                Err(error) => {
                    state.last_error = Some(error.clone());
                    state.last_failed = state.last_failed.max(attempt);
                    let is_alone = state.open == 0 && state.connecting == 0;
                    if is_alone && !error.is_connection_limit() {
                        state.retry_at = None;
                        (state.take_failed(), error, is_alone)
                    } else {
                        let pause = FIRST_PAUSE * 2_u32.saturating_pow(state.failures.min(8));
                        state.failures += 1;
                        // If other connections are open, callers can wait for those.
                        let longest = if state.open == 0 { FIRST_PAUSE } else { LONGEST_PAUSE };
                        state.retry_at = Some(Instant::now() + pause.min(longest));
                        (VecDeque::new(), error, is_alone)
                    }
                }
            }
        };
        if is_alone && error.may_be_connection_limit() {
            self.exhausted.send_replace(());
        }
        for waiting in failed {
            let _ = waiting.sender.send(Err(error.clone()));
        }
        self.connect_if_needed();
    }

    fn lend(self: &Arc<Self>, pooled: Pooled) -> PooledConnection {
        PooledConnection { pool: Arc::clone(self), pooled: Some(pooled) }
    }

    /// Hands a connection to the caller that has waited longest, or keeps it.
    fn put_back(self: &Arc<Self>, mut pooled: Pooled) {
        loop {
            let sender = {
                let mut state = self.lock();
                if pooled.generation != state.generation || pooled.connection.client.is_closed() {
                    break;
                }
                let Some(waiting) = state.waiting.pop_front() else {
                    state.idle.push(pooled);
                    return;
                };
                waiting.sender
            };
            match sender.send(Ok(self.lend(pooled))) {
                Err(Ok(mut unclaimed)) => match unclaimed.pooled.take() {
                    Some(returned) => pooled = returned,
                    None => return,
                },
                _ => return,
            }
        }
        self.close(pooled);
    }

    fn close(self: &Arc<Self>, pooled: Pooled) {
        drop(pooled);
        self.lock().open -= 1;
        self.connect_if_needed();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the callers for which an attempt has failed that began after they came. The others
    /// wait for the next attempt.
    fn take_failed(&mut self) -> VecDeque<Waiting> {
        let last_failed = self.last_failed;
        let (failed, waiting) =
            mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.attempts_before < last_failed);
        self.waiting = waiting;
        failed
    }
}

async fn retry(pool: Weak<Pool>, at: Instant) {
    sleep_until(at).await;
    if let Some(pool) = pool.upgrade() {
        pool.lock().retry_scheduled = false;
        pool.connect_if_needed();
    }
}

/// A connection in use, which returns to the pool when it is dropped.
pub(super) struct PooledConnection {
    pool: Arc<Pool>,
    /// `None` once it has returned.
    pooled: Option<Pooled>,
}

impl PooledConnection {
    /// The connection, unless it has returned.
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        self.pooled.as_mut().map(|pooled| &mut pooled.connection)
    }

    /// Closes the connection instead of returning it.
    pub(super) fn close(mut self) {
        if let Some(pooled) = self.pooled.take() {
            self.pool.close(pooled);
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            self.pool.put_back(pooled);
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::timeout,
    };

    use super::*;
    use crate::store::{StoreErrorKind, postgres::options::PostgresStoreOptions};

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_caller_is_not_given_the_error_of_an_attempt_that_began_before_it_came() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = server.local_addr().expect("the socket is bound");
        let options = PostgresStoreOptions::default().timeout(DEADLINE);
        let connector = Connector::new(&format!("postgres://app@{address}/app").into(), &options);
        let pool = Pool::new(connector.expect("the URL is well-formed"), 1);

        // The first caller goes away while the server does not answer.
        let first = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.acquire().await.map(drop) }
        });
        let (silent, _) = timeout(DEADLINE, server.accept()).await.expect("it connects").expect("it is accepted");
        first.abort();
        assert!(first.await.is_err(), "the first caller is still waiting");

        // The second caller comes, and then the attempt fails.
        let mut second = pin!(pool.acquire());
        assert!(poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await);
        drop(silent);
        let rejected = async {
            let (mut socket, _) = server.accept().await.expect("it is accepted");
            let mut startup = [0; 512];
            let _ = socket.read(&mut startup).await.expect("it begins the protocol");
            socket.write_all(WRONG_PASSWORD).await.expect("it reads the error");
        };
        let answer = async { tokio::join!(second, rejected).0 };
        let answer = timeout(DEADLINE, answer).await.expect("there is another attempt");
        let error = answer.map(drop).expect_err("the server rejects it");
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured, "its own attempt was rejected: {error}");
    }

    /// `ErrorResponse`: severity, code and message.
    const WRONG_PASSWORD: &[u8] = b"E\0\0\0\x17SFATAL\0C28P01\0Mno\0\0";
}
