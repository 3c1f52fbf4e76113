//! OpenID Connect Back-Channel Logout 1.0: the endpoint to which OpenID providers post logout
//! tokens.

mod builder;
mod claims;
mod error;
mod logout_token;
mod refused;
mod service;
mod settings;

pub use builder::BackchannelLogoutBuilder;
pub use error::BackchannelError;
pub use service::BackchannelLogout;
