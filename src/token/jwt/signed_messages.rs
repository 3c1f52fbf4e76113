//! [`MessageVerifier`]: signed messages of issuers that are not tokens, such as logout tokens.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    revocation::{Retention, RevocationKey},
    token::{
        VerifyError,
        jwt::{
            Algorithm, InvalidToken,
            jws::{Buffer, Jws},
            tenants::NotATenant,
            trusted_issuer::{TrustedIssuer, Unproven},
        },
    },
};

/// Verifies signed messages of the issuers of a verifier, such as logout tokens, with the keys that
/// also verify its tokens. It is for the endpoints that receive such messages.
///
/// A custom verifier that consists of a [`JwtVerifier`](crate::JwtVerifier) and code of its own
/// passes on that of the former: see
/// [`TokenVerifier::messages`](crate::token::TokenVerifier::messages).
#[derive(Clone)]
pub struct MessageVerifier(Arc<dyn VerifyMessages>);

/// The messages that a receiver accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted<'a> {
    /// The media types (`typ`), without `application/` in front.
    pub(crate) types: &'a [&'a str],
    /// Whether a message may have no media type.
    pub(crate) allow_no_type: bool,
    /// The algorithms, or `None` for those of the issuer's tokens.
    pub(crate) algorithms: Option<&'a [Algorithm]>,
}

/// A message that one of the issuers has signed. Nothing else of it has been checked.
#[derive(Debug)]
pub(crate) struct SignedMessage {
    /// The claims: a text that is expected to be a JSON object.
    pub(crate) claims: String,
    /// The name of the issuer that has signed it, or `None` if the keys sign for any issuer.
    pub(crate) issuer: Option<String>,
    pub(crate) algorithm: Algorithm,
    /// Identifies the message, however its signature is spelled.
    pub(crate) key: RevocationKey,
    /// The requirements for tokens of the issuer.
    pub(crate) retention: Retention,
    /// The claim that names the subject of the issuer's tokens, usually `sub`.
    pub(crate) subject_claim: String,
    /// The members of complex subjects that the metadata of the issuer calls critical (Shared
    /// Signals Framework 1.0, section 7.1).
    pub(crate) critical_subject_members: Arc<[String]>,
}

#[derive(Debug)]
pub(crate) enum Unsigned {
    /// None of the issuers has signed it, or it is no such message.
    Invalid(InvalidToken),
    /// It could not be determined whether one of the issuers has signed it.
    Unavailable(VerifyError),
}

#[async_trait]
pub(super) trait VerifyMessages: Send + Sync + 'static {
    /// Checks that an issuer has signed the message. If new keys of the issuer may change the
    /// result, they are waited for.
    async fn authenticate(&self, message: &str, accepted: Accepted<'_>) -> Result<SignedMessage, Unsigned>;
}

impl MessageVerifier {
    pub(super) fn new(messages: Arc<dyn VerifyMessages>) -> Self {
        Self(messages)
    }

    /// Checks that an issuer has signed the message.
    pub(crate) async fn authenticate(&self, message: &str, accepted: Accepted<'_>) -> Result<SignedMessage, Unsigned> {
        self.0.authenticate(message, accepted).await
    }
}

impl Accepted<'_> {
    pub(super) fn accepts_type(&self, typ: Option<&str>) -> bool {
        typ.map_or(self.allow_no_type, |typ| self.types.iter().any(|accepted| accepted.eq_ignore_ascii_case(typ)))
    }
}

impl From<InvalidToken> for Unsigned {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(reason)
    }
}

impl From<NotATenant> for Unsigned {
    fn from(reason: NotATenant) -> Self {
        match reason {
            NotATenant::Invalid(reason) => Self::Invalid(reason),
            NotATenant::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// Checks that this issuer has signed the message.
pub(super) async fn authenticate(
    issuer: &TrustedIssuer,
    message: &str,
    accepted: Accepted<'_>,
) -> Result<SignedMessage, Unsigned> {
    let jws = Jws::split(message)?;
    let mut result = issuer.authenticate_message(&jws, accepted);
    if let Err(Unproven::NewKey(_) | Unproven::NoKeys) = result
        && let Some(progress) = issuer.progress()
    {
        progress.next().await;
        result = issuer.authenticate_message(&jws, accepted);
    }
    let algorithm = result.map_err(|unproven| match unproven {
        Unproven::Invalid(reason) | Unproven::NewKey(reason) => Unsigned::Invalid(reason),
        Unproven::NoKeys => Unsigned::Unavailable(issuer.no_keys()),
    })?;
    let mut buffer = Buffer::new();
    let claims = str::from_utf8(jws.payload(&mut buffer)?).map_err(|_| InvalidToken::Claims)?;
    let policy = issuer.policy();
    Ok(SignedMessage {
        claims: claims.to_owned(),
        issuer: policy.issuer().map(str::to_owned),
        algorithm,
        key: RevocationKey::signing_input(jws.signing_input),
        retention: policy.retention(),
        subject_claim: policy.settings().subject_claim().to_owned(),
        critical_subject_members: issuer.progress().map(|progress| progress.critical_members()).unwrap_or_default(),
    })
}

#[async_trait]
impl VerifyMessages for TrustedIssuer {
    async fn authenticate(&self, message: &str, accepted: Accepted<'_>) -> Result<SignedMessage, Unsigned> {
        authenticate(self, message, accepted).await
    }
}

impl fmt::Debug for MessageVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageVerifier").finish_non_exhaustive()
    }
}
