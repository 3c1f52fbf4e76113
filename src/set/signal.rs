//! [`RevocationSignal`]: tells whoever holds a token open that one of its keys was revoked.

use std::{
    array,
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fmt,
    future::poll_fn,
    slice,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
};

use crate::{
    revocation::{RevocationKey, TokenIdentity},
    set::{
        alarm::Alarm,
        sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, RandomState, fence},
    },
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
        if self.waiter.alarm.lower_or_wake(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The token it was made for, without another copy.
    pub(crate) fn identified(&self) -> Arc<dyn AsRef<TokenIdentity> + Send + Sync> {
        Arc::clone(&self.waiter) as _
    }

    /// Whether it was a revocation that raised it, since this was last asked, and not [`signal_all`](crate::RevocationSet::signal_all).
    pub(crate) fn take_revoked(&mut self) -> bool {
        self.waiter.revoked.swap(false, Ordering::AcqRel)
    }
}

impl Drop for RevocationSignal {
    fn drop(&mut self) {
        self.registry.remove(self);
    }
}

impl fmt::Debug for RevocationSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSignal").field("raised", &self.waiter.alarm.is_raised()).finish_non_exhaustive()
    }
}

/// Who waits for which key.
///
/// A key that stands for one token has its place in the shard that the key chooses, and its revocation looks there. The other keys, of which few stand for
/// many tokens, are spread over all shards by the own keys of those tokens, so that threads that open streams do not meet; a revocation looks
/// into each shard, which costs the same however many wait.
pub(super) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
    /// How many wait: most often none.
    waiting: AtomicUsize,
    next_number: AtomicU64,
}

type Shard = HashMap<RevocationKey, Holders, RandomState>;

/// Who waits for one key, by their numbers: one, as for most keys, or some.
enum Holders {
    One(u64, Arc<Waiter>),
    #[expect(clippy::box_collection, reason = "few keys have many, and the map of keys stays half as large")]
    Some(Box<BTreeMap<u64, Arc<Waiter>>>),
}

struct Waiter {
    token: TokenIdentity,
    revoked: AtomicBool,
    alarm: Alarm,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            shards: array::from_fn(|_| Mutex::new(Shard::default())),
            waiting: AtomicUsize::new(0),
            next_number: AtomicU64::new(0),
        }
    }

    pub(super) fn watch(self: &Arc<Self>, token: &TokenIdentity) -> RevocationSignal {
        let waiter = Waiter { token: token.clone(), revoked: AtomicBool::new(false), alarm: Alarm::default() };
        let waiter = Arc::new(waiter);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        for key in waiter.keys() {
            insert(&mut self.shard(key, &waiter), key, number, Arc::clone(&waiter));
        }
        // Pairs with the one in `raise`: either that sees this waiter, or this waiter's next check sees the revocation.
        fence(Ordering::SeqCst);
        RevocationSignal { registry: Arc::clone(self), waiter, number }
    }

    /// Tells all who wait for the key. To be called once a check finds the revocation, and without a lock.
    pub(super) fn revoked(&self, key: RevocationKey) {
        self.raise(key, |waiter| {
            waiter.revoked.store(true, Ordering::Release);
            waiter.alarm.raise();
        });
    }

    /// Tells all.
    pub(super) fn all(&self) {
        self.raise(RevocationKey::everything(), |waiter| waiter.alarm.raise());
    }

    fn raise(&self, key: RevocationKey, raise: impl Fn(&Waiter)) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        let shards = if key.kind().is_of_one_token() { slice::from_ref(self.shard_of(key)) } else { &self.shards };
        for shard in shards {
            let holders = holders(key, &lock(shard));
            // Without the lock: whoever is woken may drop a signal at once.
            for waiter in holders {
                raise(&waiter);
            }
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn remove(&self, signal: &RevocationSignal) {
        for key in signal.waiter.keys() {
            remove(&mut self.shard(key, &signal.waiter), key, signal.number);
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn shard(&self, key: RevocationKey, waiter: &Waiter) -> MutexGuard<'_, Shard> {
        lock(self.shard_of(if key.kind().is_of_one_token() { key } else { waiter.token.own_key() }))
    }

    fn shard_of(&self, key: RevocationKey) -> &Mutex<Shard> {
        &self.shards[usize::from(key.as_bytes()[KEY_BYTE]) % SHARDS]
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn insert(shard: &mut Shard, key: RevocationKey, number: u64, waiter: Arc<Waiter>) {
    match shard.entry(key) {
        Entry::Vacant(place) => drop(place.insert(Holders::One(number, waiter))),
        Entry::Occupied(mut holders) => holders.get_mut().add(number, waiter),
    }
}

fn remove(shard: &mut Shard, key: RevocationKey, number: u64) {
    if let Entry::Occupied(mut holders) = shard.entry(key)
        && holders.get_mut().is_empty_without(number)
    {
        holders.remove();
    }
    // What many have left is given back.
    if shard.len() < shard.capacity() / 8 {
        shard.shrink_to(shard.len() * 2);
    }
}

fn holders(key: RevocationKey, shard: &Shard) -> Vec<Arc<Waiter>> {
    if key == RevocationKey::everything() {
        let own = shard.iter().flat_map(|(key, holders)| holders.iter().map(move |waiter| (key, waiter)));
        return own.filter(|(key, waiter)| **key == waiter.token.own_key()).map(|(_, waiter)| waiter.clone()).collect();
    }
    shard.get(&key).into_iter().flat_map(Holders::iter).cloned().collect()
}

impl Holders {
    fn add(&mut self, number: u64, waiter: Arc<Waiter>) {
        match self {
            Self::One(first, holder) => {
                let both = BTreeMap::from([(*first, Arc::clone(holder)), (number, waiter)]);
                *self = Self::Some(Box::new(both));
            }
            Self::Some(holders) => drop(holders.insert(number, waiter)),
        }
    }

    /// Removes one, and tells whether none is left.
    fn is_empty_without(&mut self, number: u64) -> bool {
        match self {
            Self::One(..) => true,
            Self::Some(holders) => {
                holders.remove(&number);
                holders.is_empty()
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        let (one, some) = match self {
            Self::One(_, holder) => (Some(holder), None),
            Self::Some(holders) => (None, Some(holders.values())),
        };
        one.into_iter().chain(some.into_iter().flatten())
    }
}

impl Waiter {
    /// All but that of everything, which every token carries.
    fn keys(&self) -> impl Iterator<Item = RevocationKey> {
        self.token.keys().iter().copied().filter(|key| *key != RevocationKey::everything())
    }
}

impl AsRef<TokenIdentity> for Waiter {
    fn as_ref(&self) -> &TokenIdentity {
        &self.token
    }
}

const SHARDS: usize = 64;
/// Any byte of a key's hash: the first byte is its kind.
const KEY_BYTE: usize = 15;
