//! Endpoints to mount beside the application's routes: [`LogoutService`].

mod log_out;
mod refresh;
mod scope;
mod service;

pub use scope::LogoutScope;
pub use service::{LogoutFuture, LogoutService};
