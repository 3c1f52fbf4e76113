//! Where a logout is enforced: [`RevocationLayer`].

mod admission;
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

use std::marker::PhantomData;

pub use body::ResponseBody;
#[cfg(feature = "axum")]
pub use extract::{MissingToken, MissingWatch};
pub use future::ResponseFuture;
pub use layer::RevocationLayer;
pub use request_body::RequestBody;
pub use service::RevocationService;

/// Marks a request without a token that a layer with these claims has let pass, so that an extractor can tell it from one that no such layer has seen.
pub(crate) struct Anonymous<C>(PhantomData<fn() -> C>);

impl<C> Anonymous<C> {
    pub(crate) const MARK: Self = Self(PhantomData);
}

impl<C> Clone for Anonymous<C> {
    fn clone(&self) -> Self {
        Self::MARK
    }
}
