//! The last revocations of this process, for the page.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use tower_logout::revoker::Revoked;

/// The last revocations, and how many there were by source.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Entries>>);

#[derive(Clone, Default, Serialize)]
pub(crate) struct Entries {
    last: VecDeque<Entry>,
    by_source: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Serialize)]
struct Entry {
    /// In milliseconds since the Unix epoch.
    at: u64,
    source: &'static str,
    kind: &'static str,
    key: String,
    outcome: &'static str,
    actor: Option<String>,
    reason: Option<String>,
}

impl Journal {
    pub(crate) fn add(&self, revoked: &Revoked) {
        let key = revoked.revocation().key();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let entry = Entry {
            at: u64::try_from(now).unwrap_or(u64::MAX),
            source: revoked.source().name(),
            kind: key.kind().name(),
            key: key.to_string(),
            outcome: revoked.outcome().name(),
            actor: revoked.actor().map(str::to_owned),
            reason: revoked.reason().map(str::to_owned),
        };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *entries.by_source.entry(entry.source).or_default() += 1;
        entries.last.push_front(entry);
        entries.last.truncate(SHOWN);
    }

    pub(crate) fn entries(&self) -> Entries {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

const SHOWN: usize = 50;
