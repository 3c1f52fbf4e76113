//! [`RevocationKey`]: what a revocation is filed under.

use std::{fmt, sync::LazyLock};

use sha2::{Digest, Sha256};

/// What a [`RevocationKey`] stands for.
///
/// The discriminant is the key's first byte, in memory and in every store.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
#[repr(u8)]
pub enum KeyKind {
    /// One token, by its issuer and `jti` (RFC 7519, section 4.1.7).
    TokenId = 1,
    /// One token without a `jti`, by the bytes its signature covers.
    SigningInput = 2,
    /// All tokens of one session: `sid` (OpenID Connect Front-Channel Logout 1.0, section 3).
    Session = 3,
    /// All tokens of one subject: `sub`.
    Subject = 4,
    /// All tokens of one client: `client_id` (RFC 8693, section 4.3) or `azp` (OpenID Connect Core 1.0).
    Client = 5,
    /// All tokens of one issuer: `iss`.
    Issuer = 6,
    /// All tokens.
    Everything = 7,
    /// All tokens with one value of a claim that the application names.
    Claim = 8,
}

impl KeyKind {
    /// All kinds, in the order of their discriminants, which count from one.
    pub const ALL: [Self; 8] = [
        Self::TokenId,
        Self::SigningInput,
        Self::Session,
        Self::Subject,
        Self::Client,
        Self::Issuer,
        Self::Everything,
        Self::Claim,
    ];

    /// Whether a key of this kind stands for a single token.
    #[must_use]
    pub const fn is_of_one_token(self) -> bool {
        matches!(self, Self::TokenId | Self::SigningInput)
    }

    /// The kind's name in logs and metrics: `token`, `session`, `subject`, `client`, `issuer`, `everything`, `claim`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenId | Self::SigningInput => "token",
            Self::Session => "session",
            Self::Subject => "subject",
            Self::Client => "client",
            Self::Issuer => "issuer",
            Self::Everything => "everything",
            Self::Claim => "claim",
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        if byte == 0 || byte as usize > Self::ALL.len() {
            return None;
        }
        Some(Self::ALL[byte as usize - 1])
    }
}

/// What a revocation is filed under: one byte of [`KeyKind`], then 120 bits of SHA-256.
///
/// Nothing that a client or an issuer wrote can be read from a key, so stores and logs may hold it. It is a pseudonym, not a secret: who guesses
/// a subject can recognise its key. The hash covers
/// the kind's byte and then each part of the name: a zero byte for an absent part, or a one byte, the part's length
/// as eight bytes, most significant first, and the part itself. No two names share that text.
///
/// # Examples
///
/// ```
/// use tower_logout::{KeyKind, RevocationKey};
///
/// let key = RevocationKey::subject("https://matar.app", "usr_123");
/// assert_eq!(key.kind(), KeyKind::Subject);
/// assert_ne!(key, RevocationKey::subject("https://other.example", "usr_123"));
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RevocationKey([u8; Self::LEN]);

impl RevocationKey {
    /// The length of a key in bytes.
    pub const LEN: usize = 16;

    /// One token, by its issuer and `jti`.
    #[must_use]
    pub fn token_id<'a>(issuer: impl Into<Option<&'a str>>, jti: &str) -> Self {
        Self::new(KeyKind::TokenId, &[issuer.into(), Some(jti)])
    }

    /// One token, by what its signature covers: `header.payload`, exactly as signed.
    ///
    /// Never the whole text of a token: an ECDSA signature `(r, s)` can be re-spelled as `(r, n-s)` by anyone, and still verifies.
    /// For an opaque token (RFC 7662) the whole text is the only name it has.
    #[must_use]
    pub fn signing_input(text: &str) -> Self {
        Self::new(KeyKind::SigningInput, &[Some(text)])
    }

    /// All tokens of a session (`sid`).
    #[must_use]
    pub fn session<'a>(issuer: impl Into<Option<&'a str>>, sid: &str) -> Self {
        Self::new(KeyKind::Session, &[issuer.into(), Some(sid)])
    }

    /// All tokens of a subject (`sub`).
    #[must_use]
    pub fn subject<'a>(issuer: impl Into<Option<&'a str>>, sub: &str) -> Self {
        Self::new(KeyKind::Subject, &[issuer.into(), Some(sub)])
    }

    /// All tokens of a client (`client_id` or `azp`).
    #[must_use]
    pub fn client<'a>(issuer: impl Into<Option<&'a str>>, client_id: &str) -> Self {
        Self::new(KeyKind::Client, &[issuer.into(), Some(client_id)])
    }

    /// All tokens of an issuer (`iss`).
    #[must_use]
    pub fn issuer(issuer: &str) -> Self {
        Self::new(KeyKind::Issuer, &[Some(issuer)])
    }

    /// All tokens there are.
    #[must_use]
    pub fn everything() -> Self {
        static EVERYTHING: LazyLock<RevocationKey> = LazyLock::new(|| RevocationKey::new(KeyKind::Everything, &[]));
        *EVERYTHING
    }

    /// All tokens in which the claim `name` has this value.
    #[must_use]
    pub fn claim<'a>(issuer: impl Into<Option<&'a str>>, name: &str, value: &str) -> Self {
        Self::new(KeyKind::Claim, &[issuer.into(), Some(name), Some(value)])
    }

    /// A key as a store has kept it, or `None` if the first byte is no [`KeyKind`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Self> {
        if KeyKind::from_byte(bytes[0]).is_none() {
            return None;
        }
        Some(Self(bytes))
    }

    /// The key as a store keeps it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// What the key stands for.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        // No constructor makes a key whose first byte is no kind.
        match KeyKind::from_byte(self.0[0]) {
            Some(kind) => kind,
            None => unreachable!(),
        }
    }

    fn new(kind: KeyKind, parts: &[Option<&str>]) -> Self {
        let mut text = Preimage { short: [0; Preimage::SHORT], len: 0, long: None };
        text.push(&[kind as u8]);
        for part in parts {
            match part {
                None => text.push(&[0]),
                Some(part) => {
                    text.push(&[1]);
                    text.push(&(part.len() as u64).to_be_bytes());
                    text.push(part.as_bytes());
                }
            }
        }
        let mut key = [0; Self::LEN];
        key[0] = kind as u8;
        key[1..].copy_from_slice(&text.hash()[..Self::LEN - 1]);
        Self(key)
    }
}

/// What a key is the hash of. An issuer and an identifier, as they commonly are, are hashed in one go.
struct Preimage {
    short: [u8; Self::SHORT],
    len: usize,
    long: Option<Sha256>,
}

impl Preimage {
    const SHORT: usize = 128;

    fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.short.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        } else {
            let hash = self.long.get_or_insert_default();
            hash.update(&self.short[..self.len]);
            hash.update(bytes);
            self.len = 0;
        }
    }

    fn hash(self) -> [u8; 32] {
        let rest = &self.short[..self.len];
        match self.long {
            None => Sha256::digest(rest),
            Some(hash) => hash.chain_update(rest).finalize(),
        }
        .into()
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
