//! The refresh token in the body of a logout request.

use http_body::Body;
use tokio::time::Instant;

use crate::{
    endpoint::body::{self, Unreadable},
    guard::Identify,
    respond::Rejection,
    revocation::{KeyKind, TokenIdentity},
    telemetry::Throttle,
};

/// Reads the refresh token from a request's body, `{"refresh_token":"…"}`, and verifies it.
///
/// Returns `None` if there is none, or if it has expired. If it is invalid, or belongs to another
/// subject, the whole request is invalid.
pub(super) async fn identify<B: Body>(
    body: B,
    max_len: usize,
    verifier: &dyn Identify,
    access: &TokenIdentity,
    deadline: Instant,
    throttle: &Throttle,
) -> Result<Option<TokenIdentity>, Rejection> {
    #[derive(serde::Deserialize)]
    struct Document {
        refresh_token: Option<String>,
    }
    let json = body::read(body, max_len, deadline).await.map_err(|unreadable| match unreadable {
        Unreadable::Late => Rejection::Unavailable,
        Unreadable::TooLong | Unreadable::Broken => Rejection::InvalidRequest,
    })?;
    if json.is_empty() {
        return Ok(None);
    }
    let document: Document = serde_json::from_slice(&json).map_err(|_| Rejection::InvalidRequest)?;
    let Some(token) = document.refresh_token else { return Ok(None) };
    match verifier.identify(&token, deadline, throttle).await {
        Ok(refresh) if same_subject(&refresh, access) => Ok(Some(refresh)),
        Err(Rejection::Expired) => Ok(None),
        Err(Rejection::Unavailable) => Err(Rejection::Unavailable),
        Ok(_) | Err(_) => Err(Rejection::InvalidRefreshToken),
    }
}

fn same_subject(one: &TokenIdentity, other: &TokenIdentity) -> bool {
    match (one.key(KeyKind::Subject), other.key(KeyKind::Subject)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}
