//! By what a store notices that its table was emptied, or replaced by another.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_postgres::types::{ToSql, Type};

use super::{cursor::Identity, error::PostgresError, here::Here, rows::to_column};
use crate::clock::Timestamp;

/// What a store has seen in its table, which must still be there with every answer.
///
/// A row that is to be retained goes away only when it is due, and then `purged_through` says so in the same statement. The store asks for the
/// row that is to be retained longest, and for the last that it has written itself, whenever it asks for anything else.
#[derive(Debug, Default)]
pub(super) struct Witnesses(Mutex<Arc<Known>>);

/// What was known when a question was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    identity: Option<Identity>,
    longest: Option<Witness>,
    written: VecDeque<Witness>,
}

/// A row that was in the table.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    pub(super) key: Vec<u8>,
    pub(super) issued_through: i64,
    pub(super) retain_until: i64,
}

impl Witnesses {
    /// To be called before the question is asked: what is known then, the answer must show.
    pub(super) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.lock())
    }

    /// A row was committed.
    pub(super) fn written(&self, witness: Witness) {
        let mut known = self.lock();
        let known = Arc::make_mut(&mut known);
        known.written.retain(|other| other.key != witness.key);
        known.written.push_back(witness);
        if known.written.len() > MOST_WRITTEN {
            known.written.pop_front();
        }
    }

    /// Judges the answer to a question that was asked when this was known.
    pub(super) fn judge(&self, asked: &Known, here: &Here) -> Result<(), PostgresError> {
        if here.lost {
            return Err(PostgresError::Emptied);
        }
        // A table that was rewritten, as by VACUUM FULL, still has what was in it; an emptied one does not.
        let is_another = asked.identity.as_ref().is_some_and(|identity| !identity.has_the_tables_of(&here.identity));
        if is_another && !asked.rows().any(|row| row.is_live(here.purged_through)) {
            return Err(PostgresError::Emptied);
        }
        self.lock_mut(|known| {
            known.identity = Some(here.identity.clone());
            known.written.retain(|row| row.is_live(here.purged_through));
            known.see(here);
        });
        Ok(())
    }

    /// Forgets what was known for what is there now: a replica has read it all, and tells it again what it lacks.
    pub(super) fn start_over(&self, here: &Here) {
        self.lock_mut(|known| {
            *known = Known { identity: Some(here.identity.clone()), ..Known::default() };
            known.see(here);
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_mut(&self, change: impl FnOnce(&mut Known)) {
        change(Arc::make_mut(&mut self.lock()));
    }
}

impl Known {
    fn rows(&self) -> impl Iterator<Item = &Witness> {
        self.longest.iter().chain(&self.written)
    }

    fn see(&mut self, here: &Here) {
        let Some(longest) = &here.longest else { return };
        let is_longer =
            |known: &Witness| longest.retain_until > known.retain_until || !known.is_live(here.purged_through);
        if self.longest.as_ref().is_none_or(is_longer) {
            self.longest = Some(longest.clone());
        }
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            keys: self.rows().map(|row| &*row.key).collect(),
            issued_through: self.rows().map(|row| row.issued_through).collect(),
            retain_until: self.rows().map(|row| row.retain_until).collect(),
        }
    }
}

impl Witness {
    fn is_live(&self, purged_through: Timestamp) -> bool {
        self.retain_until > to_column(purged_through)
    }
}

/// The first parameters of each statement that reads.
#[derive(Default)]
pub(super) struct Asked<'a> {
    keys: Vec<&'a [u8]>,
    issued_through: Vec<i64>,
    retain_until: Vec<i64>,
}

impl Asked<'_> {
    pub(super) fn params(&self) -> [(&(dyn ToSql + Sync), Type); 3] {
        [
            (&self.keys, Type::BYTEA_ARRAY),
            (&self.issued_through, Type::INT8_ARRAY),
            (&self.retain_until, Type::INT8_ARRAY),
        ]
    }
}

const MOST_WRITTEN: usize = 15;
