//! Where a logout is enforced: [`RevocationLayer`].

mod body;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod layer;
mod service;

pub use body::ResponseBody;
#[cfg(feature = "axum")]
pub use extract::MissingToken;
pub use future::ResponseFuture;
pub use layer::RevocationLayer;
pub use service::RevocationService;

/// Marks a request without a token that the layer has let pass, so that an extractor can tell it from one that no layer has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anonymous;
