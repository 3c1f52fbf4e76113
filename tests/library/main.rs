//! What the crate as a whole promises: names, texts, events, documents.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod documentation_links;
mod documented_limits;
mod listening;
mod metrics_and_events;
mod no_secrets_in_logs;
mod public_api;
mod readme;
mod vocabulary;
