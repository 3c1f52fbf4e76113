//! The logout endpoint, [`LogoutService`], and the metadata of a protected resource,
//! [`ProtectedResource`].
//!
//! # Matar
//!
//! Matar is an app whose public API documentation specifies a logout endpoint: its path,
//! `POST /api/v1/logout`, and its response bodies. This crate implements that endpoint. The path is
//! the one at which the application mounts the service; the bodies are those of
//! [`JsonResponder`](crate::respond::JsonResponder), and can be replaced. The issuer
//! `https://matar.app` in the examples is that of Matar's tokens.

mod answer;
#[cfg(feature = "receivers")]
mod backchannel;
mod body;
mod deadline;
#[cfg(feature = "receivers")]
mod form;
#[cfg(feature = "receivers")]
mod global_revocation;
mod log_out;
mod metadata;
#[cfg(feature = "receivers")]
mod oauth_error;
mod protected_resource;
mod refresh;
#[cfg(feature = "receivers")]
mod report;
mod resource;
#[cfg(feature = "receivers")]
mod revocation_endpoint;
mod scope;
#[cfg(feature = "receivers")]
mod secret;
#[cfg(feature = "receivers")]
pub mod security_events;
mod service;
#[cfg(feature = "receivers")]
mod subject_identifier;

pub use answer::AnswerFuture;
#[cfg(feature = "receivers")]
pub use backchannel::{BackchannelError, BackchannelLogout, BackchannelLogoutBuilder};
#[cfg(feature = "receivers")]
pub use global_revocation::{
    Access, CannotBeRevoked, GlobalRevocation, GlobalRevocationAuth, GlobalRevocationBuilder, GlobalRevocationError,
};
pub use protected_resource::ProtectedResource;
pub(crate) use resource::Resource;
pub use resource::ResourceError;
#[cfg(feature = "receivers")]
pub(crate) use revocation_endpoint::Authenticate;
#[cfg(feature = "receivers")]
pub use revocation_endpoint::{ClientCredentials, ClientRequest, RevocationEndpoint};
pub use scope::LogoutScope;
pub use service::LogoutService;
#[cfg(feature = "receivers")]
pub use subject_identifier::{SubjectIdentifier, SubjectIdentifierError};
