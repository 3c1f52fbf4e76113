//! [`RevocationLog`] for Redis, based on the streams of recent changes.

mod follow;
mod session;
mod snapshot;
mod snapshots;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    RedisStore,
    connection::Reader,
    cursor::{Position, RedisCursor},
    error,
    shared::Shared,
};
use crate::{
    revocation::{Revocation, RevocationKey, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError},
};
use follow::FollowFailure;
pub(super) use session::Session;

/// A snapshot is read page by page, each page within the timeout.
#[async_trait]
impl RevocationLog for RedisStore {
    type Cursor = RedisCursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Self::Cursor, StoreError> {
        let Some(shard) = self.shards.only() else { return self.shards.snapshot(into).await };
        let position = shard.snapshot(into).await.map_err(|error| shard.store_error("snapshot", error))?;
        Ok(RedisCursor::new([position]))
    }

    async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError> {
        let Some(shard) = self.shards.only() else { return self.shards.follow(cursor, wait).await };
        let followed = shard.follow_and_prune(cursor.position(0)?, wait).await?;
        let Followed { revocations, purged_through, cursor, complete, .. } = followed;
        Ok(Followed::new(revocations, purged_through, RedisCursor::new([cursor]), complete))
    }

    fn reconnect(&self) {
        self.shards.reconnect();
    }

    async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        let Some(shard) = self.shards.only() else { return self.shards.is_revoked_since(cursor, token).await };
        let answer = shard.within(shard.is_revoked_since(cursor.position(0)?, token.keys(), token)).await;
        answer.map_err(|error| shard.store_error("check", error))?.map_err(FollowError::CursorLost)
    }

    async fn look_up(&self, cursor: &Self::Cursor, key: RevocationKey) -> Result<Option<Revocation>, FollowError> {
        let (shard, position) = (self.shards.of(key), cursor.position(self.shards.index_of(key))?);
        let answer = shard.within(shard.find_since(position, key)).await;
        answer.map_err(|error| shard.store_error("find", error))?.map_err(FollowError::CursorLost)
    }
}

impl Shared {
    /// Follows the log of this shard, and removes expired revocations from time to time.
    async fn follow_and_prune(
        self: &Arc<Self>,
        position: &Position,
        wait: Duration,
    ) -> Result<Followed<Position>, FollowError> {
        self.prune_in_background();
        self.follow(position, wait).await.map_err(|failure| match failure {
            FollowFailure::CursorLost(reason) => FollowError::CursorLost(reason),
            FollowFailure::Store(error) => self.store_error("follow", error).into(),
        })
    }

    /// Takes an idle reader, or connects. The caller puts it back after use unless the use failed.
    async fn take_reader(&self) -> error::Result<Reader> {
        if let Some(reader) = self.readers.take(self.timeout) {
            return Ok(reader);
        }
        let connection = self.within(Box::pin(self.connect())).await?;
        // A new connection may lead to another server than the older ones.
        self.invalidate_connections();
        Ok(Reader { connection, confirmed: None })
    }
}
