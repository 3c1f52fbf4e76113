//! The users of the tests. How tokens are verified does not depend on a framework, so tokens are
//! names here.

use async_trait::async_trait;
use tower_logout::{
    Logout, MemoryStore, VerifiedToken,
    clock::Timestamp,
    revocation::{Retention, RevocationKey, TokenIdentity},
    token::{TokenVerifier, VerifyError},
};

/// The token that is valid.
pub(crate) const ANN: &str = "ann";

/// The claims: the token's user.
pub(crate) struct User(pub(crate) String);

pub(crate) fn logout() -> Logout<User> {
    Logout::new(Names, MemoryStore::new())
}

struct Names;

#[async_trait]
impl TokenVerifier for Names {
    type Claims = User;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<User>, VerifyError> {
        if token != ANN {
            return Err(VerifyError::invalid("nobody has this name"));
        }
        let (key, retention) = (RevocationKey::token_id(None, token), Retention::default());
        let identity = TokenIdentity::new(key, Timestamp::MIN, EXPIRY, &retention);
        Ok(VerifiedToken::new(identity, User(token.to_owned())))
    }
}

/// In the year 2100.
const EXPIRY: Timestamp = Timestamp::from_unix_seconds(4_102_444_800);
