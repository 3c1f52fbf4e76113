use std::{fmt, sync::OnceLock};

use crate::token::jwt::{
    Algorithm, InvalidToken, Key, KeySet,
    jws::{Header, Jws, Signature},
};

/// The keys of a running verifier, and the header that each has verified first.
///
/// Issuers put the same header on all tokens of a key, so nearly every token has one that need not be read again. Only what a key has
/// verified is remembered, once for each key.
#[derive(Debug)]
pub(super) struct Keyring(Box<[Trusted]>);

struct Trusted {
    key: Key,
    header: OnceLock<Known>,
}

struct Known {
    encoded: Box<str>,
    algorithm: Algorithm,
}

impl Keyring {
    pub(super) fn new(keys: KeySet) -> Self {
        Self(keys.into_iter().map(|key| Trusted { key, header: OnceLock::new() }).collect())
    }

    /// Whether one of the keys has signed the token, and its header asks for nothing that is not understood or allowed.
    pub(super) fn authenticate(
        &self,
        jws: &Jws<'_>,
        allows_type: impl FnOnce(Option<&str>) -> bool,
    ) -> Result<(), InvalidToken> {
        let mut room = Signature::new();
        let signature = jws.signature(&mut room)?;
        let has_signed =
            |trusted: &Trusted, algorithm| trusted.key.verify(algorithm, jws.signing_input.as_bytes(), signature);
        let known = self.0.iter().find_map(|trusted| Some((trusted, trusted.algorithm_of(jws.header)?)));
        if known.is_some_and(|(trusted, algorithm)| has_signed(trusted, algorithm)) {
            return Ok(());
        }
        let header = jws.decode_header()?;
        let header = Header::parse(&header)?;
        let algorithm = header.algorithm()?;
        let was_tried = |trusted: &Trusted| known.is_some_and(|(tried, _)| std::ptr::eq(tried, trusted));
        let mut candidates =
            self.0.iter().filter(|trusted| trusted.key.may_verify(algorithm, header.kid()) && !was_tried(trusted));
        let signer = candidates.find(|trusted| has_signed(trusted, algorithm)).ok_or(InvalidToken::Signature)?;
        if !allows_type(header.typ()) {
            return Err(InvalidToken::Type);
        }
        signer.header.get_or_init(|| Known { encoded: jws.header.into(), algorithm });
        Ok(())
    }
}

impl fmt::Debug for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl Trusted {
    fn algorithm_of(&self, header: &str) -> Option<Algorithm> {
        self.header.get().filter(|known| *known.encoded == *header).map(|known| known.algorithm)
    }
}
