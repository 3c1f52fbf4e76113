use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    set::RevocationSet,
};

/// What a replica knows, and what of it the log may lack.
pub(super) struct Knowledge {
    set: RevocationSet,
    owed: Mutex<Owed>,
    lost: Notify,
}

/// What was acknowledged, and the log does not show or may have shown to this node only.
#[derive(Default)]
struct Owed {
    /// What this node has told the log, and not yet read back. Since when it is acknowledged, if it is.
    unconfirmed: HashMap<RevocationKey, (Revocation, Option<Instant>)>,
    /// What was acknowledged to this node as new, of late. It may have read back what others have not.
    recent: VecDeque<(Revocation, Instant)>,
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

impl Owed {
    fn forget_what_is_not_recent(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|(_, at)| now.saturating_duration_since(*at) > RECENT) {
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
            let before = owed.unconfirmed.get(&key).map_or(*revocation, |(before, _)| *before);
            let revocation = before.join(revocation).unwrap_or(*revocation);
            owed.unconfirmed.insert(key, (revocation, Some(at)));
        }
        if outcome == Outcome::Newly {
            owed.recent.push_back((*revocation, at));
        }
        owed.forget_what_is_not_recent(at);
        let learned = learn(&self.set, revocation);
        drop(owed);
        self.set.tell(revocation, learned);
    }

    /// The log holds these.
    pub(super) fn seen(&self, revocations: &[Revocation]) {
        let mut owed = self.owed();
        let mut learned = Vec::with_capacity(revocations.len());
        for revocation in revocations {
            learned.push(learn(&self.set, revocation));
            let key = revocation.key();
            if owed.unconfirmed.get(&key).is_some_and(|(known, _)| covers(revocation, known)) {
                owed.unconfirmed.remove(&key);
            }
            settle(&mut owed.lost, revocation);
        }
        drop(owed);
        for (revocation, learned) in revocations.iter().zip(learned) {
            self.set.tell(revocation, learned);
        }
    }

    /// The log may have forgotten what was to be retained until then.
    pub(super) fn fence(&self, purged_through: Timestamp, now: Timestamp) {
        let risen = purged_through > self.set.purged_through();
        self.set.raise_purged_through(purged_through);
        // By a clock ahead of this one: what is refused from now on may be open.
        if risen && purged_through > now {
            self.set.signal_all();
        }
    }

    /// Everything acknowledged before `through` has been seen. What this node was told then and has not seen, the log has lost.
    pub(super) fn complete_through(&self, through: Instant) {
        let mut owed = self.owed();
        let Owed { unconfirmed, lost, .. } = &mut *owed;
        unconfirmed.retain(|_, (revocation, at)| {
            let missing = at.is_some_and(|at| at < through);
            if missing {
                owe(lost, Witnesses::ThisNode, *revocation);
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
        let told = unconfirmed.drain().map(|(_, (revocation, _))| revocation);
        for revocation in told.chain(recent.drain(..).map(|(revocation, _)| revocation)) {
            owe(lost, Witnesses::ThisNode, revocation);
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

    /// Takes the next of what the log lacks and should still remember, in the order of keys, beginning after one. The outcome of
    /// telling is to be [reported](Self::told).
    ///
    /// Nodes that begin at different keys share the work.
    pub(super) fn next_lost(
        &self,
        known_to: Witnesses,
        after: RevocationKey,
        now: Timestamp,
    ) -> Option<(Witnesses, Revocation)> {
        let mut owed = self.owed();
        loop {
            let next = owed.lost.range((Bound::Excluded((known_to, after)), Bound::Unbounded)).next();
            let place = *next.or_else(|| owed.lost.first_key_value()).filter(|(place, _)| place.0 <= known_to)?.0;
            let revocation = owed.lost.remove(&place)?;
            // What the log has forgotten as expired, it refuses to take.
            if revocation.retain_until() > now.max(self.set.purged_through()) {
                // From now on it is settled by being seen.
                let told = owed.unconfirmed.entry(place.1).or_insert((revocation, None));
                told.0 = told.0.join(&revocation).unwrap_or(revocation);
                return Some((place.0, told.0));
            }
        }
    }

    /// The log has taken what it had lost, or knew it, or has failed to.
    pub(super) fn told(&self, (witnesses, revocation): (Witnesses, Revocation), outcome: Option<Outcome>, at: Instant) {
        let mut owed = self.owed();
        let Some((_, since)) = owed.unconfirmed.get_mut(&revocation.key()) else {
            return; // it was seen meanwhile
        };
        if let Some(outcome) = outcome {
            *since = Some(at);
            if outcome == Outcome::Newly {
                owed.recent.push_back((revocation, at));
            }
        } else if let Some((revocation, _)) = owed.unconfirmed.remove(&revocation.key()) {
            owe(&mut owed.lost, witnesses, revocation);
        }
    }

    pub(super) fn how_many_lost(&self) -> usize {
        self.owed().lost.len()
    }

    /// Whether the log has acknowledged, at one time or another, all that it had lost.
    pub(super) fn nothing_is_owed(&self) -> bool {
        let owed = self.owed();
        owed.lost.is_empty() && owed.unconfirmed.values().all(|(_, acknowledged)| acknowledged.is_some())
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

/// Joins into a set without a bound. Who watches is to be told, without a lock.
pub(super) fn learn(set: &RevocationSet, revocation: &Revocation) -> Outcome {
    set.join_untold(revocation).expect("a set without a bound has room")
}

/// The log holds `by`: what is owed is owed no more, if it says no more than that.
fn settle(lost: &mut Lost, by: &Revocation) {
    for witnesses in [Witnesses::ThisNode, Witnesses::AllNodes] {
        let place = (witnesses, by.key());
        if lost.get(&place).is_some_and(|owed| covers(by, owed)) {
            lost.remove(&place);
        }
    }
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
