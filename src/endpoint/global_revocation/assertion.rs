//! [`AssertionVerifier`]: the signed token that authenticates a request.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::{authenticator::Denied, refused::Refused};
use crate::{
    clock::{Clock, Timestamp},
    revocation::{Retention, RevocationKey},
    token::{
        json_value::{JsonStr, OneOrMore},
        jwt::{Accepted, MessageVerifier, Unsigned, object},
        numeric_date,
    },
};

/// Verifies assertions of a provider for this endpoint.
pub(super) struct AssertionVerifier {
    pub(super) messages: MessageVerifier,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) issuer: Arc<str>,
    /// The application at the provider (`sub`).
    pub(super) subject: String,
    /// The URL of this endpoint (`aud`).
    pub(super) endpoint: String,
}

/// An assertion that authenticates a request.
#[derive(Debug)]
pub(super) struct Assertion {
    /// Identifies it, however its signature is spelled.
    pub(super) key: RevocationKey,
    pub(super) issuer: Arc<str>,
    pub(super) issued_at: Timestamp,
    /// From when no node accepts it any more.
    pub(super) outdated_at: Timestamp,
}

impl AssertionVerifier {
    pub(super) async fn verify(&self, token: &str) -> Result<Assertion, Denied> {
        let accepted = Accepted { types: &TYPES, allow_no_type: true, algorithms: None };
        let message = self.messages.authenticate(token, accepted).await.map_err(|unsigned| match unsigned {
            Unsigned::Invalid(reason) => Refused::Assertion(reason).into(),
            Unsigned::Unavailable(error) => Denied::NotJudged(error),
        })?;
        let claims: Claims<'_> = object(&message.claims).map_err(|_| Refused::Claims)?;
        let outdated_at = self.judge(&claims, message.retention)?;
        // The clocks of other nodes may be behind.
        let outdated_at = message.retention.of_token(outdated_at);
        Ok(Assertion { key: message.key, issuer: Arc::clone(&self.issuer), issued_at: claims.iat, outdated_at })
    }

    /// Returns from when the assertion is not accepted here any more.
    fn judge(&self, claims: &Claims<'_>, retention: Retention) -> Result<Timestamp, Refused> {
        if *claims.iss != *self.issuer {
            return Err(Refused::Issuer);
        }
        if *claims.sub != *self.subject {
            return Err(Refused::Application);
        }
        if !claims.aud.as_slice().iter().any(|aud| **aud == *self.endpoint) {
            return Err(Refused::Audience);
        }
        if claims.jti.is_empty() {
            return Err(Refused::Claims);
        }
        let now = self.clock.now();
        if !retention.accepts_issued_at(claims.iat, now)
            || claims.nbf.is_some_and(|nbf| !retention.accepts_not_before(nbf, now))
        {
            return Err(Refused::NotYetValid);
        }
        // The clock of the provider may be behind.
        let outdated_at = retention.latest_present(claims.exp);
        if now >= outdated_at {
            return Err(Refused::Expired);
        }
        if claims.exp.saturating_since(claims.iat) > MAX_LIFETIME {
            return Err(Refused::TooLongLived);
        }
        Ok(outdated_at)
    }
}

#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    iss: JsonStr<'a>,
    #[serde(borrow)]
    sub: JsonStr<'a>,
    #[serde(borrow)]
    aud: OneOrMore<JsonStr<'a>>,
    #[serde(borrow)]
    jti: JsonStr<'a>,
    #[serde(with = "numeric_date")]
    iat: Timestamp,
    #[serde(with = "numeric_date")]
    exp: Timestamp,
    #[serde(default, with = "numeric_date::optional")]
    nbf: Option<Timestamp>,
}

/// Okta's, or none in particular. The type of an access token is another one.
const TYPES: [&str; 2] = ["global-token-revocation+jwt", "JWT"];

/// Okta's live for five minutes.
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(10 * 60);
