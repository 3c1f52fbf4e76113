//! [`Memory`]: what this process has seen of the store, so that it notices when that is gone.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    RedisCursor,
    error::RedisStoreError,
    reply::Reply,
    state::{Condition, Gone, Proof, START, State},
};

/// What was seen of the store. A server that does not have it any more is not believed.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Seen>);

/// What was seen at one moment, to be held against what is seen later.
#[derive(Clone, Debug, Default)]
pub(super) enum Seen {
    /// Nobody has looked yet.
    #[default]
    Nothing,
    /// The server was empty, and had no memory for anything.
    Empty,
    /// The end of the feed.
    End {
        end: RedisCursor,
        /// How closely is looked for it.
        proof: Proof,
    },
}

impl Seen {
    /// The entry of the feed to ask for.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Nothing | Self::Empty => START,
            Self::End { end, .. } => &end.id,
        }
    }

    /// The epoch that must be there, empty if any may.
    pub(super) fn epoch(&self) -> &str {
        match self {
            Self::Nothing | Self::Empty => "",
            Self::End { end, .. } => &end.epoch,
        }
    }
}

impl Memory {
    pub(super) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// Makes sure that a server shows all that was `seen`, and all that belongs to it.
    pub(super) fn judge(&self, seen: &Seen, state: &State) -> Reply<()> {
        if let Seen::End { end, proof } = seen {
            state.reaches(end, *proof).map_err(|gone| self.gone(end, gone))?;
        }
        match (state.condition()?, seen) {
            (Condition::Whole, _) => {}
            (Condition::Empty, Seen::Empty) => return Ok(()),
            (Condition::Empty, _) => return Err(RedisStoreError::Damaged { part: "all of it" }),
            (Condition::Damaged(part), _) => return Err(RedisStoreError::Damaged { part }),
        }
        self.reached(state.end());
        Ok(())
    }

    /// The store was followed up to here.
    pub(super) fn reached(&self, end: Option<RedisCursor>) {
        let Some(end) = end else { return };
        let mut seen = self.lock();
        match &mut *seen {
            Seen::End { end: before, .. } if before.epoch != end.epoch || before.n >= end.n => {}
            Seen::End { end: before, proof } => (*before, *proof) = (end, Proof::EntryOrTrimmed),
            Seen::Nothing | Seen::Empty => *seen = Seen::End { end, proof: Proof::EntryOrTrimmed },
        }
    }

    /// The server was found without anything, and could not be given anything.
    pub(super) fn found_empty(&self) {
        let mut seen = self.lock();
        if let Seen::Nothing = *seen {
            *seen = Seen::Empty;
        }
    }

    /// Whatever was seen before: somebody has read all that there is up to here, and sees to what is missing.
    pub(super) fn begin_at(&self, end: RedisCursor) {
        *self.lock() = Seen::End { end, proof: Proof::EntryOrTrimmed };
    }

    /// What has lost entries once is believed again only if it shows them. That the feed begins after them is not enough any more.
    fn gone(&self, seen: &RedisCursor, gone: Gone) -> RedisStoreError {
        if gone.went_back
            && let Seen::End { end, proof } = &mut *self.lock()
            && end.epoch == seen.epoch
        {
            *proof = Proof::Entry;
        }
        RedisStoreError::Gone { reason: gone.reason }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
