use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
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
    /// Acknowledged to this node as new, of late. It may have read back what others have not.
    recent: VecDeque<Acknowledged>,
    /// Acknowledged to whomever, and then not found in the log: to be told to it again.
    lost: Lost,
}

type Lost = BTreeMap<(Witnesses, RevocationKey), Revocation>;

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

impl Owed {
    fn forget_what_is_not_recent(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|oldest| now.saturating_duration_since(oldest.at) > RECENT) {
            self.recent.pop_front();
        }
    }
}

impl Knowledge {
    pub(super) fn new() -> Self {
        Self { set: RevocationSet::new(), owed: Mutex::default(), lost: Notify::new() }
    }

    pub(super) fn set(&self) -> &RevocationSet {
        &self.set
    }

    /// The log has acknowledged a revocation of this node's.
    pub(super) fn acknowledged(&self, revocation: &Revocation, outcome: Outcome, at: Instant) {
        // Under the lock, so that what `seen` has told before is known here, and what it tells later finds it unconfirmed.
        let mut owed = self.owed();
        let key = revocation.key();
        if owed.unconfirmed.contains_key(&key) || !self.set.knows(revocation) {
            let before = owed.unconfirmed.get(&key).map_or(*revocation, |before| before.revocation);
            let revocation = before.join(revocation).unwrap_or(*revocation);
            owed.unconfirmed.insert(key, Acknowledged { revocation, at });
        }
        if outcome == Outcome::Newly {
            owed.recent.push_back(Acknowledged { revocation: *revocation, at });
        }
        owed.forget_what_is_not_recent(at);
        self.learn(revocation);
    }

    /// The log holds these.
    pub(super) fn seen(&self, revocations: &[Revocation]) {
        let mut owed = self.owed();
        for revocation in revocations {
            self.learn(revocation);
            let key = revocation.key();
            if owed.unconfirmed.get(&key).is_some_and(|known| covers(revocation, &known.revocation)) {
                owed.unconfirmed.remove(&key);
            }
            settle(&mut owed.lost, revocation);
        }
    }

    /// Everything acknowledged before `through` has been seen. What this node was told then and has not seen, the log has lost.
    pub(super) fn complete_through(&self, through: Instant) {
        let mut owed = self.owed();
        let Owed { unconfirmed, lost, .. } = &mut *owed;
        unconfirmed.retain(|_, known| {
            let missing = known.at < through;
            if missing {
                owe(lost, Witnesses::ThisNode, known.revocation);
            }
            !missing
        });
        owed.forget_what_is_not_recent(through);
        self.notify(&owed);
    }

    /// The log may be another one now, that lacks what this node was told of late, and nobody else may have read it.
    pub(super) fn nothing_is_confirmed(&self) {
        let mut owed = self.owed();
        let Owed { unconfirmed, recent, lost } = &mut *owed;
        for known in unconfirmed.drain().map(|(_, known)| known).chain(recent.drain(..)) {
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
        // If it was settled before, the log has shown it already. And only what is new to the log appears in it again.
        if settle(&mut owed.lost, revocation) && outcome == Outcome::Newly {
            owed.unconfirmed.insert(revocation.key(), Acknowledged { revocation: *revocation, at });
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

/// Nodes that have not read what another was told for longer than this are too stale to answer.
const RECENT: Duration = Duration::from_secs(30);

/// Joins into a set without a bound.
pub(super) fn learn(set: &RevocationSet, revocation: &Revocation) {
    set.join(revocation).expect("a set without a bound has room");
}

/// The log holds `by`: what is owed is owed no more, if it says no more than that.
fn settle(lost: &mut Lost, by: &Revocation) -> bool {
    [Witnesses::ThisNode, Witnesses::AllNodes].into_iter().any(|witnesses| {
        let place = (witnesses, by.key());
        let is_settled = lost.get(&place).is_some_and(|owed| covers(by, owed));
        is_settled && lost.remove(&place).is_some()
    })
}

/// Whether `one` says all that `other` says.
fn covers(one: &Revocation, other: &Revocation) -> bool {
    one.join(other) == Some(*one)
}

/// Each key is owed once, and the sooner the fewer know of it.
fn owe(lost: &mut Lost, witnesses: Witnesses, revocation: Revocation) {
    let key = revocation.key();
    let (mut fewest, mut owed) = (witnesses, revocation);
    for known_to in [Witnesses::ThisNode, Witnesses::AllNodes] {
        if let Some(before) = lost.remove(&(known_to, key)) {
            fewest = fewest.min(known_to);
            owed = owed.join(&before).unwrap_or(owed);
        }
    }
    lost.insert((fewest, key), owed);
}
