//! [`RevocationLog`]: a store that many processes share and that each of them can follow.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    chain::debug_as_chain,
    clock::Timestamp,
    revocation::{Revocation, TokenIdentity},
    store::{RevocationStore, StoreError},
};

/// A shared store that reports what was revoked, so that a [`Replica`](crate::Replica) can follow
/// it.
///
/// [`revoke`](RevocationStore::revoke) appends to the log, and
/// [`is_revoked`](RevocationStore::is_revoked) asks the shared store itself.
///
/// # Contract
///
/// * A revocation that `revoke` has acknowledged is in every [`snapshot`](Self::snapshot) that
///   begins later, or is found by following from the cursor of that snapshot. It may be in both.
/// * Following from a cursor misses nothing that was appended after it. Entries may be repeated and
///   may come in any order: they join.
/// * When the log cannot prove that nothing is missing, because it was trimmed, emptied, restored
///   or replaced, [`follow`](Self::follow) is [`FollowError::CursorLost`], and never a shorter
///   answer.
/// * Each call returns within a time that the log itself limits.
///
/// # Examples
///
/// A whole log, and tests of its methods. They need no replica: [`CollectedSnapshot`] receives the
/// snapshot.
///
/// ```
/// use std::{sync::{Mutex, MutexGuard, PoisonError}, time::Duration};
///
/// use async_trait::async_trait;
/// use tokio::sync::Notify;
/// use tower_logout::{
///     RevocationStore,
///     clock::Timestamp,
///     revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
///     store::{CollectedSnapshot, FollowError, Followed, RevocationLog, SnapshotSink, StoreError},
/// };
///
/// /// Appends to a `Vec` and purges nothing. A cursor is the number of entries before it.
/// #[derive(Default)]
/// struct VecLog {
///     entries: Mutex<Vec<Revocation>>,
///     appended: Notify,
/// }
///
/// #[async_trait]
/// impl RevocationStore for VecLog {
///     async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
///         let mut entries = self.entries();
///         let is_known = entries.iter().any(|entry| {
///             entry.key() == revocation.key()
///                 && entry.issued_through() >= revocation.issued_through()
///         });
///         entries.push(*revocation);
///         self.appended.notify_waiters();
///         Ok(if is_known { Outcome::Already } else { Outcome::Newly })
///     }
///
///     async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
///         let revokes = |entry: &Revocation| {
///             token.keys().contains(&entry.key()) && token.issued_at() <= entry.issued_through()
///         };
///         Ok(self.entries().iter().any(revokes))
///     }
/// }
///
/// #[async_trait]
/// impl RevocationLog for VecLog {
///     type Cursor = usize;
///
///     async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<usize, StoreError> {
///         let entries = self.entries();
///         into.expect(entries.len() as u64);
///         into.take(&entries);
///         Ok(entries.len())
///     }
///
///     async fn follow(
///         &self,
///         cursor: &usize,
///         wait: Duration,
///     ) -> Result<Followed<usize>, FollowError> {
///         let appended = self.appended.notified();
///         if self.entries().len() == *cursor {
///             let _ = tokio::time::timeout(wait, appended).await;
///         }
///         let entries = self.entries();
///         let Some(new) = entries.get(*cursor..) else {
///             return Err(FollowError::CursorLost("it has fewer entries than before"));
///         };
///         Ok(Followed::new(new.to_vec(), Timestamp::MIN, entries.len(), true))
///     }
/// }
///
/// impl VecLog {
///     fn entries(&self) -> MutexGuard<'_, Vec<Revocation>> {
///         self.entries.lock().unwrap_or_else(PoisonError::into_inner)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let log = VecLog::default();
/// let until = Timestamp::from_unix_seconds(4_102_444_800);
/// let of = |subject| {
///     let key = RevocationKey::subject("https://issuer.example", subject);
///     Revocation::new(key, Timestamp::from_unix_seconds(100), until)
/// };
///
/// log.revoke(&of("ann")).await?;
/// let mut snapshot = CollectedSnapshot::default();
/// let cursor = log.snapshot(&mut snapshot).await?;
/// assert_eq!(snapshot.revocations, [of("ann")]);
/// assert_eq!(snapshot.expected, Some(1));
///
/// log.revoke(&of("ben")).await?;
/// let followed = log.follow(&cursor, Duration::ZERO).await?;
/// assert_eq!(followed.revocations, [of("ben")]);
/// assert!(followed.complete);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait RevocationLog: RevocationStore {
    /// A place in the log, such that everything before it is known.
    type Cursor: Clone + fmt::Debug + Send + Sync + 'static;

    /// Writes all live revocations to `into` and returns the cursor to follow from.
    ///
    /// The cursor is taken before the first entry is read, so that what is revoked in between is
    /// found by following. It may be in the snapshot too.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the snapshot is not complete. What `into` has received is then still
    /// valid.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the log.
    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Self::Cursor, StoreError>;

    /// Reads what was appended after `cursor`. If there is nothing yet, waits for it, for at most
    /// `wait`.
    ///
    /// Called by one task at a time, each time with the cursor that the previous call returned, or
    /// with the same cursor again after an error.
    ///
    /// # Errors
    ///
    /// [`FollowError::CursorLost`] if something may be missing between the cursor and what can
    /// still be read. [`FollowError::Failed`] if the log cannot answer; the same cursor may be
    /// tried again.
    ///
    /// # Cancel safety
    ///
    /// After the future is dropped, the same cursor may be used again.
    async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError>;

    /// Makes the next calls connect anew and determine anew which server holds the log.
    ///
    /// A replica calls it when a revocation that was acknowledged is not found in the log: two
    /// connections may lead to two servers. The provided method does nothing, for logs without
    /// connections.
    fn reconnect(&self) {}

    /// Whether any of the token's keys is revoked, as the log itself knows it, provided that it is
    /// still the log that `cursor` belongs to.
    ///
    /// A replica asks it when its own view is too old. A log that can be emptied or replaced must
    /// prove in the same answer that this has not happened, because it would report a revocation
    /// that it has lost as not revoked. The provided method asks
    /// [`is_revoked`](RevocationStore::is_revoked), which is right for a log that loses nothing.
    ///
    /// # Errors
    ///
    /// As [`follow`](Self::follow).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        let _ = cursor;
        Ok(self.is_revoked(token).await?)
    }
}

