use crate::chain::debug_as_chain;

/// Error of parsing a [`RevocationKey`](crate::revocation::RevocationKey) or a
/// [`KeyKind`](crate::revocation::KeyKind) from text or bytes.
#[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRevocationKey {
    /// The length or a character is wrong.
    #[error("a revocation key has 32 hexadecimal digits, or 16 bytes")]
    Form,
    /// The kind is not a [`KeyKind`](crate::revocation::KeyKind) that this version of the crate
    /// knows.
    #[error(
        "unknown kind of revocation key: a newer version of this crate has written it, or it is not a revocation key"
    )]
    UnknownKind,
}

debug_as_chain!(InvalidRevocationKey);
