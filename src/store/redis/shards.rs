//! [`Shards`]: the parts of a store, each with a part of the revocations. Most stores have one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};

use super::{
    cursor::RedisCursor,
    error::OptionsError,
    layout::{MAX_SHARDS, shard_of},
    server::Server,
    shared::{FirstShard, Settings, Shared},
};
use crate::{
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::{FollowError, StoreError},
};

/// At least one shard. Clones share them.
#[derive(Clone)]
pub(super) struct Shards(Arc<All>);

struct All {
    first: Arc<Shared>,
    others: Box<[Arc<Shared>]>,
    /// How often connections were invalidated on request.
    reconnects: AtomicU64,
}

impl Shards {
    pub(super) fn new(server: Server, settings: &Settings) -> Result<Self, OptionsError> {
        if !(1..=MAX_SHARDS).contains(&settings.shards) {
            return Err(OptionsError::Shards(settings.shards));
        }
        let server = Arc::new(server);
        let first = Arc::new(Shared::new(&server, settings, 0, None)?);
        let known = Arc::new(FirstShard::new(&first));
        let other = |index| Shared::new(&server, settings, index, Some(Arc::clone(&known))).map(Arc::new);
        let others = (1..settings.shards).map(other).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(All { first, others, reconnects: AtomicU64::new(0) })))
    }

    /// Connects to all of them: first to the one that knows their number, so that a store with
    /// another number writes nothing.
    pub(super) async fn open(&self) -> Result<(), StoreError> {
        let open = async |shard: &Arc<Shared>| shard.open().await.map_err(|error| shard.store_error("open", error));
        open(&self.0.first).await?;
        join_all(self.0.others.iter().map(open)).await.into_iter().collect()
    }

    pub(super) fn len(&self) -> usize {
        1 + self.0.others.len()
    }

    pub(super) fn first(&self) -> &Arc<Shared> {
        &self.0.first
    }

    /// The shard, if there is one only.
    pub(super) fn only(&self) -> Option<&Arc<Shared>> {
        self.0.others.is_empty().then_some(&self.0.first)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Shared>> {
        std::iter::once(&self.0.first).chain(&self.0.others)
    }

    pub(super) fn of(&self, key: RevocationKey) -> &Arc<Shared> {
        self.at(self.index_of(key))
    }

    pub(super) fn index_of(&self, key: RevocationKey) -> usize {
        shard_of(key, self.len())
    }

    fn at(&self, index: usize) -> &Arc<Shared> {
        index.checked_sub(1).and_then(|index| self.0.others.get(index)).unwrap_or(&self.0.first)
    }

    pub(super) fn reconnect(&self) {
        self.0.reconnects.fetch_add(1, Ordering::Relaxed);
        for shard in self.iter() {
            shard.invalidate_connections();
            shard.readers.clear();
        }
    }

    pub(super) fn reconnects(&self) -> u64 {
        self.0.reconnects.load(Ordering::Relaxed)
    }

    pub(super) async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        if let Some(shard) = self.only() {
            return shard.revoke_in_batch(revocations).await;
        }
        let indices: Vec<_> = revocations.iter().map(|revocation| self.index_of(revocation.key())).collect();
        let mut parts = vec![Vec::new(); self.len()];
        for (&index, revocation) in indices.iter().zip(revocations) {
            parts[index].push(*revocation);
        }
        let sent = self.iter().zip(&parts).map(|(shard, part)| async move {
            if part.is_empty() { Ok(Vec::new()) } else { shard.revoke_in_batch(part).await }
        });
        // All of them are waited for, even if one fails, so that nothing is left on the way.
        let answers = join_all(sent).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut answers: Vec<_> = answers.into_iter().map(Vec::into_iter).collect();
        // The outcomes of a shard are in the order of its revocations.
        Ok(indices.into_iter().map(|index| answers[index].next().unwrap_or(Outcome::Already)).collect())
    }

    /// Asks the shards that have keys of the token.
    pub(super) async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        let parts = self.keys_by_shard(token);
        let asked = parts
            .iter()
            .map(|(index, keys)| async move {
                let shard = self.at(*index);
                shard.perform("check", shard.is_revoked(keys, token)).await
            })
            .collect();
        any(asked).await
    }

    /// Asks the shards that have keys of the token, each of which must contain everything up to its
    /// position.
    pub(super) async fn is_revoked_since(
        &self,
        cursor: &RedisCursor,
        token: &TokenIdentity,
    ) -> Result<bool, FollowError> {
        let parts = self.keys_by_shard(token);
        let asked = parts
            .iter()
            .map(|(index, keys)| async move {
                let (shard, position) = (self.at(*index), cursor.position(*index)?);
                let answer = shard.within(shard.is_revoked_since(position, keys, token)).await;
                answer.map_err(|error| shard.store_error("check", error))?.map_err(FollowError::CursorLost)
            })
            .collect();
        any(asked).await
    }

    fn keys_by_shard(&self, token: &TokenIdentity) -> Vec<(usize, Vec<RevocationKey>)> {
        let mut parts: Vec<(usize, Vec<RevocationKey>)> = Vec::new();
        for &key in token.keys() {
            let index = self.index_of(key);
            match parts.iter_mut().find(|(known, _)| *known == index) {
                Some((_, keys)) => keys.push(key),
                None => parts.push((index, vec![key])),
            }
        }
        parts
    }
}

/// Whether any answer is yes. One that is outweighs the errors of the others, and is not delayed by
/// them.
async fn any<E>(mut answers: FuturesUnordered<impl Future<Output = Result<bool, E>>>) -> Result<bool, E> {
    let mut failed = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(false), Err)
}
