//! The refresh token in the body of a logout request.

use std::pin::pin;

use bytes::{Buf, BufMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::{
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
    let json = timeout_at(deadline, read(body, max_len)).await.unwrap_or(Err(Rejection::Unavailable))?;
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

async fn read<B: Body>(body: B, max_len: usize) -> Result<Vec<u8>, Rejection> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.as_mut().frame().await {
        let Ok(data) = frame.map_err(|_| Rejection::InvalidRequest)?.into_data() else { continue };
        if data.remaining() > max_len - bytes.len() {
            return Err(Rejection::InvalidRequest);
        }
        bytes.put(data);
    }
    Ok(bytes)
}

fn same_subject(one: &TokenIdentity, other: &TokenIdentity) -> bool {
    match (one.key(KeyKind::Subject), other.key(KeyKind::Subject)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}
