//! [`RevocationSignal`]: tells whoever holds a token open that one of its keys was revoked.

use std::{
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::revocation::{
    RevocationKey, TokenIdentity,
    sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering, fence},
};

/// Tells that one of a token's keys was revoked, as soon as the [`RevocationSet`](crate::RevocationSet) that made it knows.
///
/// It says when to ask again, not what the answer is: the revocation may concern only tokens that were issued before this one. It was made before the
/// question was asked, or it says nothing of what came between: first [watch](crate::RevocationSet::watch), then check.
///
/// Dropping it frees its place. [`RevocationWatch`](crate::RevocationWatch) is made of it, and of what else ends a token.
pub struct RevocationSignal {
    registry: Arc<Registry>,
    waiter: Arc<Waiter>,
    number: u64,
}

impl RevocationSignal {
    /// Resolves once one of the token's keys has been revoked since the signal was made, or since this has last resolved.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect: what was not told yet is told the next time.
    pub async fn raised(&mut self) {
        poll_fn(|cx| self.poll_raised(cx)).await;
    }

    /// The same as [`raised`](Self::raised), for futures written by hand. The last waker given is woken.
    pub fn poll_raised(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiter.lower() {
            return Poll::Ready(());
        }
        self.waiter.wait_with(cx.waker());
        // It may have been raised before the waker was there to be woken.
        if self.waiter.lower() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The token it was made for, without another copy.
    pub(crate) fn identified(&self) -> Arc<dyn AsRef<TokenIdentity> + Send + Sync> {
        Arc::clone(&self.waiter) as _
    }

    /// Whether [`poll_raised`](Self::poll_raised) has something to tell.
    pub(crate) fn is_raised(&self) -> bool {
        self.waiter.raised.load(Ordering::Relaxed)
    }
}

impl Drop for RevocationSignal {
    fn drop(&mut self) {
        self.registry.remove(self);
    }
}

impl fmt::Debug for RevocationSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSignal").field("raised", &self.is_raised()).finish_non_exhaustive()
    }
}

/// Who waits for which key.
///
/// A waiter has all its keys in one shard, chosen by its own key, so that it comes and goes under one lock; a revocation looks into all of them, which
/// costs the same however many wait.
pub(super) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
    /// How many wait: most often none.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    waiters: BTreeMap<(RevocationKey, u64), Arc<Waiter>>,
    next_number: u64,
}

struct Waiter {
    token: TokenIdentity,
    raised: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(Shard::default())), waiting: AtomicUsize::new(0) }
    }

    pub(super) fn watch(self: &Arc<Self>, token: &TokenIdentity) -> RevocationSignal {
        let waiter = Arc::new(Waiter { token: token.clone(), raised: AtomicBool::new(false), waker: Mutex::new(None) });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let number = {
            let mut shard = self.shard_of(&waiter);
            let number = shard.next_number;
            shard.next_number += 1;
            for key in waiter.keys() {
                shard.waiters.insert((key, number), Arc::clone(&waiter));
            }
            number
        };
        // Pairs with the one in `raise`: either that sees this waiter, or this waiter's next check sees the revocation.
        fence(Ordering::SeqCst);
        RevocationSignal { registry: Arc::clone(self), waiter, number }
    }

    /// Tells all who wait for the key. To be called once a check finds the revocation, and without a lock.
    pub(super) fn raise(&self, key: RevocationKey) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        for shard in &self.shards {
            let holders = shard.lock().unwrap_or_else(PoisonError::into_inner).holders(key);
            // Without the lock: whoever is woken may drop a signal at once.
            for waiter in holders {
                waiter.raise();
            }
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn remove(&self, signal: &RevocationSignal) {
        let mut shard = self.shard_of(&signal.waiter);
        for key in signal.waiter.keys() {
            shard.waiters.remove(&(key, signal.number));
        }
        drop(shard);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn shard_of(&self, waiter: &Waiter) -> MutexGuard<'_, Shard> {
        let own = waiter.token.own_key().as_bytes()[KEY_BYTE];
        self.shards[usize::from(own) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn holders(&self, key: RevocationKey) -> Vec<Arc<Waiter>> {
        if key == RevocationKey::everything() {
            return self.waiters.values().cloned().collect();
        }
        self.waiters.range((key, 0)..=(key, u64::MAX)).map(|(_, waiter)| Arc::clone(waiter)).collect()
    }
}

impl Waiter {
    /// All but that of everything, which every token carries.
    fn keys(&self) -> impl Iterator<Item = RevocationKey> {
        self.token.keys().iter().copied().filter(|key| *key != RevocationKey::everything())
    }

    fn raise(&self) {
        if self.raised.swap(true, Ordering::AcqRel) {
            return;
        }
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lower(&self) -> bool {
        self.raised.load(Ordering::Relaxed) && self.raised.swap(false, Ordering::AcqRel)
    }

    fn wait_with(&self, waker: &Waker) {
        let mut kept = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(kept) if kept.will_wake(waker) => {}
            _ => *kept = Some(waker.clone()),
        }
    }
}

const SHARDS: usize = 16;
impl AsRef<TokenIdentity> for Waiter {
    fn as_ref(&self) -> &TokenIdentity {
        &self.token
    }
}

/// Any byte of a key's hash: the first byte is its kind.
const KEY_BYTE: usize = 15;
