//! [`Receiver`]: takes security event tokens, however they are delivered.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    Decision, EventKind, SecurityEvent,
    health::{Observed, StreamStatus},
    mapping::Mapping,
    refusal::{NotReceived, Refusal},
    token::{EventToken, Expected},
    verification::Verifications,
};
use crate::{
    clock::Timestamp,
    endpoint::report::{Report, Reports, Taken},
    revocation::{Retention, RevocationKey},
    revoker::{Revoker, Source},
    telemetry::{self, MessageOutcome, Throttle},
    token::{
        VerifyError,
        jwt::{Accepted, MessageVerifier, SignedMessage, Unsigned},
    },
};

pub(super) type Decide = Arc<dyn Fn(&SecurityEvent) -> Decision + Send + Sync>;

/// Takes security event tokens of a transmitter.
pub(super) struct Receiver {
    pub(super) messages: MessageVerifier,
    pub(super) issuer: Arc<str>,
    pub(super) audiences: Vec<String>,
    pub(super) revoker: Revoker,
    /// The bounds of the tokens that the verifier accepts.
    pub(super) retention: Retention,
    pub(super) max_age: Duration,
    pub(super) mapping: Mapping,
    pub(super) decide: Decide,
    pub(super) critical_members: Vec<String>,
    /// Whether revocations are dated by the time of the event.
    pub(super) by_event_time: bool,
    pub(super) verifications: Verifications,
    pub(super) observed: Observed,
    pub(super) throttle: Arc<Throttle>,
}

/// What a security event token ends.
struct Effect {
    revocations: Vec<(RevocationKey, Timestamp)>,
    by: Option<&'static str>,
    because: Vec<&'static str>,
}

impl Receiver {
    /// Takes a security event token. `Ok` means that the store has what it reports, or that it
    /// reports nothing that is to be revoked.
    pub(super) async fn receive(&self, text: &str, deadline: Instant) -> Result<(), NotReceived> {
        let result = self.outcome(text, deadline).await;
        match &result {
            Ok(outcome) => telemetry::message(RECEIVER, *outcome),
            Err(NotReceived::Refused(refusal)) => self.report_refused(refusal),
            Err(NotReceived::Unavailable) => {}
        }
        result.map(drop)
    }

    /// Reports and counts a message that is refused.
    pub(super) fn report_refused(&self, refusal: &Refusal) {
        telemetry::message_refused(&self.throttle, RECEIVER, refusal.reason(), refusal.remedy(), refusal);
    }

    /// Reports and counts a message that could not be judged.
    fn unavailable(&self, error: &VerifyError) -> NotReceived {
        telemetry::message_not_judged(&self.throttle, RECEIVER, error);
        NotReceived::Unavailable
    }

    async fn outcome(&self, text: &str, deadline: Instant) -> Result<MessageOutcome, NotReceived> {
        if text.len() > MAX_LEN {
            return Err(Refusal::Malformed("it is longer than 64 KiB").into());
        }
        let accepted = Accepted { types: &[TYPE], allow_no_type: false, algorithms: None };
        let message = match timeout_at(deadline, self.messages.authenticate(text, accepted)).await {
            Ok(Ok(message)) => message,
            Ok(Err(Unsigned::Invalid(reason))) => return Err(Refusal::Unsigned(reason).into()),
            Ok(Err(Unsigned::Unavailable(error))) => return Err(self.unavailable(&error)),
            Err(late) => return Err(self.unavailable(&VerifyError::unavailable(late))),
        };
        let now = self.revoker.own_clock().now();
        let token = EventToken::read(
            &message.claims,
            Expected {
                issuer: &self.issuer,
                audiences: &self.audiences,
                max_age: self.max_age,
                retention: &self.retention,
                now,
            },
        )?;
        self.observed.event(now);
        self.take(&token, &message, deadline).await
    }

    async fn take(
        &self,
        token: &EventToken<'_>,
        message: &SignedMessage,
        deadline: Instant,
    ) -> Result<MessageOutcome, NotReceived> {
        let events = token.events.iter().map(|(uri, json)| SecurityEvent::read(uri, json, token.subject));
        let events = events.collect::<Result<Vec<_>, _>>()?;
        let Effect { revocations, by, because } = match timeout_at(deadline, self.effect(token, message, &events)).await
        {
            Ok(effect) => effect?,
            Err(late) => return Err(self.unavailable(&VerifyError::unavailable(late))),
        };
        if revocations.is_empty() {
            return Ok(MessageOutcome::Ignored);
        }
        let mut revoker = self.revoker.clone().because(because.join(", "));
        if let Some(by) = by {
            revoker = revoker.by(by);
        }
        // As long as it is accepted.
        let until = token.issued_at.saturating_add(self.max_age).saturating_add(self.retention.clock_skew());
        let report = Report { message: Some((message.key, until.saturating_add(MARGIN))), revocations };
        match (Reports { revoker }).take(report, deadline).await {
            Ok(Taken::First) => Ok(MessageOutcome::Taken),
            Ok(Taken::Again) => Ok(MessageOutcome::Repeated),
            Err(_) => {
                telemetry::message(RECEIVER, MessageOutcome::Unavailable);
                Err(NotReceived::Unavailable)
            }
        }
    }

