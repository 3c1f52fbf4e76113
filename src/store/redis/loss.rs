//! [`Observed`]: detects that the store has lost data that this process has observed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    cursor::Position,
    error::{RedisStoreError, Result},
    state::{Condition, LOG_START, Loss, Proof, StoreState},
};

/// The latest observation of the store. Replies of a server that lacks it are errors.
#[derive(Debug, Default)]
pub(super) struct Observed(Mutex<Observation>);

/// An observation of the store, which is compared with later reports of a server.
#[derive(Clone, Debug, Default)]
pub(super) enum Observation {
    /// The store has not been read yet.
    #[default]
    None,
    /// The server was empty, and had no memory for the layout.
    Empty,
    LogEnd {
        end: Position,
        proof: Proof,
    },
}

impl Observation {
    /// The id of the log entry that the server must report.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::None | Self::Empty => LOG_START,
            Self::LogEnd { end, .. } => &end.id,
        }
    }

    /// The epoch that the store must have, or an empty string if it may have any.
    pub(super) fn epoch(&self) -> &str {
        match self {
            Self::None | Self::Empty => "",
            Self::LogEnd { end, .. } => &end.epoch,
        }
    }
}

impl Observed {
    pub(super) fn latest(&self) -> Observation {
        self.lock().clone()
    }

    /// Verifies that the store is complete and contains everything observed before, and records the
    /// new observation.
    pub(super) fn verify(&self, before: &Observation, state: &StoreState) -> Result<()> {
        if let Observation::LogEnd { end, proof } = before {
            state.contains(end, *proof).map_err(|loss| self.lost(end, loss))?;
        }
        match (state.condition()?, before) {
            (Condition::Complete, _) => {}
            (Condition::Empty, Observation::Empty) => return Ok(()),
            (Condition::Empty, _) => return Err(RedisStoreError::Damaged { part: "everything" }),
            (Condition::Damaged(part), _) => return Err(RedisStoreError::Damaged { part }),
        }
        self.advance(state.log_end());
        Ok(())
    }

    /// Records the end of the log, unless a later end or another store was observed already.
    pub(super) fn advance(&self, end: Option<Position>) {
        let Some(end) = end else { return };
        let mut latest = self.lock();
        match &mut *latest {
            Observation::LogEnd { end: known, .. } if known.epoch != end.epoch || known.number >= end.number => {}
            Observation::LogEnd { end: known, proof } => (*known, *proof) = (end, Proof::EntryOrTrimmed),
            Observation::None | Observation::Empty => {
                *latest = Observation::LogEnd { end, proof: Proof::EntryOrTrimmed };
            }
        }
    }

    /// Records a server that is empty and has no memory for the layout.
    pub(super) fn found_empty(&self) {
        let mut latest = self.lock();
        if let Observation::None = *latest {
            *latest = Observation::Empty;
        }
    }

    /// Replaces the observation. The caller has read the whole store up to `end`, and re-sends the
    /// revocations that it lacks.
    pub(super) fn restart_at(&self, end: Position) {
        *self.lock() = Observation::LogEnd { end, proof: Proof::EntryOrTrimmed };
    }

    /// Creates the error of a loss. After a rollback, a log that begins after the observed entry no
    /// longer proves that it contained the entry.
    fn lost(&self, observed: &Position, loss: Loss) -> RedisStoreError {
        if loss.is_rollback
            && let Observation::LogEnd { end, proof } = &mut *self.lock()
            && end.epoch == observed.epoch
        {
            *proof = Proof::Entry;
        }
        RedisStoreError::Lost { reason: loss.reason }
    }

    fn lock(&self) -> MutexGuard<'_, Observation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
