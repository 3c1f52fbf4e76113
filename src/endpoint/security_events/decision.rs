//! [`Decision`]: what a security event ends.

use super::{EventKind, SecurityEvent};
use crate::{endpoint::SubjectIdentifier, revocation::RevocationKey};

/// What a security event ends.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// Nothing. The event is acknowledged.
    Ignore,
    /// The tokens of what the subject names most narrowly: the token, the session or the device,
    /// and otherwise the user, a group or a tenant.
    Narrowest,
    /// All tokens of the user whom the subject names. If it names none, those of what it names.
    User,
    /// The tokens with these keys. None ends nothing.
    Keys(Vec<RevocationKey>),
    /// Nothing, and the transmitter is told that it may not report this (`access_denied`). The
    /// whole security event token is refused.
    Deny,
}

impl SecurityEvent {
    /// Returns what the event ends by default.
    ///
    /// | event | ends |
    /// |---|---|
    /// | `session-revoked` | the session, or else all tokens of the user |
    /// | `token-claims-change` about one token (`jwt_id`) | that token |
    /// | `credential-change` with `change_type` `revoke` or `delete`, or `update` of a password | all tokens of the user |
    /// | `account-disabled`, `account-purged`, `account-credential-change-required`, `credential-compromise`, `sessions-revoked` | all tokens of the user |
    /// | `identifier-recycled` | all tokens of the user who had the identifier |
    /// | any other | nothing |
    ///
    /// No event ever allows a token again that was revoked.
    #[must_use]
    pub fn default_decision(&self) -> Decision {
        match self.kind() {
            EventKind::SessionRevoked => Decision::Narrowest,
            EventKind::TokenClaimsChange if self.names_token() => Decision::Narrowest,
            EventKind::CredentialChange if self.ends_credential() => Decision::User,
            EventKind::AccountDisabled
            | EventKind::AccountPurged
            | EventKind::AccountCredentialChangeRequired
            | EventKind::CredentialCompromise
            | EventKind::SessionsRevoked
            | EventKind::IdentifierRecycled => Decision::User,
            EventKind::TokenClaimsChange
            | EventKind::CredentialChange
            | EventKind::AssuranceLevelChange
            | EventKind::DeviceComplianceChange
            | EventKind::SessionEstablished
            | EventKind::SessionPresented
            | EventKind::RiskLevelChange
            | EventKind::AccountEnabled
            | EventKind::IdentifierChanged
            | EventKind::OptIn
            | EventKind::OptOutInitiated
            | EventKind::OptOutCancelled
            | EventKind::OptOutEffective
            | EventKind::RecoveryActivated
            | EventKind::RecoveryInformationChanged
            | EventKind::Verification
            | EventKind::StreamUpdated
            | EventKind::Other => Decision::Ignore,
        }
    }

    fn names_token(&self) -> bool {
        let Some(subject) = self.subject() else { return false };
        let mut all = subject.simple().into_iter().chain(subject.members().map(|(_, identifier)| identifier));
        all.any(|identifier| matches!(identifier, SubjectIdentifier::JwtId { .. }))
    }

    fn ends_credential(&self) -> bool {
        match self.member("change_type") {
            Some("revoke" | "delete") => true,
            Some("update") => self.member("credential_type") == Some("password"),
            _ => false,
        }
    }
}
