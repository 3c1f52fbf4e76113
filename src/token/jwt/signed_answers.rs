//! [`SignedAnswers`]: introspection answers that the authorization server signs (RFC 9701).

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::Handle;

use crate::{
    clock::{Clock, Timestamp},
    fetch::Fetch,
    token::{
        VerifyError,
        json_value::{JsonStr, OneOrMore},
        jwt::{
            ConfigError, InvalidToken, Issuer,
            build::Common,
            issuer_settings::IssuerSettings,
            json::object,
            jws::{Buffer, Jws},
            key_source::FetchSettings,
            trusted_issuer::{TrustedIssuer, Unproven},
        },
        numeric_date,
    },
};

/// Verifies answers that are JWTs.
#[derive(Debug)]
pub(in crate::token) struct SignedAnswers {
    signer: TrustedIssuer,
}

/// The reason why a signed answer cannot be used.
#[derive(Debug)]
pub(in crate::token) enum UnacceptableAnswer {
    /// It is not a JWT of the right type that one of the keys has signed.
    Jwt(InvalidToken),
    /// There are no keys to verify it with.
    NoKeys(VerifyError),
    /// Its claims are not those of RFC 9701.
    Claims,
    /// It was signed by another issuer.
    Issuer,
    /// It is meant for another resource server.
    Audience,
    /// It was issued before the request was sent, or in the future.
    IssuedAt,
}

/// The claims of RFC 9701, section 5.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    iss: JsonStr<'a>,
    #[serde(borrow)]
    aud: OneOrMore<JsonStr<'a>>,
    #[serde(with = "numeric_date")]
    iat: Timestamp,
    #[serde(borrow)]
    token_introspection: &'a RawValue,
}

impl SignedAnswers {
    /// Creates a verifier of answers that this issuer signs, for this audience unless the issuer
    /// has other ones. If its keys are fetched, this client does it, unless the issuer has its own.
    ///
    /// # Errors
    ///
    /// If the settings are incomplete or contradictory, or if keys must be fetched and the caller
    /// is outside a Tokio runtime.
    pub(in crate::token) fn new(
        issuer: Issuer,
        audience: Option<String>,
        clock_skew: Duration,
        clock: Arc<dyn Clock>,
        client: Arc<dyn Fetch>,
    ) -> Result<Self, ConfigError> {
        let fetching = FetchSettings { client: Some(client), ..FetchSettings::default() };
        let (settings, revision) = (IssuerSettings::default(), Arc::default());
        let runtime = Handle::try_current().ok();
        let common = Common { settings, fetching, clock_skew, clock, revision, runtime };
        let signer = issuer.of_documents(TYPE, audience).into_trusted(&common)?;
        Ok(Self { signer })
    }

    /// Verifies an answer to a request that was sent at this time, and returns its member
    /// `token_introspection`. If new keys of the issuer may change the result, they are waited for.
    pub(in crate::token) async fn verify(
        &self,
        jwt: &str,
        sent: Timestamp,
        now: Timestamp,
    ) -> Result<String, UnacceptableAnswer> {
        let jws = Jws::split(jwt).map_err(UnacceptableAnswer::Jwt)?;
        if let Err(Unproven::NewKey(_) | Unproven::NoKeys) = self.signer.authenticate(&jws)
            && let Some(progress) = self.signer.progress()
        {
            progress.next().await;
        }
        match self.signer.authenticate(&jws) {
            Ok(()) => self.read(&jws, sent, now),
            Err(Unproven::Invalid(reason) | Unproven::NewKey(reason)) => Err(UnacceptableAnswer::Jwt(reason)),
            Err(Unproven::NoKeys) => Err(UnacceptableAnswer::NoKeys(self.signer.no_keys())),
        }
    }

    /// Reads an answer that the issuer has signed.
    fn read(&self, jws: &Jws<'_>, sent: Timestamp, now: Timestamp) -> Result<String, UnacceptableAnswer> {
        let policy = self.signer.policy();
        let mut buffer = Buffer::new();
        let payload = jws.payload(&mut buffer).map_err(UnacceptableAnswer::Jwt)?;
        let payload = str::from_utf8(payload).map_err(|_| UnacceptableAnswer::Claims)?;
        let claims: Claims<'_> = object(payload).map_err(|_| UnacceptableAnswer::Claims)?;
        if policy.issuer() != Some(&claims.iss) {
            return Err(UnacceptableAnswer::Issuer);
        }
        if !policy.accepts_audience(Some(&claims.aud)) {
            return Err(UnacceptableAnswer::Audience);
        }
        let retention = policy.retention();
        // `iat` is in whole seconds, rounded down.
        let latest = claims.iat.saturating_add(retention.clock_skew()).saturating_add(Duration::from_secs(1));
        if !retention.accepts_issued_at(claims.iat, now) || latest < sent {
            return Err(UnacceptableAnswer::IssuedAt);
        }
        Ok(claims.token_introspection.get().to_owned())
    }
}

const TYPE: &str = "token-introspection+jwt";
