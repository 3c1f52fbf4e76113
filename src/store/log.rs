//! [`RevocationLog`]: a shared store that processes can follow.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    chain::debug_as_chain,
    clock::Timestamp,
    revocation::{Revocation, RevocationKey, TokenIdentity},
    store::{RevocationStore, StoreError},
};

/// A shared store that reports new revocations, so that a [`Replica`](crate::Replica) can follow
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
///   or replaced, [`follow`](Self::follow) returns [`FollowError::CursorLost`] and never an
///   incomplete answer.
/// * The log limits the duration of each call.
///
/// # Examples
///
/// A complete log, and tests of its methods. The tests need no replica: [`CollectedSnapshot`]
/// receives the snapshot.
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
///
///     async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
///         let of_key = |entry: &Revocation| (entry.key() == key).then_some(*entry);
///         let join = |one: Revocation, other| one.join(&other).unwrap_or(one);
///         Ok(self.entries().iter().filter_map(of_key).reduce(join))
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
/// assert_eq!(log.find(of("ann").key()).await?, Some(of("ann")));
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
    /// A position in the log. All entries before it are known to the holder of the cursor.
    type Cursor: Clone + fmt::Debug + Send + Sync + 'static;

    /// Writes all live revocations to `into` and returns the cursor to follow from.
    ///
    /// The cursor is taken before `into` is called, so that following from it finds the revocations
    /// made during the snapshot. The snapshot may contain them too.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the snapshot is not complete. The entries that `into` has received are
    /// valid nevertheless.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the log.
    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Self::Cursor, StoreError>;

    /// Reads the revocations that were appended after `cursor`. If there are none yet, waits for
    /// them for at most `wait`.
    ///
    /// Called by one task at a time, each time with the cursor that the previous call returned, or
    /// with the same cursor again after an error. After [`FollowError::CursorLost`], it is also called
    /// with cursors of up to a minute ago: a log that has lost its end may still reach back to them.
    ///
    /// # Errors
    ///
    /// [`FollowError::CursorLost`] if entries may be missing between the cursor and the first entry
    /// that can still be read. [`FollowError::Failed`] if the log cannot answer; the same cursor
    /// may be tried again.
    ///
    /// # Cancel safety
    ///
    /// After the future is dropped, the same cursor may be used again.
    async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError>;

    /// Makes the next calls open new connections and determine again which server holds the log.
    ///
    /// A replica calls it when an acknowledged revocation is not found in the log: two connections
    /// may lead to two different servers. It also calls it after a call that took so long that it
    /// was dropped: a connection may be half-open. The provided method does nothing, for logs
    /// without connections.
    fn reconnect(&self) {}

    /// Returns whether any of the token's keys is revoked according to the log itself, provided
    /// that it is still the log to which `cursor` belongs.
    ///
    /// A replica calls it when its own view is too old. A log that can be emptied or replaced must
    /// prove in the same answer that this has not happened, because it would report the token of a
    /// lost revocation as not revoked. The provided method asks
    /// [`is_revoked`](RevocationStore::is_revoked), which is sufficient for a log that never loses
    /// revocations.
    ///
    /// # Errors
    ///
    /// [`FollowError`], under the same conditions as [`follow`](Self::follow).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        let _ = cursor;
        Ok(self.is_revoked(token).await?)
    }

    /// Returns the revocation of this key in the log itself, provided that it is still the log to
    /// which `cursor` belongs.
    ///
    /// A replica calls it to [find](RevocationStore::find) a revocation. As with
    /// [`check`](Self::check), a log that can be emptied or replaced must prove in the same answer
    /// that this has not happened. The provided method asks [`find`](RevocationStore::find), which
    /// is sufficient for a log that never loses revocations.
    ///
    /// # Errors
    ///
    /// [`FollowError`], under the same conditions as [`follow`](Self::follow).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    async fn look_up(&self, cursor: &Self::Cursor, key: RevocationKey) -> Result<Option<Revocation>, FollowError> {
        let _ = cursor;
        Ok(self.find(key).await?)
    }
}

/// Receives the [snapshot](RevocationLog::snapshot) of a log.
///
/// A [`Replica`](crate::Replica) passes a sink that applies the entries at once.
/// [`CollectedSnapshot`] records them, for tests of a log.
pub trait SnapshotSink: Send {
    /// Announces the approximate number of entries in the snapshot, so that progress can be shown.
    /// Calling it is optional.
    fn expect(&mut self, entries: u64) {
        let _ = entries;
    }

    /// Receives entries. They may be repeated and may come in any order.
    fn take(&mut self, revocations: &[Revocation]);

    /// Receives the purge watermark: entries with a `retain_until` at or below it may be missing,
    /// and tokens with a `retain_until` at or below it are rejected. If it is called several times,
    /// the highest watermark applies.
    ///
    /// A log that purges entries must call it; any other log need not.
    fn purged_through(&mut self, watermark: Timestamp);
}

/// A [`SnapshotSink`] that records what it receives, for tests of a [`RevocationLog`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CollectedSnapshot {
    /// The entries, in the order in which they were received.
    pub revocations: Vec<Revocation>,
    /// The announced number of entries, if any.
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

/// Result of [`RevocationLog::follow`]: the revocations after a cursor, and the next cursor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Followed<C> {
    /// The appended revocations, in any order.
    pub revocations: Vec<Revocation>,
    /// The purge watermark: entries with a `retain_until` at or below it may have been removed.
    /// [`Timestamp::MIN`] if no entry was removed.
    ///
    /// Tokens with a `retain_until` at or below it are rejected, both by a replica and by the log
    /// itself.
    pub purged_through: Timestamp,
    /// The cursor to follow from next.
    pub cursor: C,
    /// Whether all revocations that were acknowledged before the call began are before `cursor`. If
    /// not, more of them can be read at once.
    pub complete: bool,
    /// How long before the call began the log was read completely: [`complete`](Self::complete)
    /// then refers to that instant. Zero for a log of one part.
    ///
    /// A log of several parts, each of which answers at its own time, returns what one part has,
    /// and is as complete as the part that has not answered for longest.
    pub lag: Duration,
}

impl<C> Followed<C> {
    /// Creates a result from its [`revocations`](Self::revocations), its purge watermark
    /// ([`purged_through`](Self::purged_through)), its [`cursor`](Self::cursor) and whether it is
    /// [`complete`](Self::complete).
    #[must_use]
    pub const fn new(revocations: Vec<Revocation>, purged_through: Timestamp, cursor: C, complete: bool) -> Self {
        Self { revocations, purged_through, cursor, complete, lag: Duration::ZERO }
    }

    /// Sets the [`lag`](Self::lag). Default: zero.
    #[must_use]
    pub const fn with_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }
}

/// Error of [`RevocationLog::follow`], [`RevocationLog::check`] and [`RevocationLog::look_up`].
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The log no longer reaches back to the cursor, or is a different log. A new snapshot is
    /// needed. The text names the evidence.
    #[error("the log no longer reaches back to the cursor ({0}); read a new snapshot")]
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

            async fn follow(
                &self,
                cursor: &Self::Cursor,
                wait: Duration,
            ) -> Result<Followed<Self::Cursor>, FollowError> {
                (**self).follow(cursor, wait).await
            }

            fn reconnect(&self) {
                (**self).reconnect();
            }

            async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
                (**self).check(cursor, token).await
            }

            async fn look_up(
                &self,
                cursor: &Self::Cursor,
                key: RevocationKey,
            ) -> Result<Option<Revocation>, FollowError> {
                (**self).look_up(cursor, key).await
            }
        }
    )*};
}

delegate!(Arc, Box);
