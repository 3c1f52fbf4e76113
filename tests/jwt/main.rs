//! Which tokens, keys and issuers are accepted.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss)]

mod access_token_profile;
mod algorithms;
mod cache_capacity;
mod cached_tokens;
mod cached_tokens_end;
mod claim_names;
mod claim_rules;
mod claims;
mod counting_verifier;
mod issuers;
mod jwt_rules;
mod key_files;
mod key_sets;
mod keys;
mod pairs;
mod respelled_signature;
mod single_flight;
mod support;
mod test_issuer;
