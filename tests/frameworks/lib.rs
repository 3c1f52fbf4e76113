//! Holds that the crate works with the frameworks that are made of Tower services, or close to them:
//! a valid token passes, a logout ends it and what it has opened. Each module is one framework.
#![cfg(test)]

mod axum_stack;
mod client;
mod graphql;
mod jsonrpsee;
mod lambda;
mod poem;
mod salvo;
mod tonic;
mod user;
mod warp;
