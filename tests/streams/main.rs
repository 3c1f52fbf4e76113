//! What a token has opened ends when the token does.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod drain;
mod grpc_server;
mod grpc_streams;
mod open_streams;
mod open_streams_edges;
mod revocation_watch;
mod streams_at_scale;
mod websockets;
