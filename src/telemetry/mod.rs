//! Tracing events (feature `tracing`) and metrics (feature `metrics`).
//!
//! Neither contains a token, a claim or a secret. A revocation is identified by its key, which is a
//! hash.
//!
//! # Metrics
//!
//! * `tower_logout_checks_total`: counter of checks. Label `outcome`: `allowed`, `anonymous`,
//!   `insecurely_allowed` or the [code](crate::respond::Rejection::code) of a rejection. Checks
//!   with the outcome `invalid_token` also have the label `reason`: the code of a
//!   `jwt::InvalidToken`, such as `audience`, or `other` if another verifier rejected the token.
//! * `tower_logout_check_duration_seconds`: histogram of the duration of checks, verification
//!   included.
//! * `tower_logout_streams_ended_total`: counter of watches that ended a live stream; the two
//!   directions of one exchange count separately. Label `reason`: the code of the
//!   [`EndReason`](crate::guard::EndReason).
//! * `tower_logout_revocations_total`: counter of revocations that a store has accepted. Labels:
//!   `kind`, the [name](crate::revocation::KeyKind::name) of the key's kind; `outcome`, the
//!   [name](crate::revocation::Outcome::name) of the outcome; and `source`, the
//!   [name](crate::revoker::Source::name) of the source, or `resent` for a revocation that a log had
//!   lost and that a replica has re-sent.
//! * `tower_logout_hook_skipped_total`: counter of revocations for which the hook of
//!   [`Logout::on_revoked`](crate::Logout::on_revoked) was not called.
//! * `tower_logout_revocations_in_vain_total`: counter of revocations without effect, because no
//!   guarded route asks the store; see the event `revocation ends nothing`.
//! * `tower_logout_live_revocations`: gauge of the entries that a store holds in this process,
//!   after its last change.
//! * `tower_logout_replica_staleness_seconds`: gauge of the age of a replica's view. With several
//!   replicas in a process, as with [`Regions`](crate::store::Regions), each sets it; use the next
//!   ones instead.
//! * `tower_logout_region_fresh`: gauge that is 1 while the view of a region is fresh, and 0
//!   otherwise. Label `region`: its name.
//! * `tower_logout_region_staleness_seconds`: gauge of the age of the view of a region. Label
//!   `region`.
//! * `tower_logout_replica_snapshots_total`: counter of the snapshots that a replica has loaded:
//!   one when it starts, and one each time its log was replaced, emptied or trimmed.
//! * `tower_logout_verifier_failures_total`: counter of tokens whose authenticity a verifier could
//!   not determine in time.
//! * `tower_logout_key_fetches_total`: counter of attempts to fetch the keys of an issuer. Labels:
//!   `issuer`, which is `tenant` for all issuers that `JwtVerifier::issuers_by` allows; and
//!   `result`, which is `ok`, `status`, `timeout`, `no_answer`, `client`, `too_long`, `encoded`,
//!   `metadata`, `other_issuer`, `key_set` or `address`. Tokens with an unknown `kid` are counted by
//!   `tower_logout_checks_total` with the reason `unknown_key`.
//! * `tower_logout_keys_fetched_seconds`: gauge of when the keys of an issuer were fetched last, in
//!   seconds since the Unix epoch. Label `issuer`. Their age is the current time minus this.
//! * `tower_logout_keys_skipped_total`: counter of the keys of a JSON Web Key Set that a verifier
//!   cannot use. Label `reason`: `unsupported` (its type, use or algorithm), `unsuitable` (such as
//!   an RSA key that is too short), `private`, `symmetric` or `malformed`.
//! * `tower_logout_introspections_total`: counter of requests to introspection endpoints; cached
//!   answers are not counted. Label `result`: `active`; `rejected`, an active token that the
//!   configuration rejects or that has expired; `inactive`; and for tokens that were not judged,
//!   `refused` (the server rejects this service), `unusable` (the answer is not one) and
//!   `unavailable` (no answer).
//! * `tower_logout_messages_total`: counter of the messages that reached an endpoint which receives
//!   logouts from elsewhere. Labels: `receiver`, the [name](crate::revoker::Source::name) of the
//!   source; and `outcome`: `taken`; `repeated`, taken before; `ignored`, authentic and without
//!   anything to revoke; `refused`; or `unavailable`, for messages that can be delivered again,
//!   because the store or the keys did not answer.
//! * `tower_logout_store_failures_total`: counter of calls to a store that returned an error, timed
//!   out, or panicked while revoking. Label `operation`: the
//!   [operation](crate::store::StoreError::operation).
//!
//! # Events
//!
//! * `request rejected` (`DEBUG`): a check rejects a request. Field `reason`: the
//!   [code](crate::respond::Rejection::code) of the rejection.
//! * `token not verified` (`DEBUG`): the verifier rejects a token; precedes `request rejected`.
//!   Field `error`: the error and its causes.
//! * `token rejected by the configuration` (`WARN`): the token is authentic, and the configuration
//!   rejects it (audience, issuer, type, lifetime, claims that are missing or of the wrong type,
//!   …). Fields: `reason`, as in the metric; `error`, with serde's message about the claims;
//!   `remedy`; and `suppressed`. At most once a minute for each reason; `suppressed` counts the
//!   events omitted since. With several issuers, tokens of an unknown issuer are reported too,
//!   although their signature was not checked; so are tokens of an algorithm that `algorithms` does
//!   not allow.
//! * `verifier failed` (`ERROR`): a verifier could not determine in time whether a token is
//!   authentic. Field `error`.
//! * `introspection failed` (`ERROR`): the authorization server did not say whether a token is
//!   active. Fields: `result`, as in the metric; `error`, with the remedy; and `suppressed`. At most
//!   once a minute for each result. Requests that waited for the answer are also reported as
//!   `verifier failed`.
//! * `message refused` (`DEBUG`): an endpoint that receives logouts from elsewhere refuses a message
//!   that is forged, malformed or outdated. Fields: `receiver`, as in the metric; `reason`; and
//!   `error`.
//! * `message refused by the configuration` (`WARN`): the message is authentic, and the
//!   configuration refuses it, so that a logout elsewhere has no effect here. Fields: `receiver`,
//!   `reason` and `error`; `remedy`; and `suppressed`. At most once a minute for each receiver and
//!   reason.
//! * `message not judged` (`ERROR`): it could not be determined whether a message is authentic, as
//!   a rule because there are no keys. It is answered with 503. Fields: `receiver`, `error` and
//!   `suppressed`. At most once a minute for each receiver.
//! * `security event ends nothing` (`WARN`, or `DEBUG` if the application knows nobody of that name):
//!   a transmitter reports what would end tokens, and nothing could be revoked. It is acknowledged.
//!   Fields: `event`, such as `session-revoked`; `reason`; `remedy`; and `suppressed`. At most once
//!   a minute for each reason.
//! * `stream of security events has stopped` (`ERROR`) and `stream of security events is enabled`
//!   (`INFO`): a transmitter has paused, disabled or enabled its stream. Events are not delivered
//!   while it is not enabled. Fields: `issuer` and `status`.
//! * `security events not fetched` (`ERROR`): a poller got no usable answer. Fields: `issuer`;
//!   `error`, with the remedy; and `suppressed`. At most once a minute.
//! * `security events are fetched again` (`INFO`): the first success after failures. Field
//!   `issuer`.
//! * `stream ended` (`DEBUG`): a watch ends a live stream. Field `reason`: the code of the
//!   [`EndReason`](crate::guard::EndReason).
//! * `revoked` (`INFO`): a store has accepted a revocation. Fields: `key`; `kind`; `issued_through`
//!   and `retain_until`, in ms since the Unix epoch; `outcome`; `source`, as in the metric; and, if
//!   they are known, `actor` and `reason`, as [`Revoker::by`](crate::Revoker::by) and
//!   [`because`](crate::Revoker::because) were told. For an audit log, select these events.
//! * `revocation hook skipped` (`WARN`): the hook of
//!   [`Logout::on_revoked`](crate::Logout::on_revoked) was not called. Fields: `reason` and
//!   `suppressed`. At most once a minute for each reason.
//! * `revocation hook failed` (`ERROR`): the hook has panicked. Field `error`.
//! * `store failed` (`ERROR`): a store returned an error, timed out, or panicked while revoking.
//!   Fields: `operation` and `error`. While a replica cannot read its log, the error is reported
//!   every ten seconds.
//! * `revocation file lost` (`ERROR`): the file of a `RedbStore` is no longer at its path, or
//!   another program has written to it. Revocations are rejected until it is back. Field `error`,
//!   with the remedy.
//! * `revocation file back` (`INFO`): the file is at its path again, unchanged. Field `path`.
//! * `snapshot loaded` (`INFO`): a replica has read its whole log. Fields: `entries` and `took`.
//! * `replica fresh` (`INFO`): a replica answers checks from memory from now on. Field `staleness`.
//! * `replica stale` (`WARN`): a replica's view has become too old to answer from. Field
//!   `staleness`.
//! * `region unavailable` (`WARN`): the view of one of several [`Regions`](crate::store::Regions) is
//!   too old, or could not be loaded. Fields: `region`, its name; `effect`, what becomes of checks;
//!   and, where they are known, `staleness` and `error`. Repeated every minute while it lasts.
//! * `region available` (`INFO`): its view is fresh again. Field `region`.
//! * `cursor lost` (`WARN`): a replica must load a new snapshot. Field `reason`.
//! * `log lost revocations` (`WARN`): a log lacks revocations that it had acknowledged, and the
//!   replica re-sends them. Field `entries`: how many.
//! * `revocation ends nothing: …` (`ERROR`): a `Logout` that guards no route has written a
//!   revocation to a store that nothing else can ask, such as a `MemoryStore` of its own. Fields:
//!   `remedy` and `suppressed`. At most once a minute.
//! * `token lacks a claim` (`WARN`): a token without a subject was used to log out its subject,
//!   which is answered with 400, or a token without a session was used to log out its session, which
//!   revokes only the token itself. Fields: `claim`, which is `sub`, `sid` or the claim that the
//!   verifier's settings name instead; `effect`; `remedy`; and `suppressed`. At most once a minute
//!   for either.
//! * `key skipped` (`WARN`): a JSON Web Key Set contains a key that the verifier cannot use.
//!   Fields: `issuer`, `kid` and `reason`.
//! * `keys fetched` (`INFO`): the keys of an issuer were fetched and are other ones than before.
//!   Fields: `issuer`; `keys`, how many can be used; `skipped`, how many cannot.
//! * `keys not fetched: the last ones are still used` (`WARN`) and `keys not fetched: there are
//!   none` (`ERROR`): the keys of an issuer could not be fetched. Its tokens are answered with 503
//!   if there are none. Fields: `issuer` and `error`, with the likely cause.
//! * `keys stale` (`ERROR`): the keys of an issuer could not be refreshed for `max_stale`, and are no
//!   longer used. Fields: `issuer` and `max_stale`.
//! * `no token can have the required scope` (`ERROR`): [`scope`](crate::guard::scope) was called
//!   with a text that is no scope, so that its requirement rejects every request with 403. Fields:
//!   `scope`, the text, and `remedy`.
//! * `handler misconfigured` (`ERROR`): an axum handler extracts a `VerifiedToken` or a
//!   `RevocationWatch` that no layer has put into the request, which is answered with 500. Fields:
//!   `asked`, the extracted type; `found`, the types of the tokens in the request; `anonymous`, the
//!   token types of the layers that allowed the request without a token; `error`, with the remedy.
//! * `request allowed although the store failed` (`WARN`): the setting
//!   `insecure_allow_on_store_failure` allowed a request.
//!
//! The logout endpoint performs its own check, which is reported like any other. Requests with a
//! method other than `POST` are not checked.
#![cfg_attr(not(all(feature = "tracing", feature = "metrics")), allow(unused_variables, clippy::unused_self))]

