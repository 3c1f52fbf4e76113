//! [`RevocationLog`]: a store that many processes share and each of them can follow.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    chain::debug_as_chain,
    clock::Timestamp,
    revocation::{Revocation, TokenIdentity},
    store::{RevocationStore, Snapshot, StoreError},
};

/// A store that many processes share, and that tells each of them what was revoked: what a [`Replica`](crate::Replica) follows.
///
/// [`revoke`](RevocationStore::revoke) appends to the log, and [`is_revoked`](RevocationStore::is_revoked) asks the shared store itself.
///
/// # Contract
///
/// * A revocation that `revoke` has acknowledged is seen by every [`snapshot`](Self::snapshot) that begins later, or by
///   whoever follows from the cursor that the snapshot returned; by both, it may be.
/// * Following from a cursor misses nothing that was appended after it. Entries may come twice and in any order: they join.
/// * When the log cannot prove that nothing is missing, because it was trimmed, emptied, restored or replaced, following is
///   [`FollowError::CursorLost`], and never a shorter answer.
/// * Each call returns within a time that the log bounds itself.
#[async_trait]
pub trait RevocationLog: RevocationStore {
    /// A place in the log, such that everything before it is known.
    type Cursor: Clone + fmt::Debug + Send + Sync + 'static;

    /// Hands everything that is live to `into`, and returns where to follow from.
    ///
    /// The cursor is taken before the first entry is read. What is revoked in between is found by following; it may be in the
    /// snapshot too.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the snapshot is not complete.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the log.
    async fn snapshot(&self, into: &mut Snapshot<'_>) -> Result<Self::Cursor, StoreError>;

    /// Reads what was appended after `cursor`, and if there is nothing yet, waits for it, for `wait` at most.
    ///
    /// Called by one task at a time, each time with the cursor that the last call returned, or the same again after an error.
    ///
    /// # Errors
    ///
    /// [`FollowError::CursorLost`] if something may be missing between the cursor and what can still be read.
    /// [`FollowError::Failed`] if nothing can be said; the same cursor may be tried again.
    ///
    /// # Cancel safety
    ///
    /// After a dropped future the same cursor may be used again.
    async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError>;

    /// Makes the next calls connect anew, and find out anew which server has the log.
    ///
    /// A replica calls it when what was acknowledged is not found in the log: perhaps one connection leads to another server than
    /// another. The provided method does nothing, for logs without connections.
    fn reconnect(&self) {}

    /// Whether any of the token's keys is revoked, as the log itself knows it, if it still is the log that `cursor` is of.
    ///
    /// A replica asks it when its own view is too old. A log that can be emptied or replaced must prove in the same answer that this has not
    /// happened: what it has lost, it would call not revoked. The provided method asks [`is_revoked`](RevocationStore::is_revoked), which
    /// is right for a log that loses nothing.
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

/// What was appended after a cursor.
#[derive(Clone, Debug)]
pub struct Followed<C> {
    /// What was appended, in any order.
    pub revocations: Vec<Revocation>,
    /// What the log has forgotten was to be retained until then, or before; [`Timestamp::MIN`] if it has forgotten nothing.
    ///
    /// Tokens as old as that are refused, by a replica as by the log itself.
    pub purged_through: Timestamp,
    /// Where to go on.
    pub cursor: C,
    /// Whether everything that was acknowledged before the call began is before `cursor`. If not, there is more to read at once.
    pub complete: bool,
}

/// Why a log could not be followed.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The log no longer reaches back to the cursor, or is another one: a new snapshot is needed. The text says how that is known.
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

            async fn snapshot(&self, into: &mut Snapshot<'_>) -> Result<Self::Cursor, StoreError> {
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
