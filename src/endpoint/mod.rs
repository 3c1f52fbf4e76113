//! Services to mount beside the application's routes: [`LogoutService`].

mod log_out;
mod refresh;
mod service;

pub use service::{LogoutFuture, LogoutScope, LogoutService};
