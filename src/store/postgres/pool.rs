//! The connections that a store shares: made when somebody waits for one, and given to whoever has waited longest.
//!
//! A server or a pooler may give fewer connections than are allowed here, or make a client wait for one. Whoever needs a connection therefore
//! never waits for one that is being made, but for the first to be free.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    connect::{Connection, Connector},
    unreachable::Unreachable,
};

pub(super) struct Pool {
    connector: Connector,
    most: usize,
    state: Mutex<State>,
    /// Changes when none can be had, and another connection of this process may be why.
    starved: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    idle: Vec<Pooled>,
    waiting: VecDeque<oneshot::Sender<Result<Loan, Unreachable>>>,
    /// Those that are there, idle or lent.
    open: usize,
    connecting: usize,
    /// How many attempts have failed since the last that did not.
    failures: u32,
    /// When the next attempt is made, after one that failed.
    retry_at: Option<Instant>,
    /// Somebody sleeps until then.
    retries: bool,
    refusal: Option<Unreachable>,
    generation: u64,
}

struct Pooled {
    connection: Connection,
    /// How often all connections had been renewed before this one was begun.
    generation: u64,
}

impl Pool {
    pub(super) fn new(connector: Connector, most: usize) -> Arc<Self> {
        Arc::new(Self { connector, most, state: Mutex::default(), starved: watch::Sender::new(()) })
    }

    /// A connection, as soon as one is free. The caller bounds it.
    ///
    /// # Errors
    ///
    /// If there is none, and none can be made, for another reason than that there are too many.
    pub(super) async fn lend(self: &Arc<Self>) -> Result<Loan, Unreachable> {
        let waits = {
            let mut state = self.lock();
            while let Some(pooled) = state.idle.pop() {
                if !pooled.connection.client.is_closed() {
                    return Ok(self.loan(pooled));
                }
                state.open -= 1;
            }
            let (sender, waits) = oneshot::channel();
            state.waiting.push_back(sender);
            waits
        };
        self.connect_if_needed();
        // The sender is kept until it is used.
        waits.await.unwrap_or_else(|_| Err(Unreachable::late(self.connector.target(), Duration::ZERO)))
    }

    /// Why there are fewer connections than asked for, if there are.
    pub(super) fn refusal(&self) -> Option<Unreachable> {
        self.lock().refusal.clone()
    }

    /// Changes when this pool can have no connection at all.
    pub(super) fn starved(&self) -> watch::Receiver<()> {
        self.starved.subscribe()
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// How often all connections were renewed.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Closes the connections that nobody uses.
    pub(super) fn close_idle(&self) {
        let idle = {
            let mut state = self.lock();
            state.open -= state.idle.len();
            std::mem::take(&mut state.idle)
        };
        drop(idle);
    }

    /// Closes the connections that nobody uses, and the others once they are given back.
    pub(super) fn renew(&self) {
        self.lock().generation += 1;
        self.close_idle();
    }

    /// How many connections there are, and how many of them nobody uses.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.lock();
        (state.open, state.idle.len())
    }

    fn connect_if_needed(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.is_closed());
        // After one that failed, one at a time.
        let at_once = if state.refusal.is_some() { 1 } else { self.most };
        while state.connecting < state.waiting.len().min(at_once) && state.open + state.connecting < self.most {
            if let Some(at) = state.retry_at.filter(|&at| at > Instant::now()) {
                if !state.retries {
                    state.retries = true;
                    runtime.spawn(retry(Arc::downgrade(self), at));
                }
                return;
            }
            state.connecting += 1;
            runtime.spawn(Arc::clone(self).connect(state.generation));
        }
    }

    async fn connect(self: Arc<Self>, generation: u64) {
        let opened = self.connector.open(Arc::default(), self.connector.patience()).await;
        let refused = {
            let mut state = self.lock();
            state.connecting -= 1;
            match opened {
                Ok(connection) => {
                    state.open += 1;
                    state.failures = 0;
                    state.retry_at = None;
                    state.refusal = None;
                    drop(state);
                    // Dropped if everything was renewed meanwhile.
                    drop(self.loan(Pooled { connection, generation }));
                    return;
                }
                Err(refusal) => {
                    state.refusal = Some(refusal.clone());
                    let is_alone = state.open == 0 && state.connecting == 0;
                    if is_alone && !refusal.is_for_want_of_connections() {
                        state.retry_at = None;
                        let waiting = std::mem::take(&mut state.waiting);
                        (waiting, refusal, is_alone)
                    } else {
                        let pause = FIRST_PAUSE * 2_u32.saturating_pow(state.failures.min(8));
                        state.failures += 1;
                        // While there are others, there is time.
                        let longest = if state.open == 0 { FIRST_PAUSE } else { LONGEST_PAUSE };
                        state.retry_at = Some(Instant::now() + pause.min(longest));
                        (VecDeque::new(), refusal, is_alone)
                    }
                }
            }
        };
        let (waiting, refusal, is_alone) = refused;
        if is_alone && refusal.may_be_for_want_of_connections() {
            self.starved.send_replace(());
        }
        for waits in waiting {
            let _ = waits.send(Err(refusal.clone()));
        }
        self.connect_if_needed();
    }

    fn loan(self: &Arc<Self>, pooled: Pooled) -> Loan {
        Loan { pool: Arc::clone(self), pooled: Some(pooled) }
    }

    /// Gives a connection to whoever waits, or keeps it.
    fn take_back(self: &Arc<Self>, mut pooled: Pooled) {
        loop {
            let waits = {
                let mut state = self.lock();
                if pooled.generation != state.generation || pooled.connection.client.is_closed() {
                    break;
                }
                let Some(waits) = state.waiting.pop_front() else {
                    state.idle.push(pooled);
                    return;
                };
                waits
            };
            match waits.send(Ok(self.loan(pooled))) {
                Err(Ok(mut loan)) => match loan.pooled.take() {
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

async fn retry(pool: Weak<Pool>, at: Instant) {
    sleep_until(at).await;
    if let Some(pool) = pool.upgrade() {
        pool.lock().retries = false;
        pool.connect_if_needed();
    }
}

/// A connection that goes back when it is dropped.
pub(super) struct Loan {
    pool: Arc<Pool>,
    /// `None` once it was given back.
    pooled: Option<Pooled>,
}

impl Loan {
    /// The connection, unless it was given back.
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        self.pooled.as_mut().map(|pooled| &mut pooled.connection)
    }

    /// Whether somebody waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        !self.pool.lock().waiting.is_empty()
    }

    /// Closes the connection instead of giving it back.
    pub(super) fn close(mut self) {
        if let Some(pooled) = self.pooled.take() {
            self.pool.close(pooled);
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            self.pool.take_back(pooled);
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
