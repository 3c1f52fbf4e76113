//! How a logout is said: [`LogoutService`], the ready-made endpoint, and [`Revoker`], for application code.

mod body;
mod refresh;
mod revoker;
mod service;

pub use body::LogoutBody;
pub use revoker::{Receipt, Revoker};
pub use service::{LogoutFuture, LogoutService};
