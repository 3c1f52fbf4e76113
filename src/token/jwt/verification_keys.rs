//! [`VerificationKeys`]: signature checks with the keys of an issuer.

use std::{fmt, ptr, sync::OnceLock};

#[cfg(feature = "receivers")]
use crate::token::jwt::signed_messages::Accepted;
use crate::{
    telemetry,
    token::jwt::{
        Algorithm, ConfigError, InvalidToken, Key, KeySet,
        jws::{Buffer, Header, Jws},
        policy::Policy,
        trusted_issuer::Unproven,
    },
};

/// The keys of an issuer, each with the first header that it has verified.
///
/// All tokens that are signed with a key usually have the same header, so most headers need not be
/// parsed.
#[derive(Debug)]
pub(super) struct VerificationKeys(Box<[VerificationKey]>);

struct VerificationKey {
    key: Key,
    verified: OnceLock<VerifiedHeader>,
}

struct VerifiedHeader {
    encoded: Box<str>,
    algorithm: Algorithm,
}

impl VerificationKeys {
    /// # Errors
    ///
    /// If there are no keys, too many, or none of an allowed algorithm.
    pub(super) fn new(keys: KeySet, policy: &Policy) -> Result<Self, ConfigError> {
        if keys.is_empty() {
            return Err(ConfigError::NoKeys);
        }
        if keys.len() > policy.max_keys() {
            return Err(ConfigError::TooManyKeys { keys: keys.len(), max_keys: policy.max_keys() });
        }
        policy.allows_one_of(&keys)?;
        for skipped in keys.skipped() {
            let reason = skipped.reason();
            telemetry::key_skipped(policy.issuer(), skipped.kid(), reason.code(), reason);
        }
        Ok(Self(keys.into_iter().map(|key| VerificationKey { key, verified: OnceLock::new() }).collect()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Checks that one of the keys has signed the token, and that its header has no unknown
    /// critical extension, and an allowed algorithm and type.
    pub(super) fn authenticate(&self, jws: &Jws<'_>, policy: &Policy) -> Result<(), Unproven> {
        let mut buffer = Buffer::new();
        let signature = jws.signature(&mut buffer)?;
        let message = jws.signing_input.as_bytes();
        let known = self.0.iter().find_map(|own| Some((own, own.algorithm_of(jws.header)?)));
        if known.is_some_and(|(own, algorithm)| own.key.verify(algorithm, message, signature)) {
            return Ok(());
        }
        let mut buffer = Buffer::new();
        let header = Header::parse(jws.decode_header(&mut buffer)?)?;
        let algorithm = header.algorithm()?;
        if !policy.allows_algorithm(algorithm) {
            return Err(InvalidToken::AlgorithmNotAllowed.into());
        }
        let tried = known.map(|(own, _)| own);
        let signer = self.signer(jws, &header, algorithm, signature, tried)?;
        if !policy.allows_type(header.typ()) {
            return Err(InvalidToken::Type.into());
        }
        signer.verified.get_or_init(|| VerifiedHeader { encoded: jws.header.into(), algorithm });
        Ok(())
    }
}

impl VerificationKeys {
    /// Checks that one of the keys has signed a message that is not a token, and that its header
    /// has no unknown critical extension, and an accepted algorithm and type. Returns the
    /// algorithm.
    #[cfg(feature = "receivers")]
    pub(super) fn authenticate_message(
        &self,
        jws: &Jws<'_>,
        policy: &Policy,
        accepted: Accepted<'_>,
    ) -> Result<Algorithm, Unproven> {
        let mut buffer = Buffer::new();
        let signature = jws.signature(&mut buffer)?;
        let mut buffer = Buffer::new();
        let header = Header::parse(jws.decode_header(&mut buffer)?)?;
        let algorithm = header.algorithm()?;
        let is_accepted = match accepted.algorithms {
            Some(accepted) => accepted.contains(&algorithm),
            None => policy.allows_algorithm(algorithm),
        };
        if !is_accepted {
            return Err(InvalidToken::AlgorithmNotAllowed.into());
        }
        if !accepted.accepts_type(header.typ()) {
            return Err(InvalidToken::Type.into());
        }
        self.signer(jws, &header, algorithm, signature, None)?;
        Ok(algorithm)
    }

    /// Finds the key that has made this signature, except one that was tried.
    fn signer(
        &self,
        jws: &Jws<'_>,
        header: &Header<'_>,
        algorithm: Algorithm,
        signature: &[u8],
        tried: Option<&VerificationKey>,
    ) -> Result<&VerificationKey, Unproven> {
        let was_tried = |own: &VerificationKey| tried.is_some_and(|tried| ptr::eq(tried, own));
        let mut candidates = self.0.iter().filter(|own| own.key.may_verify(algorithm, header.kid()) && !was_tried(own));
        candidates
            .find(|own| own.key.verify(algorithm, jws.signing_input.as_bytes(), signature))
            .ok_or_else(|| self.no_signer(header.kid()))
    }

    /// The reason why none of the keys has signed a token with this `kid`. A forged token with the
    /// `kid` of one of the keys must not cause a request to the issuer.
    fn no_signer(&self, kid: Option<&str>) -> Unproven {
        match kid {
            None => Unproven::NewKey(InvalidToken::Signature),
            Some(kid) if self.0.iter().any(|own| own.key.kid() == Some(kid)) => {
                Unproven::Invalid(InvalidToken::Signature)
            }
            Some(_) => Unproven::NewKey(InvalidToken::UnknownKey),
        }
    }
}

impl VerificationKey {
    /// The algorithm of an encoded header, if it is the header that was verified.
    fn algorithm_of(&self, header: &str) -> Option<Algorithm> {
        self.verified.get().filter(|known| *known.encoded == *header).map(|known| known.algorithm)
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}
