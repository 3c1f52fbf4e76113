//! Which tokens are accepted, and which keys and issuers.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod cached_tokens;
mod claims;
mod issuers;
mod jwt_rules;
mod key_files;
mod keys;
mod respelled_signature;
mod single_flight;
