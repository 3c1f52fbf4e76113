//! Reads the live revocations of several shards, some shards at a time.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::{TryStreamExt, stream};

use crate::{
    clock::Timestamp,
    revocation::Revocation,
    store::{
        SnapshotSink, StoreError,
        redis::{
            cursor::{Position, RedisCursor},
            shards::Shards,
        },
    },
};

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Position, StoreError>> + Send + 'a>>;

impl Shards {
    pub(super) async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<RedisCursor, StoreError> {
        let merged = Mutex::new(Merged { into, expected: 0 });
        let readings = self.iter().map(|shard| -> Result<Reading<'_>, StoreError> {
            let mut part = Part(&merged);
            Ok(Box::pin(async move {
                shard.snapshot(&mut part).await.map_err(|error| shard.store_error("snapshot", error))
            }))
        });
        let readings = readings.collect::<Vec<_>>();
        let positions: Vec<_> = stream::iter(readings).try_buffered(CONCURRENT).try_collect().await?;
        Ok(RedisCursor::new(positions))
    }
}

/// The sink of the whole snapshot.
struct Merged<'a> {
    into: &'a mut dyn SnapshotSink,
    expected: u64,
}

/// The sink of one shard.
struct Part<'a, 'b>(&'a Mutex<Merged<'b>>);

impl<'b> Part<'_, 'b> {
    fn merged(&self) -> MutexGuard<'_, Merged<'b>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SnapshotSink for Part<'_, '_> {
    fn expect(&mut self, entries: u64) {
        let mut merged = self.merged();
        merged.expected = merged.expected.saturating_add(entries);
        let expected = merged.expected;
        merged.into.expect(expected);
    }

    fn take(&mut self, revocations: &[Revocation]) {
        self.merged().into.take(revocations);
    }

    fn purged_through(&mut self, watermark: Timestamp) {
        self.merged().into.purged_through(watermark);
    }
}

/// How many shards are read at the same time.
const CONCURRENT: usize = 8;
