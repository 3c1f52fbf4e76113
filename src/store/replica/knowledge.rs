//! [`Knowledge`]: the revocations that a replica knows, and those of them that the log may lack.

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

pub(super) struct Knowledge {
    set: RevocationSet,
    at_risk: Mutex<AtRisk>,
    loss_found: Notify,
}

/// Acknowledged revocations that the log may lack, or that only this node may know.
#[derive(Default)]
struct AtRisk {
    /// Revocations that this node has written and not read back yet.
    unconfirmed: HashMap<RevocationKey, Unconfirmed>,
    /// Revocations that were recently acknowledged to this node. Other nodes may not have read them
    /// yet, even if this node has. The node that has written one first may be gone.
    recent: VecDeque<Recent>,
    /// Revocations that were acknowledged or read before the log has lost its end. Those that are
    /// not read again are lost.
    doubted: HashMap<RevocationKey, Lost>,
    /// Revocations that were acknowledged and then not found in the log. They are re-sent.
    lost: BTreeMap<(KnownTo, RevocationKey), Revocation>,
    /// How many of them were read back since they were last counted, although this node has not
    /// re-sent them.
    resent_by_others: usize,
}

struct Unconfirmed {
    revocation: Revocation,
    /// `None` while the revocation is being re-sent and was not acknowledged yet.
    acknowledged_at: Option<Instant>,
}

struct Recent {
    revocation: Revocation,
    outcome: Outcome,
    sent_at: Instant,
    acknowledged_at: Instant,
}

/// A revocation that the log has lost.
#[derive(Clone, Copy)]
pub(super) struct Lost {
    pub(super) revocation: Revocation,
    pub(super) known_to: KnownTo,
}

/// Which nodes know a revocation that the log has lost.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum KnownTo {
    /// At least this node; no other may have read it.
    ThisNode,
    /// All nodes that follow the log.
    AllNodes,
}

impl Knowledge {
    pub(super) fn new() -> Self {
        Self { set: RevocationSet::new(), at_risk: Mutex::default(), loss_found: Notify::new() }
    }

    pub(super) fn set(&self) -> &RevocationSet {
        &self.set
    }

    /// Records that the log has acknowledged a revocation by this node.
    pub(super) fn acknowledged(&self, revocation: &Revocation, outcome: Outcome, sent_at: Instant) {
        let at = Instant::now();
        // The lock orders this call and `confirm`: an earlier `confirm` has added the revocation to
        // the set, and a later one finds it unconfirmed.
        let mut at_risk = self.at_risk();
        let key = revocation.key();
        if at_risk.unconfirmed.contains_key(&key) || !self.set.knows(revocation) {
            let before = at_risk.unconfirmed.get(&key).map_or(*revocation, |before| before.revocation);
            let revocation = joined(&before, revocation);
            at_risk.unconfirmed.insert(key, Unconfirmed { revocation, acknowledged_at: Some(at) });
        }
        at_risk.recent.push_back(Recent { revocation: *revocation, outcome, sent_at, acknowledged_at: at });
        at_risk.forget_recent_before(at);
        join_silently(&self.set, revocation);
        drop(at_risk);
        // Also if the follower has joined it first, because it may not have raised the signals yet.
        self.set.notify(revocation, Outcome::Newly);
    }

    /// Records that the log contains these revocations.
    pub(super) fn confirm(&self, revocations: &[Revocation]) {
        let mut at_risk = self.at_risk();
        let mut outcomes = Vec::with_capacity(revocations.len());
        for revocation in revocations {
            outcomes.push(join_silently(&self.set, revocation));
            at_risk.confirm(revocation);
        }
        drop(at_risk);
        for (revocation, outcome) in revocations.iter().zip(outcomes) {
            self.set.notify(revocation, outcome);
        }
    }

