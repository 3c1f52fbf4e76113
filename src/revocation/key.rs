//! [`RevocationKey`]: identifies the tokens that a revocation covers.

use std::{fmt, str::FromStr, sync::LazyLock};

use crate::revocation::{InvalidRevocationKey, KeyKind, hash::sha256_of_name};

/// Identifies the tokens that a revocation covers: one byte of [`KeyKind`], then 120 bits of
/// SHA-256.
///
/// A key reveals nothing that a client or an issuer wrote, so stores and logs may contain it. It is
/// a pseudonym, not a secret: anyone who guesses a subject can recognise its key.
///
/// The hash covers the byte of the kind and then each part of the name: a zero byte for an absent
/// part; otherwise a one byte, the length of the part as eight bytes, most significant first, and
/// the part. No two names have the same preimage.
///
/// The text form, of [`Display`](fmt::Display) and [`FromStr`], has 32 hexadecimal digits. With the
/// feature `serde`, a key is its text form in human-readable formats and 16 bytes otherwise.
///
/// # Examples
///
/// ```
/// use tower_logout::revocation::{KeyKind, RevocationKey};
///
/// let key = RevocationKey::subject("https://matar.app", "usr_123");
/// assert_eq!(key.kind(), KeyKind::Subject);
/// assert_ne!(key, RevocationKey::subject("https://other.example", "usr_123"));
/// assert_eq!(key.to_string().parse(), Ok(key));
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RevocationKey([u8; Self::LEN]);

impl RevocationKey {
    /// The length of a key in bytes.
    pub const LEN: usize = 16;

    /// Returns the key of a single token, identified by its issuer and `jti`.
    #[must_use]
    pub fn token_id<'a>(issuer: impl Into<Option<&'a str>>, jti: &str) -> Self {
        Self::new(KeyKind::TokenId, &[issuer.into(), Some(jti)])
    }

    /// Returns the key of a single token, identified by the part that its signature covers:
    /// `header.payload`, exactly as signed.
    ///
    /// Never pass the whole text of a JWT: anyone can rewrite an ECDSA signature `(r, s)` as `(r,
    /// n-s)`, which verifies as well. An opaque token (RFC 7662) is identified by its whole text.
    #[must_use]
    pub fn signing_input(text: &str) -> Self {
        Self::new(KeyKind::SigningInput, &[Some(text)])
    }

    /// Returns the key of all tokens of a session (`sid`).
    #[must_use]
    pub fn session<'a>(issuer: impl Into<Option<&'a str>>, sid: &str) -> Self {
        Self::new(KeyKind::Session, &[issuer.into(), Some(sid)])
    }

    /// Returns the key of all tokens of a subject (`sub`).
    #[must_use]
    pub fn subject<'a>(issuer: impl Into<Option<&'a str>>, sub: &str) -> Self {
        Self::new(KeyKind::Subject, &[issuer.into(), Some(sub)])
    }

    /// Returns the key of all tokens of a client (`client_id` or `azp`).
    #[must_use]
    pub fn client<'a>(issuer: impl Into<Option<&'a str>>, client_id: &str) -> Self {
        Self::new(KeyKind::Client, &[issuer.into(), Some(client_id)])
    }

    /// Returns the key of all tokens of an issuer (`iss`).
    #[must_use]
    pub fn issuer(issuer: &str) -> Self {
        Self::new(KeyKind::Issuer, &[Some(issuer)])
    }

    /// Returns the key of all tokens.
    #[must_use]
    pub fn everything() -> Self {
        static EVERYTHING: LazyLock<RevocationKey> = LazyLock::new(|| RevocationKey::new(KeyKind::Everything, &[]));
        *EVERYTHING
    }

    /// Returns the key of all tokens in which the claim `name` has this value.
    #[must_use]
    pub fn claim<'a>(issuer: impl Into<Option<&'a str>>, name: &str, value: &str) -> Self {
        Self::new(KeyKind::Claim, &[issuer.into(), Some(name), Some(value)])
    }

    /// Restores a key from its bytes, or returns `None` if the first byte is not a [`KeyKind`].
    ///
    /// `TryFrom` does the same and returns an error.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Self> {
        if KeyKind::from_byte(bytes[0]).is_none() {
            return None;
        }
        Some(Self(bytes))
    }

    /// Returns the bytes of the key, as stores keep them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Returns what the key identifies.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        // Every constructor ensures that the first byte is a kind.
        match KeyKind::from_byte(self.0[0]) {
            Some(kind) => kind,
            None => unreachable!(),
        }
    }

    fn new(kind: KeyKind, parts: &[Option<&str>]) -> Self {
        let hash = sha256_of_name(kind as u8, parts);
        let mut key = [0; Self::LEN];
        key[0] = kind as u8;
        key[1..].copy_from_slice(&hash.as_ref()[..Self::LEN - 1]);
        Self(key)
    }
}

impl fmt::Display for RevocationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for RevocationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind())
    }
}

impl FromStr for RevocationKey {
    type Err = InvalidRevocationKey;

    /// Parses the 32 hexadecimal digits that [`Display`](fmt::Display) prints, in upper or lower
    /// case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 2 * Self::LEN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidRevocationKey::Form);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| InvalidRevocationKey::Form)?;
        number.to_be_bytes().try_into()
    }
}

impl TryFrom<[u8; Self::LEN]> for RevocationKey {
    type Error = InvalidRevocationKey;

    fn try_from(bytes: [u8; Self::LEN]) -> Result<Self, Self::Error> {
        Self::from_bytes(bytes).ok_or(InvalidRevocationKey::UnknownKind)
    }
}
