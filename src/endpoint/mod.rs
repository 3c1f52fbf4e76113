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
#[cfg(feature = "receivers")]
mod form;
mod log_out;
mod metadata;
mod protected_resource;
mod refresh;
#[cfg(feature = "receivers")]
mod report;
mod resource;
mod scope;
#[cfg(feature = "receivers")]
pub mod security_events;
mod service;
#[cfg(feature = "receivers")]
mod subject_identifier;

pub use answer::AnswerFuture;
#[cfg(feature = "receivers")]
pub use backchannel::{BackchannelError, BackchannelLogout, BackchannelLogoutBuilder};
pub use protected_resource::ProtectedResource;
pub(crate) use resource::Resource;
pub use resource::ResourceError;
pub use scope::LogoutScope;
pub use service::LogoutService;
#[cfg(feature = "receivers")]
pub use subject_identifier::{SubjectIdentifier, SubjectIdentifierError};
