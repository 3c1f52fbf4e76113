//! Global Token Revocation (`draft-parecki-oauth-global-token-revocation`): the endpoint at which an
//! identity provider says that all tokens of a user must end.

mod access;
mod assertion;
mod authentication;
mod authenticator;
mod builder;
mod document;
mod error;
mod mapping;
mod receive;
mod refused;
mod service;

pub use access::Access;
pub use authentication::GlobalRevocationAuth;
pub use builder::GlobalRevocationBuilder;
pub use error::{CannotBeRevoked, GlobalRevocationError};
pub use service::GlobalRevocation;
