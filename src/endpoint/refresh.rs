//! The refresh token that a client may send along when it logs out.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
};

use bytes::{Buf, BufMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::{
    guard::Refused,
    respond::Rejection,
    revocation::{KeyKind, TokenIdentity},
    telemetry::Throttle,
    token::{TokenVerifier, VerifyError},
};

/// Verifies refresh tokens, whatever claims they have.
pub(super) type RefreshVerifier = Arc<dyn Identify>;

pub(super) trait Identify: Send + Sync {
    /// Verifies a token until the deadline, and tells operators why it is refused.
    fn identify<'a>(&'a self, token: &'a str, deadline: Instant, throttle: &'a Throttle) -> Identifying<'a>;
}

type Identifying<'a> = Pin<Box<dyn Future<Output = Result<TokenIdentity, Rejection>> + Send + 'a>>;

impl<V: TokenVerifier> Identify for V {
    fn identify<'a>(&'a self, token: &'a str, deadline: Instant, throttle: &'a Throttle) -> Identifying<'a> {
        Box::pin(async move {
            let verified = timeout_at(deadline, self.verify(token)).await;
            match verified.unwrap_or_else(|late| Err(VerifyError::unavailable(late))) {
                Ok(verified) => Ok(verified.identity().clone()),
                Err(error) => Err(Refused::told(self, token, &error, throttle).rejection),
            }
        })
    }
}

/// The refresh token of a request's body, `{"refresh_token":"…"}`, if there is one that still has to be ended.
///
/// One that has expired is nothing to end. One that is not genuine, or belongs to another subject, makes the whole request invalid.
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
