//! Where a logout is enforced: [`RevocationLayer`].

mod admission;
#[cfg(feature = "axum")]
mod anonymous;
mod body;
mod ending;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod gate;
mod layer;
mod request_body;
mod service;

pub use body::ResponseBody;
#[cfg(feature = "axum")]
pub use extract::{MissingToken, MissingWatch};
pub use future::ResponseFuture;
pub use layer::RevocationLayer;
pub use request_body::RequestBody;
pub use service::RevocationService;
