//! Keys that are fetched: when, how often, and what happens if they cannot be.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss)]

mod addresses;
mod default_client;
mod discovery;
mod floods;
mod oidf_modules;
mod outages;
mod provider;
mod refreshing;
mod reported;
mod rotation;
mod starting;
mod tenants;
