//! What the crate guarantees as a whole: names, texts, events, documents.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod audit;
mod documentation_links;
mod documented_limits;
mod listening;
mod logout_events;
mod metrics_and_events;
mod no_secrets_in_logs;
mod public_api;
mod readme;
mod rejection_events;
mod support;
mod vocabulary;
