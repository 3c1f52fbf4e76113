//! Requests to identity providers.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod certificates;
mod connections;
mod key_sources;
mod own_client;
mod proxies;
mod requests;
mod support;
