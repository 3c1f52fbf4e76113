//! [`catching`]: turns the errors and panics of redb into errors of this store.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::error::FileError;

/// One of redb's many error types, or an error of this store.
pub(super) struct Failed(FileError);

impl<E: Into<redb::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(FileError::from_redb(error.into()))
    }
}

impl From<FileError> for Failed {
    fn from(error: FileError) -> Self {
        Self(error)
    }
}

/// Calls redb, and converts a panic into an error.
pub(super) fn catching<T>(call: impl FnOnce() -> Result<T, Failed>) -> Result<T, FileError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|Failed(error)| error),
        Err(panic) => Err(FileError::Panicked(message(&*panic).to_owned())),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "without a message",
    }
}
