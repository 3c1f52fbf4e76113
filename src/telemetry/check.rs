//! Checks, logouts and the live streams they end.

use super::Throttle;

/// Counts one check. Labels that are literals cost no allocation.
#[cfg(feature = "metrics")]
macro_rules! count {
    ($outcome:expr $(, $label:literal => $value:expr)?) => {
        metrics::counter!("tower_logout_checks_total", "outcome" => $outcome $(, $label => $value)?).increment(1)
    };
}

/// Counts one check, with the literal that equals the code as its label.
#[cfg(feature = "metrics")]
macro_rules! count_rejection {
    ($code:expr, $($known:literal)+) => {
        match $code {
            $($known => count!($known),)+
            other => count!(other),
        }
    };
}

/// Outcome of a check that allowed the request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passed {
    Allowed,
    Anonymous,
    InsecurelyAllowed,
}

/// A check in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    #[cfg(feature = "metrics")]
    started: std::time::Instant,
}

impl Check {
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            started: std::time::Instant::now(),
        }
    }

    /// Reports the end of the check: its outcome, or the code of the rejection. `reason` is the
    /// verifier's code if the token is invalid.
    pub(crate) fn end(self, outcome: Result<Passed, &'static str>, reason: Option<&'static str>) {
        #[cfg(feature = "tracing")]
        match outcome {
            Ok(Passed::Allowed | Passed::Anonymous) => {}
            Ok(Passed::InsecurelyAllowed) => tracing::warn!("request allowed although the store failed"),
            Err(code) => tracing::debug!(reason = code, "request rejected"),
        }
        #[cfg(feature = "metrics")]
        {
            match outcome {
                Ok(Passed::Allowed) => count!("allowed"),
                Ok(Passed::Anonymous) => count!("anonymous"),
                Ok(Passed::InsecurelyAllowed) => count!("insecurely_allowed"),
                Err("invalid_token") => count!("invalid_token", "reason" => reason.unwrap_or("other")),
                Err(code) => count_rejection!(
                    code,
                    "authorization_required" "invalid_request" "token_expired" "token_revoked"
                    "insufficient_scope" "temporarily_unavailable" "method_not_allowed"
                ),
            }
            metrics::histogram!("tower_logout_check_duration_seconds").record(self.started.elapsed());
        }
    }
}

/// Reports that a requirement names a scope that no token can have.
pub(crate) fn scope_impossible(scope: &str) {
    #[cfg(feature = "tracing")]
    tracing::error!(
        ?scope,
        remedy = "name one or more values of RFC 6749, section 3.3: printable ASCII without `\"` and `\\`, separated by \
                  single spaces",
        "no token can have the required scope"
    );
}

/// Reports that a watch has ended a live stream.
pub(crate) fn stream_ended(reason: &'static str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(reason, "stream ended");
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_streams_ended_total", "reason" => reason).increment(1);
}

/// Reports that the logout endpoint received a token without the claim that it revokes by. `kind`
/// is `session` or `subject`.
pub(crate) fn token_lacks_claim(
    throttle: &Throttle,
    kind: &'static str,
    claim: impl FnOnce() -> String,
    effect: &'static str,
) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = throttle.admit(kind) {
        tracing::warn!(
            claim = claim(),
            effect,
            remedy = "have the issuer set the claim, or mount an endpoint that does not require it",
            suppressed,
            "token lacks a claim"
        );
    }
}
