//! [`Registry`]: the signals of each key.

use std::{
    array,
    collections::{BTreeMap, HashMap, hash_map::Entry},
    slice,
    sync::{Arc, PoisonError},
};

use crate::{
    revocation::{RevocationKey, TokenIdentity},
    set::{
        alarm::Alarm,
        sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, RandomState, fence},
    },
};

/// The watchers of each key. Every signal has one watcher.
///
/// Watchers of a key of a single token are in the shard that the key selects, and a revocation of
/// the key searches that shard. Other keys are few, but each is carried by many tokens: their
/// watchers are in the shards that the tokens' own keys select, so that threads that open streams
/// seldom contend. A revocation of such a key searches every shard, at a cost that does not depend
/// on the number of all watchers.
pub(super) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
    /// The number of watchers, most often zero.
    len: AtomicUsize,
    next_number: AtomicU64,
}

type Shard = HashMap<RevocationKey, Watchers, RandomState>;

/// The watchers of one key, by number. Most keys have one.
enum Watchers {
    One(u64, Arc<Watcher>),
    #[expect(clippy::box_collection, reason = "few keys have many, and the map of keys stays half as large")]
    Many(Box<BTreeMap<u64, Arc<Watcher>>>),
}

/// A token whose keys are watched.
pub(super) struct Watcher {
    token: TokenIdentity,
    /// Whether a revocation has raised the alarm.
    pub(super) revoked: AtomicBool,
    pub(super) alarm: Alarm,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            shards: array::from_fn(|_| Mutex::new(Shard::default())),
            len: AtomicUsize::new(0),
            next_number: AtomicU64::new(0),
        }
    }

    /// Adds a watcher, and returns its number. It may be in other registries as well.
    pub(super) fn add(&self, watcher: &Arc<Watcher>) -> u64 {
        self.len.fetch_add(1, Ordering::Relaxed);
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        for key in watcher.keys() {
            insert(&mut self.shard(key, watcher), key, number, Arc::clone(watcher));
        }
        // Pairs with the fence in `notify`: either `notify` sees this watcher, or the next check of
        // the token sees the revocation.
        fence(Ordering::SeqCst);
        number
    }

    /// Raises the signals of the key. Must be called after checks find the revocation, and without
    /// holding a lock.
    pub(super) fn notify_revoked(&self, key: RevocationKey) {
        self.notify(key, |watcher| {
            watcher.revoked.store(true, Ordering::Release);
            watcher.alarm.raise();
        });
    }

    /// Raises all signals.
    pub(super) fn notify_all(&self) {
        self.notify(RevocationKey::everything(), |watcher| watcher.alarm.raise());
    }

    fn notify(&self, key: RevocationKey, raise: impl Fn(&Watcher)) {
        fence(Ordering::SeqCst);
        if self.len.load(Ordering::Relaxed) == 0 {
            return;
        }
        let shards = if key.kind().is_of_one_token() { slice::from_ref(self.shard_of(key)) } else { &self.shards };
        for shard in shards {
            let watchers = watchers(key, &lock(shard));
            // Raised without the lock, because the woken task may drop a signal, which takes the
            // lock.
            for watcher in watchers {
                raise(&watcher);
            }
        }
    }

    /// The number of watchers.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(super) fn remove(&self, watcher: &Watcher, number: u64) {
        for key in watcher.keys() {
            remove(&mut self.shard(key, watcher), key, number);
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
    }

    fn shard(&self, key: RevocationKey, watcher: &Watcher) -> MutexGuard<'_, Shard> {
        lock(self.shard_of(if key.kind().is_of_one_token() { key } else { watcher.token.own_key() }))
    }

    fn shard_of(&self, key: RevocationKey) -> &Mutex<Shard> {
        &self.shards[usize::from(key.as_bytes()[KEY_BYTE]) % SHARDS]
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn insert(shard: &mut Shard, key: RevocationKey, number: u64, watcher: Arc<Watcher>) {
    match shard.entry(key) {
        Entry::Vacant(entry) => drop(entry.insert(Watchers::One(number, watcher))),
        Entry::Occupied(mut watchers) => watchers.get_mut().add(number, watcher),
    }
}

fn remove(shard: &mut Shard, key: RevocationKey, number: u64) {
    if let Entry::Occupied(mut watchers) = shard.entry(key)
        && watchers.get_mut().is_empty_without(number)
    {
        watchers.remove();
    }
    // Memory of a shard that has become much smaller is released.
    if shard.len() < shard.capacity() / 8 {
        shard.shrink_to(shard.len() * 2);
    }
}

fn watchers(key: RevocationKey, shard: &Shard) -> Vec<Arc<Watcher>> {
    if key == RevocationKey::everything() {
        let own = shard.iter().flat_map(|(key, watchers)| watchers.iter().map(move |watcher| (key, watcher)));
        return own
            .filter(|(key, watcher)| **key == watcher.token.own_key())
            .map(|(_, watcher)| watcher.clone())
            .collect();
    }
    shard.get(&key).into_iter().flat_map(Watchers::iter).cloned().collect()
}

impl Watchers {
    fn add(&mut self, number: u64, watcher: Arc<Watcher>) {
        match self {
            Self::One(first_number, first) => {
                let both = BTreeMap::from([(*first_number, Arc::clone(first)), (number, watcher)]);
                *self = Self::Many(Box::new(both));
            }
            Self::Many(watchers) => drop(watchers.insert(number, watcher)),
        }
    }

    /// Removes a watcher, and returns whether none is left.
    fn is_empty_without(&mut self, number: u64) -> bool {
        match self {
            Self::One(..) => true,
            Self::Many(watchers) => {
                watchers.remove(&number);
                watchers.is_empty()
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Watcher>> {
        let (one, many) = match self {
            Self::One(_, watcher) => (Some(watcher), None),
            Self::Many(watchers) => (None, Some(watchers.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

impl Watcher {
    pub(super) fn of(token: &TokenIdentity) -> Arc<Self> {
        Arc::new(Self { token: token.clone(), revoked: AtomicBool::new(false), alarm: Alarm::default() })
    }

    /// All keys of the token except that of everything, which every token carries.
    fn keys(&self) -> impl Iterator<Item = RevocationKey> {
        self.token.keys().iter().copied().filter(|key| *key != RevocationKey::everything())
    }
}

impl AsRef<TokenIdentity> for Watcher {
    fn as_ref(&self) -> &TokenIdentity {
        &self.token
    }
}

const SHARDS: usize = 64;
/// The byte of a key that selects the shard. Any but the first, which is the kind.
const KEY_BYTE: usize = 15;
