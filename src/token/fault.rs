//! [`Fault`]: the reason why a token is invalid, for operators.

use std::error::Error;

/// The reason why a token is invalid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// The name of the reason in metrics and events.
    pub(crate) code: &'static str,
    /// What to change, if the token is authentic and the configuration rejects it.
    pub(crate) remedy: Option<&'static str>,
    /// Whether the token may be forged, because the reason was found before its signature was
    /// checked.
    pub(crate) is_uncertain: bool,
}

impl Fault {
    /// Returns the reason in the error of a verifier. For an application's own verifier it is
    /// `other`.
    #[cfg_attr(not(feature = "jwt"), expect(unused_variables, reason = "without JWTs, no reason is known"))]
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        #[cfg(feature = "jwt")]
        if let Some(reason) = find(error) {
            let is_uncertain = reason == super::jwt::InvalidToken::Claims;
            return Self { code: reason.code(), remedy: reason.remedy(), is_uncertain };
        }
        Self { code: "other", remedy: None, is_uncertain: false }
    }
}

/// Finds the reason, also if another verifier has wrapped the error.
#[cfg(feature = "jwt")]
fn find(error: &(dyn Error + 'static)) -> Option<super::jwt::InvalidToken> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref().copied())
}
