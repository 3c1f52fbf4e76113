//! How a logout is said: [`LogoutService`], the ready-made endpoint, and [`Revoker`], for application code.

mod body;
mod error;
mod refresh;
mod revoker;
mod service;

pub use body::LogoutBody;
pub use error::RevokeError;
pub use revoker::{Receipt, Revoker};
pub use service::{LogoutFuture, LogoutService};
