//! What operators see: events of `tracing` (feature `tracing`) and metrics of `metrics` (feature `metrics`).
//!
//! Neither ever holds a token, a claim or a secret; a revocation is known by the hash of its key.
//!
//! | metric | kind | labels | what |
//! |---|---|---|---|
//! | `tower_logout_checks_total` | counter | `outcome`, `reason` | checks, by `allowed`, `anonymous`, `insecurely_allowed` or a [`Rejection`]'s code; those with the outcome `invalid_token` also by `reason`, the code of a `jwt::InvalidToken`, such as `audience`, or `other` for a verifier of your own |
//! | `tower_logout_check_duration_seconds` | histogram | – | how long a check took, verification included |
//! | `tower_logout_streams_ended_total` | counter | `reason` | watches that ended an open stream, each direction by itself, by the code of the [`EndReason`](crate::EndReason) |
//! | `tower_logout_revocations_total` | counter | `kind`, `outcome` | revocations stored, by [`KeyKind::name`](crate::KeyKind::name), and `newly` or `already` |
//! | `tower_logout_revocations_in_vain_total` | counter | – | revocations in a store that nobody asks: see the event `revocation ends nothing` |
//! | `tower_logout_live_revocations` | gauge | – | entries that the store holds in this process, after the last revocation |
//! | `tower_logout_replica_staleness_seconds` | gauge | – | how old a replica's view is |
//! | `tower_logout_replica_snapshots_total` | counter | – | snapshots that a replica took: one at its start, more after its log was replaced, emptied or trimmed |
//! | `tower_logout_replica_reasserted_total` | counter | – | revocations that a log had lost and a replica told it again |
//! | `tower_logout_verifier_failures_total` | counter | – | tokens of which a verifier could not tell whether they are authentic, or not in time |
//! | `tower_logout_store_failures_total` | counter | `operation` | calls that a store answered with an error, not in time, or with a panic while revoking |
//!
//! | event | level | when |
//! |---|---|---|
//! | `request refused` | `DEBUG` | a check refuses a request; with `reason`, a [`Rejection`]'s code |
//! | `token not verified` | `DEBUG` | just before that, when the verifier refuses the token; with its `error`'s chain |
//! | `token refused by the configuration` | `WARN` | after that, when the token is authentic and the configuration refuses it (audience, issuer, type, lifetime, claims that are missing or of the wrong shape, …); with the `reason` as in the metric, the `error` with what serde says of the claims, and the `remedy`; once a minute at most for each reason, with how many were `suppressed` since. Where several issuers are configured, an unknown issuer is told too, and its signature was not checked |
//! | `verifier failed` | `ERROR` | a verifier could not tell, or not in time; with its `error`'s chain |
//! | `stream ended` | `DEBUG` | a watch ends what was opened with a token; with `reason`, the code of an [`EndReason`](crate::EndReason) |
//! | `revoked` | `INFO` | a store has taken a revocation; with `key`, its `kind`, `issued_through`, `retain_until` (ms since the epoch) and `outcome` |
//! | `store failed` | `ERROR` | a store answered with an error, not in time, or panicked while revoking; with `operation` and the `error`'s chain; what keeps a replica from its log is repeated every ten seconds |
//! | `revocation file lost` | `ERROR` | the file of a `RedbStore` is not at its path any more, or something else has written it: revoking is refused; with the `error`'s chain, which says what to do |
//! | `revocation file back` | `INFO` | the file is at its `path` again, as it was left |
//! | `snapshot loaded` | `INFO` | a replica has read all of its log; with `entries` and how long it `took` |
//! | `replica fresh` | `INFO` | a replica answers checks from memory from now on |
//! | `replica stale` | `WARN` | a replica's view has become too old to answer from; with its `staleness` |
//! | `cursor lost` | `WARN` | a replica must take a new snapshot; with the `reason` |
//! | `log lost revocations` | `WARN` | a log lacks what it had acknowledged, and is told again; with the number of `entries` |
//! | `revocation ends nothing: …` | `ERROR` | a layer that guards no route has revoked in a store that nobody else can ask, such as a `MemoryStore` of its own; with the `remedy`, once a minute at most, with how many were `suppressed` since |
//! | `token lacks a claim` | `WARN` | a logout everywhere with a token that has no `sub`, which ends nothing and is 400, or an `end_session` with one that has no `sid`, which ends the token alone; with the `claim`, the `effect` and the `remedy`, once a minute at most, with how many were `suppressed` since |
//! | `key skipped` | `WARN` | a verifier was given a JSON Web Key Set with a key that it cannot use; with the `issuer`, the `kid` and the `reason` |
//! | `handler misconfigured` | `ERROR` | an axum handler asks for a `VerifiedToken` or a `RevocationWatch` that no layer has put into the request, which is answered with 500; with the type it has `asked` for, the types of tokens `found`, those without which a layer has let it pass as `anonymous`, and an `error` that says what to do |
//! | `allowed without a check` | `WARN` | a request passed because of `insecure_allow_on_store_failure` |
//!
//! The endpoint that logs out does a check of its own, which counts. A method that it does not take is no check.
#![cfg_attr(not(all(feature = "tracing", feature = "metrics")), allow(unused_variables, clippy::unused_self))]