    /// Records that the log may have removed entries with a `retain_until` at or before
    /// `watermark`.
    pub(super) fn raise_purge_watermark(&self, watermark: Timestamp, now: Timestamp) {
        let has_risen = watermark > self.set.purged_through();
        self.set.raise_purged_through(watermark);
        // The log was purged by a clock ahead of this one: tokens that are rejected from now on may
        // have live streams.
        if has_risen && watermark > now {
            self.set.signal_all();
        }
    }

    /// Records that all revocations acknowledged before `instant` have been read. Those that this
    /// node has written before and not read back are lost.
    pub(super) fn mark_complete_through(&self, instant: Instant) {
        let mut at_risk = self.at_risk();
        let is_lost = |entry: &Unconfirmed| entry.acknowledged_at.is_some_and(|at| at < instant);
        let lost: Vec<_> = at_risk.unconfirmed.extract_if(|_, entry| is_lost(entry)).collect();
        for (_, entry) in lost {
            at_risk.add_lost(Lost { revocation: entry.revocation, known_to: KnownTo::ThisNode });
        }
        at_risk.forget_recent_before(instant);
        at_risk.settle_doubts();
        self.notify(&at_risk);
    }

    /// Records that the log may lack what this node has written and not read back, and what was
    /// `read` since the cursor from which it is read again. The next complete answer determines
    /// which of that is lost.
    pub(super) fn doubt(&self, read: Vec<Revocation>) {
        let mut at_risk = self.at_risk();
        let written: Vec<_> = at_risk.unconfirmed.drain().map(|(_, entry)| entry.revocation).collect();
        for revocation in read {
            at_risk.add_doubt(Lost { revocation, known_to: KnownTo::AllNodes });
        }
        // No other node may have read them, even if this node has.
        let AtRisk { doubted, recent, .. } = &mut *at_risk;
        for Recent { revocation, .. } in recent {
            if let Some(doubted) = doubted.get_mut(&revocation.key()) {
                doubted.known_to = KnownTo::ThisNode;
            }
        }
        for revocation in written {
            at_risk.add_doubt(Lost { revocation, known_to: KnownTo::ThisNode });
        }
    }

    /// Records that the log may have been replaced by one that lacks recent revocations of this
    /// node, which no other node may have read.
    pub(super) fn distrust_log(&self) {
        let mut at_risk = self.at_risk();
        let AtRisk { unconfirmed, recent, doubted, .. } = &mut *at_risk;
        let unconfirmed = unconfirmed.drain().map(|(_, entry)| entry.revocation);
        // They stay recent: the log may lose them again before another node has read them.
        let recent = recent.iter().map(|recent| recent.revocation);
        let doubted = doubted.extract_if(|_, doubted| doubted.known_to == KnownTo::ThisNode);
        let written: Vec<_> = unconfirmed.chain(recent).chain(doubted.map(|(_, lost)| lost.revocation)).collect();
        for revocation in written {
            at_risk.add_lost(Lost { revocation, known_to: KnownTo::ThisNode });
        }
        self.notify(&at_risk);
    }

    /// Records that a snapshot was read whose cursor is older than `cursor_taken`. A log that goes on
    /// from this cursor may lack what this node has written later, even if the snapshot had it.
    pub(super) fn doubt_written_since(&self, cursor_taken: Instant) {
        let mut at_risk = self.at_risk();
        let is_later = |recent: &&Recent| recent.sent_at >= cursor_taken && recent.outcome == Outcome::Newly;
        let written: Vec<_> = at_risk.recent.iter().filter(is_later).map(|recent| recent.revocation).collect();
        for revocation in written {
            at_risk.add_doubt(Lost { revocation, known_to: KnownTo::ThisNode });
        }
    }

    /// Records that the log does not say soon which of the doubted revocations are lost. Those that
    /// no other node may have read are re-sent in any case.
    pub(super) fn stop_doubting(&self) {
        let mut at_risk = self.at_risk();
        if !at_risk.doubted.is_empty() {
            let is_at_risk = |lost: &Lost| lost.known_to == KnownTo::ThisNode;
            let written: Vec<_> = at_risk.doubted.extract_if(|_, doubted| is_at_risk(doubted)).collect();
            for (_, lost) in written {
                at_risk.add_lost(lost);
            }
            self.notify(&at_risk);
        }
    }

