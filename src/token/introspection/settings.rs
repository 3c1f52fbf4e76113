//! The settings of an [`Introspection`](super::Introspection).

use std::time::Duration;

/// How long answers are kept, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheSettings {
    pub(super) accepted_for: Duration,
    pub(super) rejected_for: Duration,
    /// The number of accepted tokens.
    pub(super) tokens: usize,
}

/// How many requests are sent at a time, and how long they may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestSettings {
    pub(super) timeout: Duration,
    pub(super) max_concurrent: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { accepted_for: Duration::from_secs(15), rejected_for: Duration::from_secs(5), tokens: 16 * 1024 }
    }
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), max_concurrent: 64 }
    }
}
