//! Services to mount beside the application's routes: [`LogoutService`].

mod body;
mod refresh;
mod service;

pub use body::LogoutBody;
pub use service::{LogoutFuture, LogoutService};
