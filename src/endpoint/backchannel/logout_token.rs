//! [`Settings::judge`]: what an authentic logout token ends.

use std::time::Duration;

use super::{
    claims::LogoutClaims,
    refused::Refused,
    settings::{Client, DatedBy, Settings},
};
use crate::{
    clock::Timestamp,
    endpoint::report::Report,
    revocation::{Retention, RevocationKey},
    token::jwt::{SignedMessage, read_identifier},
};

/// A message that the issuer has signed, and what is known of it besides.
pub(super) struct Authentic {
    pub(super) message: SignedMessage,
    /// Whether only the algorithms set for a client allow that of the signature.
    pub(super) needs_algorithm_of_client: bool,
    pub(super) was_encrypted: bool,
}

/// The present time, by the clock of the verifier.
#[derive(Clone, Copy)]
pub(super) struct Present {
    pub(super) now: Timestamp,
    /// The latest `iat` of tokens that the issuer may have issued up to now.
    pub(super) issued_until: Timestamp,
}

impl Settings {
    /// Judges the claims, and returns what they report.
    pub(super) fn judge(&self, authentic: &Authentic, present: Present) -> Result<Report, Refused> {
        let Authentic { message, .. } = authentic;
        if self.decrypt.is_some() && !authentic.was_encrypted && !self.allow_unencrypted {
            return Err(Refused::NotEncrypted);
        }
        let claims = LogoutClaims::read(&message.claims).map_err(|_| Refused::Claims)?;
        if claims.nonce.is_some() {
            return Err(Refused::Nonce);
        }
        if !claims.events.is_logout {
            return Err(Refused::Event);
        }
        if message.issuer.as_deref().is_some_and(|issuer| *issuer != *claims.iss) {
            return Err(Refused::Issuer);
        }
        self.judge_recipient(&claims, authentic)?;
        let valid_until = self.judge_dates(&claims, message.retention, present.now)?;
        if claims.iss.is_empty() || claims.jti.is_empty() {
            return Err(Refused::Empty);
        }
        let issued_through = match self.dated_by {
            DatedBy::Delivery => present.issued_until.max(claims.iat),
            DatedBy::IssueOfLogoutToken => claims.iat,
        };
        let revocations = self.named(&claims, message)?.into_iter().map(|key| (key, issued_through)).collect();
        // Nodes whose clock is behind accept it for longer.
        let remembered_until = message.retention.of_token(valid_until);
        Ok(Report { message: Some((message.key, remembered_until)), revocations })
    }

    fn judge_recipient(&self, claims: &LogoutClaims<'_>, authentic: &Authentic) -> Result<(), Refused> {
        let audiences = claims.aud.as_slice();
        let is_client = |client: &&Client| audiences.iter().any(|aud| **aud == *client.id);
        let mut recipients = self.clients.iter().filter(is_client).peekable();
        let is_authorized = |azp: &str| audiences.len() < 2 || self.clients.iter().any(|client| *client.id == *azp);
        if recipients.peek().is_none() || !claims.azp.as_deref().is_none_or(is_authorized) {
            return Err(Refused::Audience);
        }
        let Authentic { message, needs_algorithm_of_client, .. } = authentic;
        let allows = |client: &Client| match &client.algorithms {
            Some(algorithms) => algorithms.contains(&message.algorithm),
            None => !needs_algorithm_of_client,
        };
        if recipients.any(allows) { Ok(()) } else { Err(Refused::Algorithm) }
    }

    /// Returns until when the token is accepted.
    fn judge_dates(
        &self,
        claims: &LogoutClaims<'_>,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Timestamp, Refused> {
        if !retention.accepts_issued_at(claims.iat, now)
            || claims.nbf.is_some_and(|nbf| !retention.accepts_not_before(nbf, now))
        {
            return Err(Refused::NotYetValid);
        }
        let [with_expiry, without_expiry] = self.max_age;
        let (expires_at, max_age) = match claims.exp {
            Some(exp) => (exp, with_expiry),
            None if self.allow_missing_expiry => (Timestamp::MAX, without_expiry),
            None => return Err(Refused::NoExpiry),
        };
        // The clock of the issuer may be behind.
        let accepted_until = |expires_at: Timestamp| retention.latest_present(expires_at);
        let outdated_at = claims.iat.saturating_add(max_age);
        if now >= accepted_until(expires_at) {
            return Err(Refused::Expired);
        }
        if now >= accepted_until(outdated_at) {
            return Err(Refused::TooOld);
        }
        Ok(accepted_until(expires_at.min(outdated_at)))
    }

    /// The keys that the token names: that of its session, or of its subject if it has no session.
    fn named(&self, claims: &LogoutClaims<'_>, message: &SignedMessage) -> Result<Vec<RevocationKey>, Refused> {
        if [&claims.sid, &claims.sub].into_iter().flatten().any(|name| name.is_empty()) {
            return Err(Refused::Empty);
        }
        if claims.sid.is_none() && claims.sub.is_none() {
            return Err(Refused::NoName);
        }
        let session = claims.sid.as_deref().map(|sid| RevocationKey::session(&*claims.iss, sid));
        let subject = || subject(claims, message).ok_or(Refused::NoSubject);
        Ok(match session {
            None => vec![subject()?],
            Some(session) if self.always_end_subject => vec![session, subject()?],
            Some(session) => vec![session],
        })
    }
}

/// The key of the subject, by the claim that names it in the issuer's tokens.
fn subject(claims: &LogoutClaims<'_>, message: &SignedMessage) -> Option<RevocationKey> {
    if message.subject_claim == "sub" {
        return claims.sub.as_deref().map(|sub| RevocationKey::subject(&*claims.iss, sub));
    }
    let subject = read_identifier(&message.claims, &message.subject_claim).ok().flatten()?;
    (!subject.text.is_empty()).then(|| RevocationKey::subject(&*claims.iss, &subject.text))
}

/// For tokens with an expiry, and for tokens without one.
pub(super) const DEFAULT_MAX_AGE: [Duration; 2] = [Duration::from_secs(24 * 60 * 60), Duration::from_secs(5 * 60)];
