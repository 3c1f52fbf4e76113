//! [`RedisCursor`]: a position in the log, which consists of a position in each shard.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::log::Session;
use crate::store::FollowError;

/// Position in the log of a [`RedisStore`](crate::RedisStore): everything before it is known.
#[derive(Clone)]
pub struct RedisCursor {
    /// One position for each shard.
    positions: Arc<[Position]>,
    /// The answers that a call has left for the next one, if there are several shards. They are
    /// waited for until the last clone is dropped.
    session: Option<Arc<Mutex<Option<Session>>>>,
}

/// Position in the log of one shard: an entry and everything before it are known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Position {
    /// The identity of the store, generated when the store is created.
    pub(super) epoch: Arc<str>,
    /// The number of the entry. Numbers have no gaps.
    pub(super) number: u64,
    /// The id of the entry in the stream.
    pub(super) id: String,
}

impl RedisCursor {
    pub(super) fn new(positions: impl Into<Arc<[Position]>>) -> Self {
        Self { positions: positions.into(), session: None }
    }

    pub(super) fn with_session(self, session: Session) -> Self {
        Self { session: Some(Arc::new(Mutex::new(Some(session)))), ..self }
    }

    /// Takes the session, which only one call can continue.
    pub(super) fn take_session(&self) -> Option<Session> {
        self.session.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The positions in this many shards.
    pub(super) fn positions(&self, shards: usize) -> Result<&[Position], FollowError> {
        if self.positions.len() == shards { Ok(&self.positions) } else { Err(OTHER_SHARDS) }
    }

    pub(super) fn position(&self, shard: usize) -> Result<&Position, FollowError> {
        self.positions.get(shard).ok_or(OTHER_SHARDS)
    }
}

const OTHER_SHARDS: FollowError = FollowError::CursorLost("the cursor is of a store with another number of shards");

impl Eq for RedisCursor {}

impl PartialEq for RedisCursor {
    fn eq(&self, other: &Self) -> bool {
        self.positions == other.positions
    }
}

impl fmt::Debug for RedisCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisCursor").field(&self.positions).finish()
    }
}
