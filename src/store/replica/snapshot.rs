use super::{
    health::View,
    knowledge::{Knowledge, learn},
};
use crate::{clock::Timestamp, revocation::Revocation, set::RevocationSet};

/// Takes what a [`RevocationLog`](crate::RevocationLog) holds, for a [`Replica`](crate::Replica) that starts or starts over.
///
/// What it is given is in force at once. It removes nothing.
pub struct Snapshot<'a> {
    knowledge: &'a Knowledge,
    view: &'a View,
    /// What the log holds, where the replica knew something before and may know more.
    present: Option<RevocationSet>,
    loaded: u64,
    expected: Option<u64>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(knowledge: &'a Knowledge, view: &'a View) -> Self {
        let present = (!knowledge.set().is_empty()).then(RevocationSet::new);
        Self { knowledge, view, present, loaded: 0, expected: None }
    }

    /// Says about how many entries there will be, so that progress can be shown.
    pub fn expect(&mut self, entries: u64) {
        self.expected = Some(entries);
        self.view.loading(self.loaded, self.expected);
    }

    /// Takes entries; some may come twice.
    pub fn take(&mut self, revocations: &[Revocation]) {
        self.knowledge.seen(revocations);
        if let Some(present) = &self.present {
            for revocation in revocations {
                learn(present, revocation);
            }
        }
        self.loaded += revocations.len() as u64;
        self.view.loading(self.loaded, self.expected);
    }

    /// Takes over what the log has forgotten: what was to be retained until then, or before. Tokens as old as that are refused.
    pub fn purged_through(&mut self, purged_through: Timestamp) {
        self.knowledge.fence(purged_through, Timestamp::MIN);
    }

    pub(super) fn loaded(&self) -> u64 {
        self.loaded
    }

    /// To be called when all entries are in.
    pub(super) fn find_lost(&self) {
        if let Some(present) = &self.present {
            self.knowledge.compare_with(present);
        }
    }
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("loaded", &self.loaded)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}
