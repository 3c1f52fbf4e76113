//! What `RedbStore` guarantees about its file.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod foreign_files;
mod forgets_only_the_expired;
mod groups;
mod io_errors;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod survives_sigkill;
