//! [`Watching`]: a watch that was polled, with everything that it waits for.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    sync::futures::OwnedNotified,
    task::{JoinError, JoinSet},
    time::{Sleep, sleep},
};

use crate::{
    guard::{
        EndReason, StoreCheck,
        store_check::{BoxFuture, Finding, NO_TIMEOUT},
    },
    revocation::TokenIdentity,
    set::RevocationSignal,
    store::StoreError,
    telemetry,
};

/// A watched token, and the store for its re-checks. It replaces the admitted token, so that its
/// claims are dropped: a watch can last for hours.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) store: Arc<StoreCheck>,
    pub(super) token: Arc<dyn AsRef<TokenIdentity> + Send + Sync>,
}

pub(super) struct Watching {
    subject: Subject,
    /// Never locked: the mutex only makes the futures in it `Sync`, as request extensions must be.
    waiting: Mutex<Waiting>,
}

struct Waiting {
    /// Created before the first look, so that later revocations raise it.
    signal: Option<RevocationSignal>,
    expiry: Option<BoxFuture<()>>,
    draining: Pin<Box<OwnedNotified>>,
    recheck: Option<Pin<Box<Sleep>>>,
    /// Runs on a separate task, so that the time to an answer does not depend on how often the
    /// watch is polled.
    asking: Option<JoinSet<Result<bool, StoreError>>>,
    action: Action,
}

/// What the watch does next, apart from waiting.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Action {
    Wait,
    /// Look, and postpone the re-check if it cannot be answered without waiting.
    Look,
    /// Look, and ask the store if the look gives no answer.
    LookAndAsk,
}

impl Subject {
    pub(super) fn identity(&self) -> &TokenIdentity {
        (*self.token).as_ref()
    }
}

impl Watching {
    pub(super) fn begin(store: &Arc<StoreCheck>, identity: &TokenIdentity) -> Self {
        let signal = store.signal(identity);
        let expiry = store.expiry(identity);
        let draining = store.drain.beginning();
        let token = match &signal {
            Some(signal) => signal.identified(),
            None => Arc::new(identity.clone()),
        };
        let waiting = Waiting { signal, expiry, draining, recheck: None, asking: None, action: Action::Look };
        Self { subject: Subject { store: Arc::clone(store), token }, waiting: Mutex::new(waiting) }
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        let waiting = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        waiting.poll(&self.subject, cx)
    }
}

impl Waiting {
    fn poll(&mut self, subject: &Subject, cx: &mut Context<'_>) -> Poll<EndReason> {
        let (store, identity) = (&subject.store, subject.identity());
        loop {
            let action = mem::replace(&mut self.action, Action::Wait).max(self.happened(store, identity, cx));
            let (finding, at_once) = match (&mut self.asking, action) {
                (_, Action::Look | Action::LookAndAsk) => (store.look(identity), true),
                (Some(asking), Action::Wait) => (Some(store.finding(answer(ready!(asking.poll_join_next(cx))))), false),
                (None, Action::Wait) => return Poll::Pending,
            };
            match finding {
                Some(Finding::Ended(reason)) => return Poll::Ready(reason),
                Some(finding) => {
                    self.asking = None;
                    let will_be_notified = matches!(finding, Finding::Valid) && at_once && self.signal.is_some();
                    self.recheck = (!will_be_notified).then(|| recheck_after(store.recheck_interval));
                }
                // The answer to an earlier question may be outdated, so it is replaced.
                None if action == Action::LookAndAsk => {
                    let mut asking = JoinSet::new();
                    asking.spawn(telemetry::in_span(ask(subject.clone())));
                    self.asking = Some(asking);
                }
                None if self.asking.is_some() => {}
                // At a random time, so that watches that started together, or lost their store
                // together, do not ask at the same time.
                None if self.recheck.is_none() => {
                    self.recheck = Some(recheck_after(store.recheck_interval.min(NO_TIMEOUT).mul_f64(fastrand::f64())));
                }
                None => {}
            }
        }
    }

    /// Returns the action that recent events call for.
    fn happened(&mut self, store: &StoreCheck, token: &TokenIdentity, cx: &mut Context<'_>) -> Action {
        let mut action = Action::Wait;
        if self.draining.as_mut().poll(cx).is_ready() {
            action = Action::Look;
        }
        if let Some(signal) = &mut self.signal
            && signal.poll_raised(cx).is_ready()
        {
            action = action.max(if signal.take_revoked() { Action::LookAndAsk } else { Action::Look });
        }
        if self.expiry.as_mut().is_some_and(|expiry| expiry.as_mut().poll(cx).is_ready()) {
            // Computed again, in case the clock has stepped back since.
            self.expiry = store.expiry(token);
            action = action.max(Action::Look);
        }
        if self.recheck.as_mut().is_some_and(|recheck| recheck.as_mut().poll(cx).is_ready()) {
            self.recheck = None;
            action = Action::LookAndAsk;
        }
        action
    }
}

async fn ask(subject: Subject) -> Result<bool, StoreError> {
    subject.store.ask(subject.identity(), subject.store.deadline()).await
}

/// Returns the store's answer. A panic of the store is an error.
fn answer(answer: Option<Result<Result<bool, StoreError>, JoinError>>) -> Result<bool, StoreError> {
    let answer = answer.ok_or_else(|| StoreError::new("check", "the re-check has no task"))?;
    answer.unwrap_or_else(|panicked| Err(StoreError::new("check", panicked)))
}

fn recheck_after(interval: Duration) -> Pin<Box<Sleep>> {
    // The lower bound prevents a busy loop, the upper bound an overflow of `Instant`.
    Box::pin(sleep(interval.clamp(SHORTEST_INTERVAL, NO_TIMEOUT)))
}

const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
