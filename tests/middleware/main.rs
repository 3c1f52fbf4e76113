//! What the layer does with requests, responses, other layers and failures.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod allocations;
mod bodies_unchanged;
mod body_errors;
mod cancellation;
mod extensions;
mod grpc;
mod layer_order;
mod misconfigured_handlers;
mod nested_layers;
mod requirements;
mod store_outage;
mod support;
mod tower_contract;
