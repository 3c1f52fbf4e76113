//! The refresh token that a client may send along when it logs out.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
};

use bytes::{Buf, BufMut};
use http_body::Body;
use http_body_util::BodyExt;

use crate::{
    respond::Rejection,
    revocation::{KeyKind, TokenIdentity},
    token::{TokenVerifier, VerifyError},
};

/// Verifies refresh tokens, whatever claims they have.
pub(super) type RefreshVerifier = Arc<dyn Identify>;

pub(super) trait Identify: Send + Sync {
    fn identify<'a>(&'a self, token: &'a str) -> Identifying<'a>;
}

type Identifying<'a> = Pin<Box<dyn Future<Output = Result<TokenIdentity, VerifyError>> + Send + 'a>>;

impl<V: TokenVerifier> Identify for V {
    fn identify<'a>(&'a self, token: &'a str) -> Identifying<'a> {
        Box::pin(async move { self.verify(token).await.map(|verified| verified.identity().clone()) })
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
) -> Result<Option<TokenIdentity>, Rejection> {
    #[derive(serde::Deserialize)]
    struct Document {
        refresh_token: Option<String>,
    }
    let json = read(body, max_len).await?;
    if json.is_empty() {
        return Ok(None);
    }
    let document: Document = serde_json::from_slice(&json).map_err(|_| Rejection::InvalidRequest)?;
    let Some(token) = document.refresh_token else { return Ok(None) };
    match verifier.identify(&token).await {
        Ok(refresh) if same_subject(&refresh, access) => Ok(Some(refresh)),
        Err(VerifyError::Expired) => Ok(None),
        Ok(_) | Err(VerifyError::Invalid(_)) => Err(Rejection::InvalidRefreshToken),
        Err(VerifyError::Unavailable(_)) => Err(Rejection::Unavailable),
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
