//! [`StoreError`]: the error of every store.

use std::{error::Error, fmt, sync::Arc};

use crate::chain::{self, debug_as_chain};

/// Error of a store that could not perform an operation. Clients receive 503 and no details.
///
/// The text consists of the operation and the text of the [`cause`](Self::cause); the
/// [`source`](Error::source) is the source of that cause. `Debug` prints the text and all causes in
/// one line, so that `fn main() -> Result<(), StoreError>` shows the remedy. Clones share the
/// cause.
#[derive(Clone)]
pub struct StoreError {
    operation: &'static str,
    kind: StoreErrorKind,
    cause: Arc<dyn Error + Send + Sync>,
}

/// The class of a [`StoreError`], which determines the remedy.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store did not answer, or not in time. It may recover without intervention.
    Unavailable,
    /// The store has no room for another revocation. Existing revocations are intact, and checks
    /// are answered.
    Full,
    /// The store cannot work until somebody changes the configuration, the permissions or the
    /// schema.
    Misconfigured,
    /// The stored data is missing, damaged, or was not written by the store.
    Damaged,
    /// Any other error, or one of an unknown class.
    #[default]
    Other,
}

impl StoreError {
    /// Creates an error of the kind [`Other`](StoreErrorKind::Other) from an operation (`"revoke"`,
    /// `"check"`, `"find"`, `"open"`, `"snapshot"`, `"follow"`, …) and its cause: an error, or a text
    /// without secrets.
    #[must_use]
    pub fn new(operation: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, kind: StoreErrorKind::default(), cause: cause.into().into() }
    }

    /// Sets the class of the error.
    #[must_use]
    pub fn with_kind(self, kind: StoreErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// Returns the class of the error.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Returns the operation that failed: `"revoke"`, `"check"`, `"find"`, `"open"`,
    /// `"migrate"`, `"snapshot"`, `"follow"` or `"prune"`. Other stores may use other names.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Returns the cause as the store has reported it. It can be downcast.
    #[must_use]
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the revocation store failed to {}: {}", self.operation, self.cause)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        chain::source(&*self.cause)
    }
}

debug_as_chain!(StoreError);
