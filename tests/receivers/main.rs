//! What is reported from outside ends tokens here: the endpoints that receive it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod backchannel;
mod global_revocation;
mod revocation_endpoint;
mod security_events;
mod support;
