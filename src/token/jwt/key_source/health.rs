use std::{sync::Arc, time::Duration};

use crate::token::jwt::{KeySourceError, key_source::KeySource};

/// The state of the keys of a verifier, for a readiness probe.
///
/// # Examples
///
/// ```
/// use tower_logout::JwtVerifier;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build()?;
/// assert!(verifier.health().is_ready());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifierHealth {
    /// The issuers that the verifier was built with. A set of keys without an issuer has an entry
    /// with an empty name.
    pub issuers: Vec<IssuerHealth>,
    /// The number of issuers that [`JwtVerifier::issuers_by`](crate::JwtVerifier::issuers_by) has
    /// allowed and that are in use. An outage of one of them does not make the service unready.
    pub tenants: usize,
}

/// The state of the keys of an issuer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuerHealth {
    /// The name of the issuer.
    pub issuer: String,
    /// Whether its tokens can be verified.
    pub is_ready: bool,
    /// The number of its usable keys.
    pub keys: usize,
    /// The number of keys of its key set that cannot be used.
    pub skipped: usize,
    /// The time since its keys were fetched. `None` if they were not fetched yet, or are not
    /// fetched at all.
    pub age: Option<Duration>,
    /// Why the last attempt to fetch its keys failed. `None` after a success.
    pub error: Option<Arc<KeySourceError>>,
}

impl VerifierHealth {
    /// Returns whether the tokens of all issuers that the verifier was built with can be verified.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.issuers.iter().all(|issuer| issuer.is_ready)
    }
}

impl KeySource {
    pub(in crate::token::jwt) fn health(&self, issuer: String, is_ready: bool) -> IssuerHealth {
        let state = self.progress().state();
        let age = state.fetched_at.map(|fetched_at| fetched_at.elapsed());
        IssuerHealth { issuer, is_ready, keys: state.keys, skipped: state.skipped, age, error: state.error }
    }
}