/// Receives the [snapshot](RevocationLog::snapshot) of a log.
///
/// A [`Replica`](crate::Replica) passes one that applies the entries at once. [`CollectedSnapshot`]
/// records them, for tests of a log.
pub trait SnapshotSink: Send {
    /// Announces about how many entries the snapshot has, so that progress can be shown. Optional.
    fn expect(&mut self, entries: u64) {
        let _ = entries;
    }

    /// Takes entries. They may be repeated and may come in any order.
    fn take(&mut self, revocations: &[Revocation]);

    /// Takes the purge watermark: entries with a `retain_until` at or below it may be missing, and
    /// tokens as old as that are rejected. The highest of several counts.
    ///
    /// A log that purges must report it. One that purges nothing need not.
    fn purged_through(&mut self, watermark: Timestamp);
}

/// A [`SnapshotSink`] that records what it receives, for tests of a [`RevocationLog`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CollectedSnapshot {
    /// The entries, as they came.
    pub revocations: Vec<Revocation>,
    /// The announced number of entries, if there was an announcement.
    pub expected: Option<u64>,
    /// The purge watermark; [`Timestamp::MIN`] if none was reported.
    pub purged_through: Timestamp,
}

impl Default for CollectedSnapshot {
    fn default() -> Self {
        Self { revocations: Vec::new(), expected: None, purged_through: Timestamp::MIN }
    }
}

impl SnapshotSink for CollectedSnapshot {
    fn expect(&mut self, entries: u64) {
        self.expected = Some(entries);
    }

    fn take(&mut self, revocations: &[Revocation]) {
        self.revocations.extend_from_slice(revocations);
    }

    fn purged_through(&mut self, watermark: Timestamp) {
        self.purged_through = self.purged_through.max(watermark);
    }
}

/// What was appended to a log after a cursor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Followed<C> {
    /// The appended revocations, in any order.
    pub revocations: Vec<Revocation>,
    /// The purge watermark: entries with a `retain_until` at or below it may have been removed.
    /// [`Timestamp::MIN`] if nothing was.
    ///
    /// Tokens as old as that are rejected, by a replica as by the log itself.
    pub purged_through: Timestamp,
    /// Where to follow from next.
    pub cursor: C,
    /// Whether everything that was acknowledged before the call began is before `cursor`. If not,
    /// there is more to read at once.
    pub complete: bool,
}

impl<C> Followed<C> {
    /// Creates an answer from its [`revocations`](Self::revocations), its purge watermark
    /// ([`purged_through`](Self::purged_through)), its [`cursor`](Self::cursor) and whether it is
    /// [`complete`](Self::complete).
    #[must_use]
    pub const fn new(revocations: Vec<Revocation>, purged_through: Timestamp, cursor: C, complete: bool) -> Self {
        Self { revocations, purged_through, cursor, complete }
    }
}

/// Why a log could not be followed.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The log no longer reaches back to the cursor, or is a different log. A new snapshot is
    /// needed. The text says how that is known.
    #[error("the log no longer reaches back to the cursor: {0}")]
    CursorLost(&'static str),
    /// The log did not answer, or not in time.
    #[error(transparent)]
    Failed(#[from] StoreError),
}

debug_as_chain!(FollowError);

macro_rules! delegate {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<L: RevocationLog + ?Sized> RevocationLog for $pointer<L> {
            type Cursor = L::Cursor;

            async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Self::Cursor, StoreError> {
                (**self).snapshot(into).await
            }

            async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError> {
                (**self).follow(cursor, wait).await
            }

            fn reconnect(&self) {
                (**self).reconnect();
            }

            async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
                (**self).check(cursor, token).await
            }
        }
    )*};
}

delegate!(Arc, Box);
