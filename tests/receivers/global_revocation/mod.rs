//! Global token revocations.

mod authentication;
mod configuration;
mod documents;
mod model;
mod outages;
mod repeats;
mod signed_tokens;
mod subjects;
mod support;
mod wire;
