//! [`SecurityEventsBuilder`]: the configuration of a receiver of security events.

use std::{fmt, sync::Arc, time::Duration};

use tower::BoxError;

use super::{
    Decision, SecurityEvent, SecurityEvents, SecurityEventsError, UnmappedSubject,
    authorization::Expected,
    health::Observed,
    mapping::Mapping,
    receiver::{Decide, Receiver},
    service::Shared,
    transmitter::Transmitter,
    verification::Verifications,
};
use crate::{
    revocation::{Retention, RevocationKey},
    revoker::Revoker,
    token::jwt::Issuer,
};

/// Builder of [`SecurityEvents`], from
/// [`Logout::security_events`](crate::Logout::security_events).
#[must_use = "a builder does nothing until `build` is called"]
pub struct SecurityEventsBuilder {
    issuer: Issuer,
    revoker: Revoker,
    retention: Retention,
    authorization: Option<String>,
    max_age: Duration,
    timeout: Duration,
    mapping: Mapping,
    decide: Decide,
    critical_members: Vec<String>,
    by_event_time: bool,
}

impl SecurityEventsBuilder {
    pub(crate) fn new(issuer: Issuer, revoker: Revoker, retention: Retention) -> Self {
        Self {
            issuer,
            revoker,
            retention,
            authorization: None,
            max_age: SecurityEvents::DEFAULT_MAX_AGE,
            timeout: SecurityEvents::DEFAULT_TIMEOUT,
            mapping: Mapping::default(),
            decide: Arc::new(SecurityEvent::default_decision),
            critical_members: Vec::new(),
            by_event_time: false,
        }
    }

    /// Accepts events that are pushed only with this value of the header `Authorization`: that of
    /// `authorization_header` in the configuration of the stream, including the scheme, such as
    /// `Bearer 6mVZ…`. It is compared as a whole, in constant time. Default: events are accepted
    /// by the signature alone.
    ///
    /// It keeps strangers from causing work. Whether an event is authentic is decided by its
    /// signature in any case.
    pub fn authorization(self, value: impl Into<String>) -> Self {
        Self { authorization: Some(value.into()), ..self }
    }

    /// Sets the issuer of identifiers that name none (`opaque`). Default: the issuer of the
    /// verifier, if it is the only one.
    pub fn subjects_of(mut self, issuer: impl Into<String>) -> Self {
        self.mapping.subjects_of = Some(issuer.into());
        self
    }

    /// Sets what finds the revocation keys of subjects that tokens do not name in the same way,
    /// such as an email address, a telephone number, a device or a tenant. Default: none, so that
    /// events about such subjects end nothing, and are reported.
    ///
    /// The closure is asked once for each identifier. If it returns no key, the application knows
    /// nobody of that name, and the event is acknowledged. If it returns an error, or takes longer
    /// than the [timeout](Self::timeout), the event is not, and comes again.
    pub fn resolve<F, Resolving, E>(mut self, resolve: F) -> Self
    where
        F: Fn(UnmappedSubject) -> Resolving + Send + Sync + 'static,
        Resolving: Future<Output = Result<Vec<RevocationKey>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.mapping.resolve = Some(Arc::new(move |subject| {
            let resolving = resolve(subject);
            Box::pin(async move { resolving.await.map_err(Into::into) })
        }));
        self
    }

    /// Sets what an event ends. Default: [`SecurityEvent::default_decision`], which a closure calls
    /// for the events that it does not decide itself.
    ///
    /// It must return at once. It may be asked again about an event that is delivered again.
    pub fn decide(self, decide: impl Fn(&SecurityEvent) -> Decision + Send + Sync + 'static) -> Self {
        Self { decide: Arc::new(decide), ..self }
    }

    /// Names members of complex subjects that must not be ignored, besides those that the metadata
    /// of the transmitter names (`critical_subject_members`).
    ///
    /// `user` and `session` are understood, and the other known members if there is a
    /// [`resolve`](Self::resolve). An event whose subject has another critical member ends nothing,
    /// is acknowledged, and is reported.
    pub fn critical_subject_members(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.critical_members.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets how old a security event token may be (`iat`). Default: 7 days. It is remembered for as
    /// long, so that it takes effect once.
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    /// Sets how long reading and taking a security event token may take before the answer is 503.
    /// Default: 5 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Revokes only the tokens that were issued up to the time of the event: its `event_timestamp`,
    /// or else `toe`, or else `iat`. By default, tokens that were issued until it arrives are
    /// revoked as well.
    ///
    /// A transmitter signs an event after it has happened, and the provider may issue tokens in
    /// between, which then stay valid. Use this only if the transmitter delivers events hours after
    /// they happened, and those who have signed in since must not be signed out again. A time in
    /// the future counts as the present, so no event can end tokens that are yet to be issued.
    pub fn allow_tokens_issued_after_event(self) -> Self {
        Self { by_event_time: true, ..self }
    }

    /// Validates the configuration and builds the receiver. If the keys of the transmitter are
    /// fetched, that begins now; until they are there, events are answered with 503.
    ///
    /// # Errors
    ///
    /// [`SecurityEventsError`], which names the remedy, if the configuration is incomplete or
    /// contradictory, or if keys must be fetched and the caller is outside a Tokio runtime.
    pub fn build(self) -> Result<SecurityEvents, SecurityEventsError> {
        let audiences = self.issuer.audiences().to_vec();
        if audiences.is_empty() {
            return Err(SecurityEventsError::NoAudience);
        }
        for (what, is_zero) in [("max_age", self.max_age.is_zero()), ("timeout", self.timeout.is_zero())] {
            if is_zero {
                return Err(SecurityEventsError::Zero(what));
            }
        }
        if self.mapping.subjects_of.as_deref() == Some("") {
            return Err(SecurityEventsError::Unusable("subjects_of()"));
        }
        let authorization = match self.authorization {
            Some(value) => Some(Expected::new(&value).ok_or(SecurityEventsError::Unusable("authorization()"))?),
            None => None,
        };
        let issuer: Arc<str> = self.issuer.name().into();
        let transmitter = Transmitter {
            issuer: Arc::clone(&issuer),
            client: self.issuer.client(),
            allow_http_on_loopback: self.issuer.allows_http_on_loopback(),
        };
        let clock = Arc::clone(self.revoker.own_clock());
        let messages = self.issuer.into_messages(self.retention.clock_skew(), clock);
        let verifications =
            Verifications { issuer: Arc::clone(&issuer), revoker: self.revoker.clone(), arrived: Arc::default() };
        let receiver = Receiver {
            messages: messages.map_err(SecurityEventsError::of_transmitter)?,
            issuer,
            audiences,
            revoker: self.revoker,
            retention: self.retention,
            max_age: self.max_age,
            mapping: self.mapping,
            decide: self.decide,
            critical_members: self.critical_members,
            by_event_time: self.by_event_time,
            verifications,
            observed: Observed::default(),
            throttle: Arc::default(),
        };
        let (receiver, transmitter) = (Arc::new(receiver), Arc::new(transmitter));
        let shared = Shared { receiver, transmitter, authorization, timeout: self.timeout };
        Ok(SecurityEvents { shared: Arc::new(shared) })
    }
}

/// Without the expected authorization.
impl fmt::Debug for SecurityEventsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityEventsBuilder")
            .field("issuer", &self.issuer)
            .field("max_age", &self.max_age)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
