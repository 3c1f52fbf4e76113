//! Integration with axum (feature `axum`): a layer that keeps axum's body type, and extractors.

mod anonymous;
mod bodies;
mod extract;

pub(super) use anonymous::Anonymous;
pub use bodies::AxumBodies;
pub use extract::MissingToken;