    /// Finds the revocations that the log has lost and that are live at `now`. `present` contains
    /// all that it holds.
    pub(super) fn compare_with(&self, present: &RevocationSet, now: Timestamp) {
        let expired_at = now.max(self.set.purged_through());
        let mut missing = Vec::new();
        self.set.for_each(|known| {
            if known.retain_until() > expired_at && !present.knows(&known) {
                missing.push(known);
            }
        });
        let mut at_risk = self.at_risk();
        at_risk.doubted.clear();
        for revocation in missing {
            at_risk.add_lost(Lost { revocation, known_to: KnownTo::AllNodes });
        }
        self.notify(&at_risk);
    }

    /// Waits until a revocation is known to be lost.
    pub(super) async fn wait_for_loss(&self) {
        self.loss_found.notified().await;
    }

    /// Takes at most `count` of the lost revocations that are live and known to at most `known_to`,
    /// in the order of keys, beginning after `position`. The caller [reports](Self::resent) the
    /// outcome of re-sending.
    pub(super) fn next_lost(
        &self,
        known_to: KnownTo,
        mut position: RevocationKey,
        now: Timestamp,
        count: usize,
    ) -> Vec<Lost> {
        let mut at_risk = self.at_risk();
        let mut next = Vec::new();
        while next.len() < count
            && let Some((place, revocation)) = at_risk.take_lost(known_to, position)
        {
            position = place.1;
            // The log does not accept revocations at or below the purge watermark.
            if revocation.retain_until() > now.max(self.set.purged_through()) {
                let (known_to, key) = place;
                // From now on, reading the revocation confirms it.
                let entry = at_risk.unconfirmed.entry(key);
                let entry = entry.or_insert(Unconfirmed { revocation, acknowledged_at: None });
                entry.revocation = joined(&entry.revocation, &revocation);
                next.push(Lost { revocation: entry.revocation, known_to });
            }
        }
        next
    }

    /// How many lost revocations other nodes have re-sent since the last call.
    pub(super) fn take_resent_by_others(&self) -> usize {
        std::mem::take(&mut self.at_risk().resent_by_others)
    }

    /// Records the outcome of re-sending, which is `None` after an error.
    pub(super) fn resent(&self, lost: Lost, outcome: Option<Outcome>, sent_at: Instant) {
        let at = Instant::now();
        let mut at_risk = self.at_risk();
        let key = lost.revocation.key();
        let Some(entry) = at_risk.unconfirmed.get_mut(&key) else {
            return; // It was confirmed meanwhile.
        };
        if let Some(outcome) = outcome {
            entry.acknowledged_at = Some(at);
            if outcome == Outcome::Newly {
                let Lost { revocation, .. } = lost;
                at_risk.recent.push_back(Recent { revocation, outcome, sent_at, acknowledged_at: at });
            }
        } else if let Some(entry) = at_risk.unconfirmed.remove(&key) {
            at_risk.add_lost(Lost { revocation: entry.revocation, ..lost });
        }
    }

    pub(super) fn lost_count(&self) -> usize {
        self.at_risk().lost.len()
    }

    /// Whether the log has acknowledged every revocation that it had lost.
    pub(super) fn is_all_resent(&self) -> bool {
        let at_risk = self.at_risk();
        at_risk.lost.is_empty()
            && at_risk.doubted.is_empty()
            && at_risk.unconfirmed.values().all(|entry| entry.acknowledged_at.is_some())
    }

    fn notify(&self, at_risk: &AtRisk) {
        if !at_risk.lost.is_empty() {
            self.loss_found.notify_one();
        }
    }

