//! Bearer tokens: where a request carries them ([`TokenSource`]), how they are verified
//! ([`TokenVerifier`]), and the result ([`VerifiedToken`]).
//!
//! The issuer `https://matar.app` in the examples is explained in
//! [`endpoint`](crate::endpoint#matar).

mod claims;
mod fault;
mod flight;
#[cfg(feature = "oidc")]
pub mod introspection;
pub(crate) mod json_value;
#[cfg(feature = "jwt")]
pub mod jwt;
pub(crate) mod numeric_date;
mod scoped;
mod source;
pub(crate) mod subject;
mod verified_token;
mod verify;

pub use claims::Claims;
pub(crate) use fault::Fault;
pub use flight::{FlightError, SingleFlight};
pub use scoped::Scoped;
pub(crate) use source::Candidate;
pub use source::{InvalidRequest, RequestHead, TokenSource};
pub use verified_token::VerifiedToken;
pub use verify::{Caching, TokenVerifier, VerifyError};
