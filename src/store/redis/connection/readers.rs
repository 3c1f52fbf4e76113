//! [`Readers`]: connections for snapshots and following, each used by one caller at a time.
//!
//! They are separate because waiting for new log entries delays all later commands on the same
//! connection.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::multiplexed::Connection;

/// The idle connections.
#[derive(Default)]
pub(in crate::store::redis) struct Readers(Mutex<Vec<Reader>>);

/// A connection that one caller uses at a time.
pub(in crate::store::redis) struct Reader {
    pub(in crate::store::redis) connection: Connection,
    /// When the Sentinels last confirmed the server at this reader's request.
    pub(in crate::store::redis) confirmed: Option<Instant>,
}

impl Readers {
    /// Takes a reader that has answered within `limit`.
    pub(in crate::store::redis) fn take(&self, limit: Duration) -> Option<Reader> {
        let mut idle = self.lock();
        while let Some(reader) = idle.pop() {
            if !reader.connection.is_invalid(limit) {
                return Some(reader);
            }
        }
        None
    }

    pub(in crate::store::redis) fn put_back(&self, reader: Reader, limit: Duration) {
        if !reader.connection.is_invalid(limit) {
            self.lock().push(reader);
        }
    }

    pub(in crate::store::redis) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
