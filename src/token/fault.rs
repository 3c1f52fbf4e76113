//! [`Fault`]: why a verifier holds a token to be invalid, as operators are told.

use std::error::Error;

/// Why a token is invalid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// A literal, for metrics and events.
    pub(crate) code: &'static str,
    /// What to change, where the token is authentic and the configuration refuses it.
    pub(crate) remedy: Option<&'static str>,
    /// Whether the token may also be a forged one, which only the verifier can tell.
    pub(crate) is_uncertain: bool,
}

impl Fault {
    /// The reason that a verifier gives. Those of verifiers of one's own are `other`.
    #[cfg_attr(not(feature = "jwt"), expect(unused_variables, reason = "no reasons are known"))]
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        #[cfg(feature = "jwt")]
        if let Some(reason) = find(error) {
            let is_uncertain = reason == super::jwt::InvalidToken::Claims;
            return Self { code: reason.code(), remedy: reason.remedy(), is_uncertain };
        }
        Self { code: "other", remedy: None, is_uncertain: false }
    }
}

/// The reason, also where a verifier around another has wrapped it.
#[cfg(feature = "jwt")]
fn find(error: &(dyn Error + 'static)) -> Option<super::jwt::InvalidToken> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref().copied())
}