    fn at_risk(&self) -> MutexGuard<'_, AtRisk> {
        self.at_risk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AtRisk {
    /// Records that the log contains `revocation`, and thereby every revocation that it covers.
    fn confirm(&mut self, revocation: &Revocation) {
        let key = revocation.key();
        if self.unconfirmed.get(&key).is_some_and(|entry| covers(revocation, &entry.revocation)) {
            self.unconfirmed.remove(&key);
        }
        for known_to in [KnownTo::ThisNode, KnownTo::AllNodes] {
            if self.lost.get(&(known_to, key)).is_some_and(|lost| covers(revocation, lost)) {
                self.lost.remove(&(known_to, key));
                self.resent_by_others += 1;
            }
        }
        if self.doubted.get(&key).is_some_and(|doubted| covers(revocation, &doubted.revocation)) {
            self.doubted.remove(&key);
        }
    }

    fn add_doubt(&mut self, Lost { revocation, known_to }: Lost) {
        let doubted = self.doubted.entry(revocation.key()).or_insert(Lost { revocation, known_to });
        doubted.revocation = joined(&doubted.revocation, &revocation);
        doubted.known_to = doubted.known_to.min(known_to);
    }

    /// The doubted revocations that were not read again are lost.
    fn settle_doubts(&mut self) {
        for (_, lost) in std::mem::take(&mut self.doubted) {
            self.add_lost(lost);
        }
    }

    /// Removes the next lost revocation that is known to at most `known_to`, in the order of keys.
    fn take_lost(
        &mut self,
        known_to: KnownTo,
        position: RevocationKey,
    ) -> Option<((KnownTo, RevocationKey), Revocation)> {
        let next = self.lost.range((Bound::Excluded((known_to, position)), Bound::Unbounded)).next();
        let (&place, _) = next.or_else(|| self.lost.first_key_value()).filter(|((of, _), _)| *of <= known_to)?;
        self.lost.remove_entry(&place)
    }

    /// Adds a lost revocation. Each key has one entry, under the smallest `KnownTo`, so that
    /// revocations known to fewer nodes are re-sent earlier.
    fn add_lost(&mut self, Lost { mut revocation, known_to }: Lost) {
        let key = revocation.key();
        let mut fewest = known_to;
        for known_to in [KnownTo::ThisNode, KnownTo::AllNodes] {
            if let Some(before) = self.lost.remove(&(known_to, key)) {
                fewest = fewest.min(known_to);
                revocation = joined(&revocation, &before);
            }
        }
        self.lost.insert((fewest, key), revocation);
    }

    fn forget_recent_before(&mut self, now: Instant) {
        let is_old = |recent: &Recent| now.saturating_duration_since(recent.acknowledged_at) > RECENT;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
    }
}

/// Joins into an unbounded set. The caller raises the signals afterwards, without holding a lock.
pub(super) fn join_silently(set: &RevocationSet, revocation: &Revocation) -> Outcome {
    set.join_silently(revocation).expect("an unbounded set has room")
}

/// Joins two revocations of one key.
fn joined(one: &Revocation, other: &Revocation) -> Revocation {
    one.join(other).expect("both have the same key")
}

/// Whether `one` applies to every token that `other` applies to, for at least as long.
fn covers(one: &Revocation, other: &Revocation) -> bool {
    one.join(other) == Some(*one)
}

/// How long a revocation counts as recent. A node that has not read it within this time is too
/// stale to answer.
const RECENT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;
    use crate::revocation::{Retention, TokenIdentity};

    /// The follower joins what it has read, and raises the signals a moment later.
    #[tokio::test]
    async fn signals_are_raised_when_a_revocation_is_acknowledged_although_the_follower_was_first() {
        let (knowledge, until) = (Knowledge::new(), Timestamp::MAX);
        let key = RevocationKey::token_id("i", "a");
        let token = TokenIdentity::new(key, Timestamp::MIN, until, &Retention::default());
        let mut signal = knowledge.set().watch(&token);
        let revocation = Revocation::new(key, until, until);
        join_silently(knowledge.set(), &revocation);
        knowledge.acknowledged(&revocation, Outcome::Newly, Instant::now());
        let raised = pin!(signal.raised());
        assert!(raised.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}
