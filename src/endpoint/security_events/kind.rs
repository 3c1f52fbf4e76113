//! [`EventKind`]: the types of security events.

use std::fmt;

/// The type of a security event, as the Shared Signals Framework (SSF) 1.0, CAEP 1.0 and RISC 1.0
/// define it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A session has ended (CAEP 1.0, section 3.1).
    SessionRevoked,
    /// Claims of tokens have changed (CAEP 1.0, section 3.2).
    TokenClaimsChange,
    /// A credential was created, revoked, updated or deleted (CAEP 1.0, section 3.3).
    CredentialChange,
    /// The assurance of an authentication has changed (CAEP 1.0, section 3.4).
    AssuranceLevelChange,
    /// A device has become compliant, or no longer is (CAEP 1.0, section 3.5).
    DeviceComplianceChange,
    /// A session has begun (CAEP 1.0, section 3.6).
    SessionEstablished,
    /// A session is in use (CAEP 1.0, section 3.7).
    SessionPresented,
    /// The risk of a user, a device or a session has changed (CAEP 1.0, section 3.8).
    RiskLevelChange,
    /// The user must change a credential (RISC 1.0, section 2.1).
    AccountCredentialChangeRequired,
    /// The account was deleted for good (RISC 1.0, section 2.2).
    AccountPurged,
    /// The account was disabled (RISC 1.0, section 2.3).
    AccountDisabled,
    /// The account was enabled (RISC 1.0, section 2.4).
    AccountEnabled,
    /// An email address or a telephone number of the user has changed (RISC 1.0, section 2.5).
    IdentifierChanged,
    /// An email address or a telephone number belongs to another user now (RISC 1.0, section 2.6).
    IdentifierRecycled,
    /// A credential of the user is known to others (RISC 1.0, section 2.7).
    CredentialCompromise,
    /// The user takes part in the exchange of events (RISC 1.0, section 2.8.1).
    OptIn,
    /// The user is about to leave the exchange of events (RISC 1.0, section 2.8.2).
    OptOutInitiated,
    /// The user stays in the exchange of events (RISC 1.0, section 2.8.3).
    OptOutCancelled,
    /// The user has left the exchange of events (RISC 1.0, section 2.8.4).
    OptOutEffective,
    /// The user has begun to recover the account (RISC 1.0, section 2.9).
    RecoveryActivated,
    /// The data for a recovery of the account have changed (RISC 1.0, section 2.10).
    RecoveryInformationChanged,
    /// All sessions of the user have ended (RISC 1.0, section 2.11, deprecated there).
    SessionsRevoked,
    /// The transmitter shows that the stream works (SSF 1.0, section 8.1.4).
    Verification,
    /// The status of the stream has changed (SSF 1.0, section 8.1.5).
    StreamUpdated,
    /// Any other type. [`SecurityEvent::uri`](super::SecurityEvent::uri) names it.
    Other,
}

impl EventKind {
    /// Returns the kind of event that a URI names, or [`Other`](Self::Other).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::endpoint::security_events::EventKind;
    ///
    /// let uri = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    /// assert_eq!(EventKind::of_uri(uri), EventKind::SessionRevoked);
    /// assert_eq!(EventKind::SessionRevoked.uri(), Some(uri.to_owned()));
    /// ```
    #[must_use]
    pub fn of_uri(uri: &str) -> Self {
        let Some((family, name)) = uri.strip_prefix(SCHEMAS).and_then(|rest| rest.split_once(EVENT_TYPE)) else {
            return Self::Other;
        };
        // The events about streams had other names in drafts, which Google sends.
        let family = if matches!(family, "sse" | "risc") && STREAM_EVENTS.contains(&name) { "ssf" } else { family };
        KINDS.iter().find(|(_, own, its)| *own == family && *its == name).map_or(Self::Other, |(kind, ..)| *kind)
    }

    /// Returns the URI of the type, for a request for such events, or `None` for
    /// [`Other`](Self::Other).
    #[must_use]
    pub fn uri(self) -> Option<String> {
        let (_, family, name) = KINDS.iter().find(|(kind, ..)| *kind == self)?;
        Some(format!("{SCHEMAS}{family}{EVENT_TYPE}{name}"))
    }

    /// Returns the last part of the URI, such as `session-revoked`, or `other`.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("other", |(_, _, name)| name)
    }

    /// Whether the event is about a session, so that a subject without a role may name one.
    pub(super) const fn is_about_session(self) -> bool {
        matches!(self, Self::SessionRevoked | Self::SessionEstablished | Self::SessionPresented)
    }

    /// The events of which some end tokens by default.
    pub(super) const ACTED_ON: [Self; 9] = [
        Self::SessionRevoked,
        Self::TokenClaimsChange,
        Self::CredentialChange,
        Self::AccountCredentialChangeRequired,
        Self::AccountPurged,
        Self::AccountDisabled,
        Self::IdentifierRecycled,
        Self::CredentialCompromise,
        Self::SessionsRevoked,
    ];
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

const SCHEMAS: &str = "https://schemas.openid.net/secevent/";
const EVENT_TYPE: &str = "/event-type/";
const STREAM_EVENTS: [&str; 2] = ["verification", "stream-updated"];

const KINDS: [(EventKind, &str, &str); 24] = [
    (EventKind::SessionRevoked, "caep", "session-revoked"),
    (EventKind::TokenClaimsChange, "caep", "token-claims-change"),
    (EventKind::CredentialChange, "caep", "credential-change"),
    (EventKind::AssuranceLevelChange, "caep", "assurance-level-change"),
    (EventKind::DeviceComplianceChange, "caep", "device-compliance-change"),
    (EventKind::SessionEstablished, "caep", "session-established"),
    (EventKind::SessionPresented, "caep", "session-presented"),
    (EventKind::RiskLevelChange, "caep", "risk-level-change"),
    (EventKind::AccountCredentialChangeRequired, "risc", "account-credential-change-required"),
    (EventKind::AccountPurged, "risc", "account-purged"),
    (EventKind::AccountDisabled, "risc", "account-disabled"),
    (EventKind::AccountEnabled, "risc", "account-enabled"),
    (EventKind::IdentifierChanged, "risc", "identifier-changed"),
    (EventKind::IdentifierRecycled, "risc", "identifier-recycled"),
    (EventKind::CredentialCompromise, "risc", "credential-compromise"),
    (EventKind::OptIn, "risc", "opt-in"),
    (EventKind::OptOutInitiated, "risc", "opt-out-initiated"),
    (EventKind::OptOutCancelled, "risc", "opt-out-cancelled"),
    (EventKind::OptOutEffective, "risc", "opt-out-effective"),
    (EventKind::RecoveryActivated, "risc", "recovery-activated"),
    (EventKind::RecoveryInformationChanged, "risc", "recovery-information-changed"),
    (EventKind::SessionsRevoked, "risc", "sessions-revoked"),
    (EventKind::Verification, "ssf", "verification"),
    (EventKind::StreamUpdated, "ssf", "stream-updated"),
];
