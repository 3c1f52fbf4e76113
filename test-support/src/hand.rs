//! A store that a test controls by hand: it answers at once, late, never, with an error, or with an
//! error after it has acted.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tower_logout::{
    MemoryStore, RevocationStore,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::StoreError,
};

use crate::memory;

/// What a call to the store does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    /// Answers at once; a check without a future.
    Now,
    /// Waits for [`HandStore::open`] and then answers.
    Gated,
    /// Answers after this many polls.
    Polls(usize),
    /// Fails at once; a check without a future.
    Fail,
    /// Acts and fails nevertheless.
    DoneButFail,
    /// Never answers.
    Hang,
    Panic,
}

/// A [`MemoryStore`] controlled by [`Act`]s; clones are the same store.
#[derive(Clone, Debug)]
pub struct HandStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    memory: MemoryStore,
    check: Mutex<Act>,
    revoke: Mutex<Act>,
    find: Mutex<Act>,
    gate: Semaphore,
    waiting: AtomicUsize,
    revocations: Mutex<Vec<Revocation>>,
}

impl HandStore {
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            memory: memory(),
            check: Mutex::new(Act::Now),
            revoke: Mutex::new(Act::Now),
            find: Mutex::new(Act::Now),
            gate: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            revocations: Mutex::default(),
        }))
    }

    /// Sets what checks do from now on.
    pub fn checks(self, act: Act) -> Self {
        *self.0.check.lock().unwrap() = act;
        self
    }

    /// Sets what revocations do from now on.
    pub fn revokes(self, act: Act) -> Self {
        *self.0.revoke.lock().unwrap() = act;
        self
    }

    /// Sets what look-ups of a key do from now on.
    pub fn finds(self, act: Act) -> Self {
        *self.0.find.lock().unwrap() = act;
        self
    }

    /// Lets this many gated calls pass.
    pub fn open(&self, calls: usize) {
        self.0.gate.add_permits(calls);
    }

    /// How many calls wait for the gate or never answer.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    /// The stored revocations, in order.
    pub fn revocations(&self) -> Vec<Revocation> {
        self.0.revocations.lock().unwrap().clone()
    }

    async fn act(&self, act: Act, operation: &'static str) -> Result<(), StoreError> {
        let waiting = Waiting::among(&self.0.waiting);
        match act {
            Act::Now | Act::DoneButFail => {}
            Act::Gated => self.0.gate.acquire().await.unwrap().forget(),
            Act::Polls(polls) => {
                for _ in 0..polls {
                    tokio::task::yield_now().await;
                }
            }
            Act::Fail => return Err(StoreError::new(operation, "the disk is on fire")),
            Act::Hang => std::future::pending().await,
            Act::Panic => panic!("a store that panics"),
        }
        drop(waiting);
        Ok(())
    }
}

#[async_trait]
impl RevocationStore for HandStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let act = *self.0.revoke.lock().unwrap();
        self.act(act, "revoke").await?;
        let outcome = self.0.memory.revoke(revocation).await?;
        self.0.revocations.lock().unwrap().push(*revocation);
        match act {
            Act::DoneButFail => Err(StoreError::new("revoke", "the connection was lost before the answer")),
            _ => Ok(outcome),
        }
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        let act = *self.0.find.lock().unwrap();
        self.act(act, "find").await?;
        self.0.memory.find(key).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        let act = *self.0.check.lock().unwrap();
        self.act(act, "check").await?;
        self.0.memory.is_revoked(token).await
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        let act = *self.0.check.lock().unwrap();
        match act {
            Act::Now => self.0.memory.is_revoked_now(token),
            Act::Fail => Some(Err(StoreError::new("check", "the disk is on fire"))),
            _ => None,
        }
    }
}

/// A waiting call, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