mod check;
#[cfg(feature = "oidc")]
mod introspection;
#[cfg(feature = "receivers")]
mod receiver;
mod region;
mod replica;
#[cfg(feature = "receivers")]
mod security_events;
mod store;
#[cfg(feature = "tracing")]
mod throttle;
mod verifier;

#[cfg(feature = "axum")]
use std::error::Error;

pub(crate) use check::{Check, Passed, scope_impossible, stream_ended, token_lacks_claim};
#[cfg(feature = "oidc")]
pub(crate) use introspection::{introspected, introspection_failed};
#[cfg(feature = "receivers")]
pub(crate) use receiver::{MessageOutcome, message, message_not_judged, message_refused};
pub(crate) use region::{region_available, region_freshness, region_unavailable};
pub(crate) use replica::{cursor_lost, log_failed, log_lost, replica_freshness, replica_loaded, resent};
#[cfg(feature = "receivers")]
pub(crate) use security_events::{event_ignored, polling_again, polling_failed, stream_status};
pub(crate) use store::{Revoked, hook_failed, hook_skipped, live_revocations, revoked, revoked_in_vain, store_failed};
#[cfg(feature = "redb")]
pub(crate) use store::{revocation_file_back, revocation_file_lost};
#[cfg(feature = "tracing")]
pub(crate) use throttle::Throttle;
#[cfg(feature = "jwt")]
pub(crate) use verifier::{key_skipped, keys_fetched, keys_not_fetched, keys_stale};
pub(crate) use verifier::{not_verified, rejected_by_configuration, verifier_failed};

/// Without events there is nothing to throttle.
#[cfg(not(feature = "tracing"))]
#[derive(Debug, Default)]
pub(crate) struct Throttle;

/// Reports that an extractor did not find the type `asked`. `found` are the types of the tokens in
/// the request, `anonymous` those without which layers have allowed it.
#[cfg(feature = "axum")]
pub(crate) fn misconfigured(asked: &str, found: &[&str], anonymous: &[&str], error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::error!(asked, ?found, ?anonymous, %error, "handler misconfigured");
}

/// Instruments a future that runs on its own task with the caller's span.
#[cfg(feature = "tracing")]
pub(crate) fn in_span<F: Future>(work: F) -> tracing::instrument::Instrumented<F> {
    tracing::Instrument::in_current_span(work)
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn in_span<F: Future>(work: F) -> F {
    work
}
