//! [`RedisCursor`]: a position in the log.

use std::sync::Arc;

/// Position in the log of a [`RedisStore`](crate::RedisStore): an entry and everything before it
/// are known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedisCursor {
    /// The identity of the store, generated when the store is created.
    pub(super) epoch: Arc<str>,
    /// The number of the entry. Numbers have no gaps.
    pub(super) number: u64,
    /// The id of the entry in the stream.
    pub(super) id: String,
}
