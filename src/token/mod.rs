//! Tokens: where a request has them, how they are verified, and the result of a verification.

mod claims;
mod fault;
mod flight;
mod json_value;
#[cfg(feature = "jwt")]
pub mod jwt;
mod numeric_date;
mod source;
mod subject;
mod verified_token;
mod verify;

pub use claims::Claims;
pub(crate) use fault::Fault;
pub use flight::{FlightError, SingleFlight};
pub(crate) use source::Candidate;
pub use source::{InvalidRequest, RequestHead, TokenSource};
pub use verified_token::VerifiedToken;
pub use verify::{Caching, TokenVerifier, VerifyError};
