//! [`VerificationKeys`]: signature checks with the keys of an issuer.

use std::{fmt, ptr, sync::OnceLock};

use crate::token::jwt::{
    Algorithm, InvalidToken, Key, KeySet,
    jws::{Buffer, Header, Jws},
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
    pub(super) fn new(keys: KeySet) -> Self {
        Self(keys.into_iter().map(|key| VerificationKey { key, verified: OnceLock::new() }).collect())
    }

    /// Checks that one of the keys has signed the token, and that its header has no unknown
    /// critical extension and an allowed type.
    pub(super) fn authenticate(
        &self,
        jws: &Jws<'_>,
        allows_type: impl FnOnce(Option<&str>) -> bool,
    ) -> Result<(), InvalidToken> {
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
        let was_tried = |own: &VerificationKey| known.is_some_and(|(tried, _)| ptr::eq(tried, own));
        let mut candidates = self.0.iter().filter(|own| own.key.may_verify(algorithm, header.kid()) && !was_tried(own));
        let signer =
            candidates.find(|own| own.key.verify(algorithm, message, signature)).ok_or(InvalidToken::Signature)?;
        if !allows_type(header.typ()) {
            return Err(InvalidToken::Type);
        }
        signer.verified.get_or_init(|| VerifiedHeader { encoded: jws.header.into(), algorithm });
        Ok(())
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
