//! [`TokenIdentity`]: the revocation-relevant facts about a token.

use std::fmt;

use crate::{
    clock::Timestamp,
    revocation::{KeyKind, Retention, RevocationKey},
};

/// The revocation-relevant facts about a token: its keys, issue time and expiry.
///
/// It contains only hashes and times, no claims, and may be logged.
///
/// # Examples
///
/// A custom verifier creates one for each token that it has verified:
///
/// ```
/// use tower_logout::{clock::Timestamp, revocation::{Retention, RevocationKey, TokenIdentity}};
///
/// let issuer = "https://matar.app";
/// let issued_at = Timestamp::from_unix_seconds(1_458_785_796);
/// let expires_at = Timestamp::from_unix_seconds(1_458_872_196);
/// let own_key = RevocationKey::token_id(issuer, "4f2a");
/// let token = TokenIdentity::new(own_key, issued_at, expires_at, &Retention::default())
///     .carries(RevocationKey::subject(issuer, "usr_123"));
/// assert_eq!(token.keys().len(), 3); // its own key, its subject's, and that of all tokens
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct TokenIdentity {
    /// The token's own key comes first, the key of all tokens second.
    keys: Vec<RevocationKey>,
    issued_at: Timestamp,
    expires_at: Timestamp,
    accepted_until: Timestamp,
    retain_until: Timestamp,
}

impl TokenIdentity {
    /// Creates the identity of a token that carries its own key and the [key of all
    /// tokens](RevocationKey::everything).
    ///
    /// `retention` is the policy of the token's issuer; its leeway determines until when the token
    /// is accepted. Pass [`Timestamp::MIN`] as `issued_at` if the token has no `iat`; every
    /// revocation then applies to it.
    #[must_use]
    pub fn new(own: RevocationKey, issued_at: Timestamp, expires_at: Timestamp, retention: &Retention) -> Self {
        let mut keys = Vec::with_capacity(TYPICAL_KEYS);
        keys.extend([own, RevocationKey::everything()]);
        let (accepted_until, retain_until) = (retention.accepted_until(expires_at), retention.of_token(expires_at));
        Self { keys, issued_at, expires_at, accepted_until, retain_until }
    }

    /// Adds a key. Revoking it also revokes this token.
    #[must_use]
    pub fn carries(mut self, key: RevocationKey) -> Self {
        self.add(key);
        self
    }

    pub(crate) fn add(&mut self, key: RevocationKey) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    /// Returns the key that identifies this token alone.
    #[must_use]
    pub fn own_key(&self) -> RevocationKey {
        self.keys[0]
    }

    /// Returns all keys that the token carries. The token is revoked if any of them is.
    #[must_use]
    pub fn keys(&self) -> &[RevocationKey] {
        &self.keys
    }

    /// Returns the first key of this kind, if the token carries one.
    #[must_use]
    pub fn key(&self, kind: KeyKind) -> Option<RevocationKey> {
        self.keys.iter().copied().find(|key| key.kind() == kind)
    }

    /// Returns when the token was issued (`iat`), or [`Timestamp::MIN`] if that is unknown.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// Returns when the token expires (`exp`), without leeway.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Returns the first instant at which the verifier no longer accepts the token: its expiry plus
    /// the leeway.
    #[must_use]
    pub fn accepted_until(&self) -> Timestamp {
        self.accepted_until
    }

    /// Returns the instant from which a revocation of the token may be removed, because no verifier
    /// accepts the token any more.
    #[must_use]
    pub fn retain_until(&self) -> Timestamp {
        self.retain_until
    }
}

impl fmt::Debug for TokenIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, issued_at, expires_at, retain_until, .. } = self;
        f.debug_struct("TokenIdentity")
            .field("keys", keys)
            .field("issued_at", issued_at)
            .field("expires_at", expires_at)
            .field("retain_until", retain_until)
            .finish()
    }
}

impl AsRef<Self> for TokenIdentity {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// The token's own key, and those of all tokens, the issuer, the subject, the session and the
/// client.
const TYPICAL_KEYS: usize = 6;