    /// Determines what the events end, and from what time on tokens are not affected.
    async fn effect(
        &self,
        token: &EventToken<'_>,
        message: &SignedMessage,
        events: &[SecurityEvent],
    ) -> Result<Effect, NotReceived> {
        let mut effect = Effect { revocations: Vec::new(), by: None, because: Vec::new() };
        let revocable = self.revoker.own_revocable();
        for event in events {
            match event.kind() {
                EventKind::Verification => self.verified(event).await?,
                EventKind::StreamUpdated => self.stream_updated(event, token.issued_at),
                _ => {}
            }
            let critical = [&self.critical_members[..], &message.critical_subject_members[..]];
            let has_resolver = self.mapping.resolve.is_some();
            if event
                .subject()
                .is_some_and(|subject| critical.iter().any(|critical| subject.has_unprocessed(critical, has_resolver)))
            {
                telemetry::event_ignored(&self.throttle, event.kind().name(), "critical_member", Some(CRITICAL));
                continue;
            }
            let decision = (self.decide)(event);
            if decision == Decision::Deny {
                return Err(Refusal::Denied.into());
            }
            let keys = self.mapping.keys(event, decision, &revocable).await;
            let keys = match keys.map_err(|error| self.unavailable(&VerifyError::unavailable(error)))? {
                Ok(keys) => keys,
                Err(unmapped) => {
                    let (reason, remedy) = (unmapped.reason(), unmapped.remedy());
                    telemetry::event_ignored(&self.throttle, event.kind().name(), reason, remedy);
                    continue;
                }
            };
            if !keys.is_empty() {
                effect.revocations.extend(keys.into_iter().map(|key| (key, self.issued_through(key, event, token))));
                effect.by = effect.by.or(event.initiating_entity());
                effect.because.push(event.kind().name());
            }
        }
        Ok(effect)
    }

    /// The issue time up to which tokens with this key are revoked.
    fn issued_through(&self, key: RevocationKey, event: &SecurityEvent, token: &EventToken<'_>) -> Timestamp {
        // One read of the clock, before the message is looked up.
        let now = self.revoker.now();
        if key.kind().is_of_one_token() {
            return self.retention.latest_present(now);
        }
        if !self.by_event_time {
            return now.max(token.issued_at);
        }
        let happened_at = event.timestamp().or(token.happened_at).unwrap_or(token.issued_at);
        let latest = now.saturating_add(self.retention.clock_skew());
        happened_at.saturating_add(self.revoker.own_clock_ahead()).min(latest)
    }

    /// A verification without `state` was not asked for, and is accepted (Shared Signals Framework
    /// 1.0, section 8.1.4.1).
    async fn verified(&self, event: &SecurityEvent) -> Result<(), NotReceived> {
        if !event.has_member("state") {
            return Ok(());
        }
        let state = event.member("state").ok_or(Refusal::State)?;
        match self.verifications.arrived(state).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::State.into()),
            Err(_) => {
                telemetry::message(RECEIVER, MessageOutcome::Unavailable);
                Err(NotReceived::Unavailable)
            }
        }
    }

    fn stream_updated(&self, event: &SecurityEvent, at: Timestamp) {
        let status = event.member("status").and_then(StreamStatus::of_name);
        if let Some(status) = status
            && self.observed.status(status, at)
        {
            telemetry::stream_status(&self.issuer, status.name());
        }
    }
}

/// The longest security event token.
pub(super) const MAX_LEN: usize = 64 * 1024;
const RECEIVER: &str = Source::SecurityEvent.name();
const TYPE: &str = "secevent+jwt";
/// `iat` is in whole seconds, and a retention must not end with the last moment.
const MARGIN: Duration = Duration::from_secs(1);
const CRITICAL: &str = "the transmitter calls a member of the subject critical that is not understood here: map it with resolve(), \
                        or discard such events knowingly";
