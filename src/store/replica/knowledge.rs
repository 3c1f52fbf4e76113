use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey, RevocationSet},
};

/// What a replica knows, and what of it the log may lack.
pub(super) struct Knowledge {
    set: RevocationSet,
    owed: Mutex<Owed>,
    lost: Notify,
}

/// What this node was told is stored, and has not seen in the log.
#[derive(Default)]
struct Owed {
    /// Acknowledged to this node, and not yet read back.
    unconfirmed: HashMap<RevocationKey, Acknowledged>,
    /// Acknowledged to whomever, and then not found in the log: to be told to it again.
    lost: BTreeMap<(Witnesses, RevocationKey), Revocation>,
}

/// Who knows of a revocation that the log has lost.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Witnesses {
    /// This node only, as far as it knows: nobody may have read it.
    ThisNode,
    /// All nodes that follow the log.
    AllNodes,
}

struct Acknowledged {
    revocation: Revocation,
    at: Instant,
}

impl Knowledge {
    pub(super) fn new() -> Self {
        Self { set: RevocationSet::new(), owed: Mutex::default(), lost: Notify::new() }
    }

    pub(super) fn set(&self) -> &RevocationSet {
        &self.set
    }

    /// The log has acknowledged a revocation of this node's.
    pub(super) fn acknowledged(&self, revocation: &Revocation, at: Instant) {
        // Under the lock, so that what `seen` has told before is known here, and what it tells later finds it unconfirmed.
        let mut owed = self.owed();
        let key = revocation.key();
        if owed.unconfirmed.contains_key(&key) || !self.set.knows(revocation) {
            let before = owed.unconfirmed.get(&key).map_or(*revocation, |before| before.revocation);
            let revocation = before.join(revocation).unwrap_or(*revocation);
            owed.unconfirmed.insert(key, Acknowledged { revocation, at });
        }
        self.learn(revocation);
    }

    /// The log holds these.
    pub(super) fn seen(&self, revocations: &[Revocation]) {
        let mut owed = self.owed();
        for revocation in revocations {
            self.learn(revocation);
            let covers = |known: &Revocation| known.join(revocation) == Some(*revocation);
            let key = revocation.key();
            if owed.unconfirmed.get(&key).is_some_and(|known| covers(&known.revocation)) {
                owed.unconfirmed.remove(&key);
            }
            for witnesses in [Witnesses::ThisNode, Witnesses::AllNodes] {
                if owed.lost.get(&(witnesses, key)).is_some_and(covers) {
                    owed.lost.remove(&(witnesses, key));
                }
            }
        }
    }

    /// Everything acknowledged before `through` has been seen. What this node was told then and has not seen, the log has lost.
    pub(super) fn complete_through(&self, through: Instant) {
        let mut owed = self.owed();
        let Owed { unconfirmed, lost } = &mut *owed;
        unconfirmed.retain(|_, known| {
            let missing = known.at < through;
            if missing {
                owe(lost, Witnesses::ThisNode, known.revocation);
            }
            !missing
        });
        self.notify(&owed);
    }

    /// The log may be another one now, that has none of what this node was told and has not seen.
    pub(super) fn nothing_is_confirmed(&self) {
        let mut owed = self.owed();
        let Owed { unconfirmed, lost } = &mut *owed;
        for (_, known) in unconfirmed.drain() {
            owe(lost, Witnesses::ThisNode, known.revocation);
        }
        self.notify(&owed);
    }

    /// `present` is everything that the log holds. The rest of what is known here, it has lost.
    pub(super) fn compare_with(&self, present: &RevocationSet) {
        let mut missing = Vec::new();
        self.set.for_each(|known| {
            if !present.knows(&known) {
                missing.push(known);
            }
        });
        let mut owed = self.owed();
        for revocation in missing {
            owe(&mut owed.lost, Witnesses::AllNodes, revocation);
        }
        self.notify(&owed);
    }

    /// Resolves once the log is known to have lost something.
    pub(super) async fn something_lost(&self) {
        self.lost.notified().await;
    }

    /// The next of what the log lacks and should still remember, what nobody else may know first.
    pub(super) fn next_lost(&self, known_to: Witnesses, now: Timestamp) -> Option<Revocation> {
        let mut owed = self.owed();
        while let Some(lost) = owed.lost.first_entry() {
            if lost.key().0 > known_to {
                return None;
            }
            if lost.get().retain_until() > now {
                return Some(*lost.get());
            }
            lost.remove();
        }
        None
    }

    /// The log has taken again what it had lost.
    pub(super) fn reasserted(&self, revocation: &Revocation, outcome: Outcome, at: Instant) {
        let mut owed = self.owed();
        let key = revocation.key();
        let unseen = [Witnesses::ThisNode, Witnesses::AllNodes].map(|witnesses| owed.lost.remove(&(witnesses, key)));
        // Only what is new to the log appears in it again.
        if unseen.iter().any(Option::is_some) && outcome == Outcome::Newly {
            owed.unconfirmed.insert(key, Acknowledged { revocation: *revocation, at });
        }
    }

    pub(super) fn how_many_lost(&self) -> usize {
        self.owed().lost.len()
    }

    fn learn(&self, revocation: &Revocation) {
        learn(&self.set, revocation);
    }

    fn notify(&self, owed: &Owed) {
        if !owed.lost.is_empty() {
            self.lost.notify_one();
        }
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joins into a set without a bound.
pub(super) fn learn(set: &RevocationSet, revocation: &Revocation) {
    set.join(revocation).expect("a set without a bound has room");
}

fn owe(lost: &mut BTreeMap<(Witnesses, RevocationKey), Revocation>, witnesses: Witnesses, revocation: Revocation) {
    let owed = lost.entry((witnesses, revocation.key())).or_insert(revocation);
    *owed = owed.join(&revocation).unwrap_or(revocation);
}
