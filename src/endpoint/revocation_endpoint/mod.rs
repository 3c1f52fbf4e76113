//! OAuth 2.0 Token Revocation (RFC 7009): the endpoint at which clients revoke their tokens, for
//! services that issue tokens themselves.

mod credentials;
mod owner;
mod presented;
mod refused;
mod request;
mod revocation;
mod service;

pub use credentials::{ClientCredentials, ClientRequest};
pub(crate) use revocation::Authenticate;
pub use service::RevocationEndpoint;
