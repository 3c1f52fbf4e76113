//! [`Rejected`]: the reason why a token is rejected, and its report to operators.

use crate::{
    respond::Rejection,
    telemetry::{self, Throttle},
    token::{Fault, TokenVerifier, VerifyError},
};

/// The reason why a token is rejected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rejected {
    pub(crate) reason: Rejection,
    /// The verifier's code, if the token is invalid.
    pub(super) fault: Option<&'static str>,
}

impl Rejected {
    /// Reports a verifier's error about the token with this text to operators.
    pub(crate) fn report<V: TokenVerifier + ?Sized>(
        verifier: &V,
        text: &str,
        error: &VerifyError,
        throttle: &Throttle,
    ) -> Self {
        match error {
            VerifyError::Expired => {
                telemetry::not_verified(error);
                Rejection::Expired.into()
            }
            VerifyError::Invalid(_) => {
                let fault = Fault::of(error);
                telemetry::not_verified(error);
                if let Some(remedy) = fault.remedy {
                    telemetry::rejected_by_configuration(
                        throttle,
                        fault.code,
                        remedy,
                        error,
                        fault.is_uncertain,
                        || verifier.explain(text),
                    );
                }
                Self { reason: Rejection::Invalid, fault: Some(fault.code) }
            }
            VerifyError::Unavailable(_) => {
                telemetry::verifier_failed(error);
                Rejection::Unavailable.into()
            }
        }
    }
}

impl From<Rejection> for Rejected {
    fn from(reason: Rejection) -> Self {
        Self { reason, fault: None }
    }
}
