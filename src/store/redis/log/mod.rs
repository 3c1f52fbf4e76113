//! [`RevocationLog`] for Redis, based on the stream of recent changes.

mod follow;
mod snapshot;

use std::time::Duration;

use async_trait::async_trait;

use super::{RedisStore, connection::Reader, cursor::RedisCursor, error, shared::Shared};
use crate::{
    revocation::{Revocation, RevocationKey, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError},
};
use follow::FollowFailure;

/// A snapshot is read page by page, each page within the timeout.
#[async_trait]
impl RevocationLog for RedisStore {
    type Cursor = RedisCursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Self::Cursor, StoreError> {
        self.shared.snapshot(into).await.map_err(|error| self.shared.store_error("snapshot", error))
    }

    async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError> {
        self.shared.prune_in_background();
        self.shared.follow(cursor, wait).await.map_err(|failure| match failure {
            FollowFailure::CursorLost(reason) => FollowError::CursorLost(reason),
            FollowFailure::Store(error) => self.shared.store_error("follow", error).into(),
        })
    }

    fn reconnect(&self) {
        self.shared.invalidate_connections();
        self.shared.readers.clear();
    }

    async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        let answer = self.shared.within(self.shared.is_revoked_since(cursor, token)).await;
        answer.map_err(|error| self.shared.store_error("check", error))?.map_err(FollowError::CursorLost)
    }

    async fn look_up(&self, cursor: &Self::Cursor, key: RevocationKey) -> Result<Option<Revocation>, FollowError> {
        let answer = self.shared.within(self.shared.find_since(cursor, key)).await;
        answer.map_err(|error| self.shared.store_error("find", error))?.map_err(FollowError::CursorLost)
    }
}

impl Shared {
    /// Takes an idle reader, or connects. The caller puts it back after use unless the use failed.
    async fn take_reader(&self) -> error::Result<Reader> {
        if let Some(reader) = self.readers.take(self.timeout) {
            return Ok(reader);
        }
        let connection = self.within(Box::pin(self.server.connect(&self.requirements))).await?;
        // A new connection may lead to another server than the older ones.
        self.invalidate_connections();
        Ok(Reader { connection, confirmed: None })
    }
}