#[cfg(feature = "tracing")]
mod throttle;

use std::{error::Error, future::Future, time::Duration};

#[cfg(feature = "tracing")]
pub(crate) use throttle::Throttle;

#[cfg(feature = "tracing")]
use crate::chain::Chain;
use crate::{
    respond::Rejection,
    revocation::{Outcome, Revocation},
    store::{Health, StoreError},
    token::Fault,
};

/// Without events there is nothing to hold back.
#[cfg(not(feature = "tracing"))]
#[derive(Debug, Default)]
pub(crate) struct Throttle;

/// Counts one check. Labels that are literals cost no allocation.
#[cfg(feature = "metrics")]
macro_rules! count {
    ($outcome:literal $($label:tt)*) => {
        metrics::counter!("tower_logout_checks_total", "outcome" => $outcome $($label)*).increment(1)
    };
}

/// How a check ended that let the request through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passed {
    Allowed,
    Anonymous,
    InsecurelyAllowed,
}

/// One check, from its start.
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

    /// Ends with a verdict, and with the code of why the token is invalid, if it is.
    pub(crate) fn end(self, verdict: Result<Passed, Rejection>, fault: Option<&'static str>) {
        #[cfg(feature = "tracing")]
        match verdict {
            Ok(Passed::Allowed | Passed::Anonymous) => {}
            Ok(Passed::InsecurelyAllowed) => tracing::warn!("allowed without a check"),
            Err(reason) => tracing::debug!(reason = reason.code(), "request refused"),
        }
        #[cfg(feature = "metrics")]
        {
            match verdict {
                Ok(Passed::Allowed) => count!("allowed"),
                Ok(Passed::Anonymous) => count!("anonymous"),
                Ok(Passed::InsecurelyAllowed) => count!("insecurely_allowed"),
                Err(Rejection::Missing) => count!("authorization_required"),
                Err(Rejection::InvalidRequest | Rejection::NoSubject | Rejection::InvalidRefreshToken) => {
                    count!("invalid_request");
                }
                Err(Rejection::Invalid) => count!("invalid_token", "reason" => fault.unwrap_or("other")),
                Err(Rejection::Expired) => count!("token_expired"),
                Err(Rejection::Revoked) => count!("token_revoked"),
                Err(Rejection::Unavailable) => count!("temporarily_unavailable"),
                Err(Rejection::MethodNotAllowed) => count!("method_not_allowed"),
            }
            metrics::histogram!("tower_logout_check_duration_seconds").record(self.started.elapsed());
        }
    }
}

/// A watch has ended what was opened with a token.
pub(crate) fn stream_ended(reason: &'static str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(reason, "stream ended");
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_streams_ended_total", "reason" => reason).increment(1);
}

/// A verifier has refused a token.
pub(crate) fn not_verified(error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::debug!(error = %Chain(error), "token not verified");
}

/// A verifier could not tell whether a token is authentic, or not in time.
pub(crate) fn verifier_failed(error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::error!(error = %Chain(error), "verifier failed");
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_verifier_failures_total").increment(1);
}

/// The configuration refuses tokens of the issuer. `explain` says more of this one, if it is authentic.
pub(crate) fn refused_by_configuration(
    throttle: &Throttle,
    fault: Fault,
    error: &(dyn Error + 'static),
    explain: impl FnOnce() -> Option<String>,
) {
    #[cfg(feature = "tracing")]
    if let Some(remedy) = fault.remedy
        && let Some(suppressed) = throttle.admit(fault.code)
    {
        match explain() {
            None if fault.is_uncertain => throttle.retract(fault.code, suppressed),
            explained => {
                let error = explained.unwrap_or_else(|| Chain(error).to_string());
                tracing::warn!(reason = fault.code, error, remedy, suppressed, "token refused by the configuration");
            }
        }
    }
}

/// The logout endpoint got a token without the claim that it ends by.
pub(crate) fn lacks_a_claim(throttle: &Throttle, claim: &'static str, effect: &'static str) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = throttle.admit(claim) {
        tracing::warn!(
            claim,
            effect,
            remedy = "have the issuer set the claim, or mount an endpoint that does not end by it",
            suppressed,
            "token lacks a claim"
        );
    }
}

