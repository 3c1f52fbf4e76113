//! The Tower middleware: [`RevocationLayer`], and the bodies that it ends when their token is
//! revoked or expires.

mod admission;
#[cfg(feature = "axum")]
mod axum;
mod bodies;
mod ending;
mod future;
mod gate;
mod layer;
mod request_body;
mod response_body;
mod service;
mod shared;

#[cfg(feature = "axum")]
pub use axum::{AxumBodies, MissingToken};
pub use bodies::{AnyBodies, RequestBodies, ResponseBodies};
pub use future::ResponseFuture;
pub use layer::RevocationLayer;
use request_body::CutOff;
pub use request_body::RequestBody;
pub use response_body::ResponseBody;
pub use service::RevocationService;
pub(crate) use shared::{Shared, Streams};
