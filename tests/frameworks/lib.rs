//! Tests of the crate with frameworks that are made of Tower services, or close to them: a valid
//! token passes, and a logout revokes it and ends what it has opened. One module per framework.
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