/// A revocation has gone into a store that nothing asks.
pub(crate) fn revoked_in_vain(throttle: &Throttle) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = throttle.admit("revoked in vain") {
        tracing::error!(
            remedy = "make one RevocationLayer, and use it or clones of it both for the routes and for logging out",
            suppressed,
            "revocation ends nothing: its layer guards no route, and nobody else can ask its store"
        );
    }
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_revocations_in_vain_total").increment(1);
}

/// An extractor did not find what a handler asks for, but tokens of these types, or was let pass
/// without tokens of those.
#[cfg(feature = "axum")]
pub(crate) fn misconfigured(asked: &str, found: &[&str], anonymous: &[&str], error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::error!(asked, ?found, ?anonymous, %error, "handler misconfigured");
}

/// A store has taken a revocation.
pub(crate) fn revoked(revocation: &Revocation, outcome: Outcome) {
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    let outcome = match outcome {
        Outcome::Newly => "newly",
        Outcome::Already => "already",
    };
    #[cfg(feature = "tracing")]
    tracing::info!(
        key = %revocation.key(),
        kind = revocation.key().kind().name(),
        issued_through = revocation.issued_through().as_unix_millis(),
        retain_until = revocation.retain_until().as_unix_millis(),
        outcome,
        "revoked"
    );
    #[cfg(feature = "metrics")]
    {
        let kind = revocation.key().kind().name();
        metrics::counter!("tower_logout_revocations_total", "kind" => kind, "outcome" => outcome).increment(1);
    }
}

/// A store with a set of its own has changed it.
pub(crate) fn live_revocations(entries: usize) {
    #[cfg(feature = "metrics")]
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and 2^53 entries do not fit into memory")]
    metrics::gauge!("tower_logout_live_revocations").set(entries as f64);
}

/// A replica's health, as it was told before and is now.
pub(crate) fn replica_health(before: &Health, now: &Health) {
    #[cfg(feature = "tracing")]
    match (before.is_fresh(), now.staleness()) {
        (true, Some(staleness)) if !now.is_fresh() => tracing::warn!(?staleness, "replica stale"),
        (false, Some(staleness)) if now.is_fresh() => tracing::info!(?staleness, "replica fresh"),
        _ => {}
    }
    #[cfg(feature = "metrics")]
    if let Some(staleness) = now.staleness() {
        metrics::gauge!("tower_logout_replica_staleness_seconds").set(staleness);
    }
}

/// A replica has taken a snapshot.
pub(crate) fn replica_loaded(entries: u64, took: Duration) {
    #[cfg(feature = "tracing")]
    tracing::info!(entries, ?took, "snapshot loaded");
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_replica_snapshots_total").increment(1);
}

/// A replica cannot go on from its cursor.
pub(crate) fn cursor_lost(reason: &'static str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(reason, "cursor lost");
}

/// A verifier was given a key set with a key that it cannot use.
#[cfg(feature = "jwt")]
pub(crate) fn key_skipped(issuer: Option<&str>, kid: Option<&str>, reason: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::warn!(issuer, kid, reason = %Chain(reason), "key skipped");
}

/// A log lacks revocations that it had acknowledged.
pub(crate) fn log_lost(entries: usize) {
    #[cfg(feature = "tracing")]
    tracing::warn!(entries, "log lost revocations");
}

/// A replica has told its log again what it had lost.
pub(crate) fn reasserted(outcome: Outcome) {
    #[cfg(feature = "metrics")]
    if outcome == Outcome::Newly {
        metrics::counter!("tower_logout_replica_reasserted_total").increment(1);
    }
}

/// A store has failed, or not answered in time.
pub(crate) fn store_failed(operation: &'static str, error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::error!(operation, error = %Chain(error), "store failed");
    count_store_failure(operation);
}

/// A replica could not read or follow its log. It tries again, so that there is not an event of each failure.
pub(crate) fn log_failed(error: &StoreError, is_worth_an_event: bool) {
    #[cfg(feature = "tracing")]
    if is_worth_an_event {
        tracing::error!(operation = error.operation(), error = %Chain(error), "store failed");
    }
    count_store_failure(error.operation());
}

fn count_store_failure(operation: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_store_failures_total", "operation" => operation).increment(1);
}

/// The file of a store is not at its path, or was written by something else.
#[cfg(feature = "redb")]
pub(crate) fn revocation_file_lost(error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::error!(error = %Chain(error), "revocation file lost");
}

/// The file is back, as it was left.
#[cfg(feature = "redb")]
pub(crate) fn revocation_file_back(path: &std::path::Path) {
    #[cfg(feature = "tracing")]
    tracing::info!(path = %path.display(), "revocation file back");
}

/// Work on a task of its own, whose events are to be in the caller's span.
#[cfg(feature = "tracing")]
pub(crate) fn in_span<F: Future>(work: F) -> tracing::instrument::Instrumented<F> {
    tracing::Instrument::in_current_span(work)
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn in_span<F: Future>(work: F) -> F {
    work
}
