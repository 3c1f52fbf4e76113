use std::{error::Error, fmt};

/// A store failed to do what it was asked for. The client is told 503 and no more.
///
/// Its source says why and keeps what the store's own library reported.
#[derive(Debug)]
pub struct StoreError {
    operation: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// A failure of an operation (`"revoke"`, `"check"`, `"open"`, `"snapshot"`, `"follow"`, …) and its cause: an error, or a text without secrets.
    pub fn new(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, source: source.into() }
    }

    /// What the store was to do: `"revoke"`, `"check"`, `"open"`, `"migrate"`, `"snapshot"`, `"follow"` or `"prune"`; a store of your own may have others.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the revocation store failed to {}", self.operation)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
